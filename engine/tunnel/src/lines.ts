/** Lines of JSON out of pieces of bytes, each line bounded. */
import type { Body } from '@polyanthus/ground-http/message';
import { tunnelErrors } from './errors.ts';
import { controlLineBytesMax } from './wire.ts';

/** Every complete line, parsed. Errors: TunnelProtocol for a line that is too long or not JSON. */
export async function* readLines(body: Body): AsyncGenerator {
  let rest = Buffer.alloc(0);
  for await (const piece of pieces(body)) {
    rest = Buffer.concat([rest, piece]);
    for (let at = rest.indexOf(10); at >= 0; at = rest.indexOf(10)) {
      yield parse(rest.subarray(0, at));
      rest = rest.subarray(at + 1);
    }
    if (rest.length > controlLineBytesMax)
      throw tunnelErrors.error('TunnelProtocol', `a control line is longer than ${controlLineBytesMax} bytes`);
  }
}

async function* pieces(body: Body): AsyncGenerator<Uint8Array> {
  if (body instanceof Uint8Array) yield body;
  else if (body !== null) yield* body;
}

function parse(line: Buffer): unknown {
  if (line.length > controlLineBytesMax)
    throw tunnelErrors.error('TunnelProtocol', `a control line is longer than ${controlLineBytesMax} bytes`);
  try {
    return JSON.parse(line.toString('utf8')) as unknown;
  } catch (cause) {
    throw tunnelErrors.error('TunnelProtocol', 'a control line is not JSON', { cause });
  }
}
