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

/** The declared length of a body in bytes, or undefined. */
export function contentLength(headers: HeaderValues): number | undefined {
  const value = header(headers, 'content-length');
  return value === undefined || !/^\d+$/.test(value) ? undefined : Number(value);
}

/** Whether an answer has no body at all: then nobody needs to read it to free the connection. */
export function isBodiless(method: string, status: number, headers: HeaderValues): boolean {
  return method === 'HEAD' || status === 204 || status === 304 || header(headers, 'content-length') === '0';
}
