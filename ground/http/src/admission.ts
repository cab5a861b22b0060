/** The header limits of DESIGN section 4: counted by us, because Node resets whole sessions instead of answering. */
import { httpLimits } from './limits.ts';
import type { Body, HeaderValues } from './message.ts';

/** How a server words an answer that it gives without its handler: 431, 500, 503 and the like. */
export type RenderError = (status: number, message: string) => { readonly headers: HeaderValues; readonly body: Body };

/** Plain text. */
export const plainError: RenderError = (_status, message) => ({
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body: Buffer.from(`${message}\n`),
});

/** What a request's header fields cost; names and values alternate, as on the wire. */
export function headerCost(flat: readonly string[]): { readonly count: number; readonly bytes: number } {
  let bytes = 0;
  for (const part of flat) bytes += Buffer.byteLength(part, 'latin1') + 2;
  return { count: flat.length / 2, bytes };
}

/** Why these headers are refused with 431, or undefined when they pass. */
export function headerFault(flat: readonly string[]): string | undefined {
  const { count, bytes } = headerCost(flat);
  if (count > httpLimits.headerCountMax)
    return `the request has ${count} header fields; at most ${httpLimits.headerCountMax} are read`;
  if (bytes > httpLimits.headerBytesMax)
    return `the request's header fields take ${bytes} bytes; at most ${httpLimits.headerBytesMax} are read`;
  return undefined;
}

/** Names and values in turn, a repeated header repeated. */
export function flatHeaders(headers: HeaderValues): string[] {
  const flat: string[] = [];
  for (const [name, value] of Object.entries(headers)) {
    for (const one of typeof value === 'string' ? [value] : value) flat.push(name, one);
  }
  return flat;
}
