/** Small readings of header values; names are always lower case. */
import type { HeaderValues } from './message.ts';

/** The first value of a header, or undefined. */
export function header(headers: HeaderValues, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' || value === undefined ? value : value[0];
}

/** Every value of a header, in wire order. */
export function headerAll(headers: HeaderValues, name: string): readonly string[] {
  const value = headers[name];
  if (value === undefined) return [];
  return typeof value === 'string' ? [value] : value;
}

/**
 * A text as a header value whose bytes on the wire are its UTF-8: Node writes values as Latin-1, so that `é` would be
 * another name to who reads UTF-8 (Go), and `Ã©` would be `é`.
 */
export function toHeaderText(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** The text of a header value whose bytes are UTF-8. */
export function fromHeaderText(value: string): string {
  return Buffer.from(value, 'latin1').toString('utf8');
}

/** The declared length of a body in bytes, or undefined. */
export function contentLength(headers: HeaderValues): number | undefined {
  const value = header(headers, 'content-length');
  return value === undefined || !/^\d+$/.test(value) ? undefined : Number(value);
}

/** Whether an answer has no body at all: then nobody needs to read it to free the connection. */
export function isBodiless(method: string, status: number, headers: HeaderValues): boolean {
  return method === 'HEAD' || status === 204 || status === 304 || header(headers, 'content-length') === '0';
}
