import { duplexPair } from 'node:stream';
import { background } from '@polyanthus/ground-base/context';
import { encodeFrameHead } from '@polyanthus/ground-http/websocket-frames';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { channelProtocols, channels, ChannelConnection } from './channels.ts';

const ctx = background();
const mask = new Uint8Array(4);

interface Found {
  readonly stdin: string;
  readonly ended: boolean;
}

/** What a server reads on stdin from these frames, given in pieces of this size. */
async function readStdin(protocol: string, frames: readonly Uint8Array[], size: number): Promise<Found> {
  const [left, right] = duplexPair();
  left.on('error', () => undefined);
  left.resume();
  const connection = new ChannelConnection(ctx, right, protocol, { role: 'server' });
  const stdin = connection.reader(channels.stdin);
  const pieces: Uint8Array[] = [];
  let ended = false;
  stdin.on('data', (piece: Uint8Array) => pieces.push(piece));
  stdin.once('end', () => (ended = true));
  connection.start();
  const bytes = Buffer.concat(frames.flatMap((payload) => [encodeFrameHead(2, payload.length, mask), payload]));
  for (let at = 0; at < bytes.length; at += size) {
    left.write(bytes.subarray(at, at + size));
    await new Promise(setImmediate);
  }
  await new Promise(setImmediate);
  const found = { stdin: Buffer.concat(pieces).toString(), ended };
  connection.destroy();
  await connection.ended;
  return found;
}

const message = (channel: number, text: string): Uint8Array =>
  Buffer.concat([Uint8Array.of(channel), Buffer.from(text)]);

test('a channel gets its messages whatever the split; other channels and empty messages are passed over', async () => {
  const frames = [message(0, 'ab'), message(7, 'no'), new Uint8Array(0), message(0, ''), message(0, 'cd')];
  for (const size of [1, 2, 3, 1_000])
    expect(await readStdin(channelProtocols.v5, frames, size)).toEqual({ stdin: 'abcd', ended: false });
});

test('v5 closes one channel; what comes on it afterwards is dropped; v4 knows no such signal', async () => {
  const frames = [message(0, 'ab'), Uint8Array.of(255, 0), message(0, 'late')];
  for (const size of [1, 1_000]) {
    expect(await readStdin(channelProtocols.v5, frames, size)).toEqual({ stdin: 'ab', ended: true });
    expect(await readStdin(channelProtocols.v4, frames, size)).toEqual({ stdin: 'ablate', ended: false });
  }
});

test('random bytes end the connection or are read, and nothing throws', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 5 }), async (payloads) => {
      const found = await readStdin(channelProtocols.v5, payloads, 11);
      expect(typeof found.stdin).toBe('string');
    }),
    { interruptAfterTimeLimit: 1_500, numRuns: 50 },
  );
});
