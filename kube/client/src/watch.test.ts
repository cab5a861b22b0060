import { array, assert, asyncProperty, integer, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { WatchEvent } from './client.ts';
import { decodeWatch } from './watch.ts';

async function* cut(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (let index = 0; at < bytes.length; index++) {
    const size = Math.max(1, sizes[index % Math.max(1, sizes.length)] ?? 1);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function all(body: AsyncIterable<Uint8Array>, lineBytesMax?: number): Promise<WatchEvent[]> {
  const events: WatchEvent[] = [];
  for await (const event of decodeWatch(body, lineBytesMax)) events.push(event);
  return events;
}

const pod = (name: string) => ({ type: 'ADDED', object: { apiVersion: 'v1', kind: 'Pod', metadata: { name } } });
const one = (text: string): AsyncIterable<Uint8Array> => cut(Buffer.from(text), [text.length]);

describe('decodeWatch', () => {
  it('gives the same events however the bytes are cut', async () => {
    await assert(
      asyncProperty(
        array(string({ unit: 'grapheme' }), { maxLength: 6 }),
        array(integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 8 }),
        async (names, sizes) => {
          const events = names.map(pod);
          const bytes = Buffer.from(events.map((event) => `${JSON.stringify(event)}\n`).join(''));
          expect(await all(cut(bytes, sizes))).toEqual(events);
        },
      ),
      { numRuns: 300, interruptAfterTimeLimit: 2000 },
    );
  });

  it('throws ConnectionBroken for every cut inside the last event, after the whole ones', async () => {
    const first = `${JSON.stringify(pod('a'))}\n`;
    const bytes = Buffer.from(`${first}${JSON.stringify(pod('b'))}`);
    for (let end = first.length + 1; end <= bytes.length; end++) {
      const seen: unknown[] = [];
      const read = async () => {
        for await (const event of decodeWatch(cut(bytes.subarray(0, end), [7]))) seen.push(event);
      };
      await expect(read()).rejects.toMatchObject({ code: 'ConnectionBroken' });
      expect(seen).toEqual([pod('a')]);
    }
  });

  it('throws an ERROR event as its StatusError', async () => {
    const status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: 'too old resource version',
      reason: 'Expired',
      code: 410,
    };
    await expect(all(one(`${JSON.stringify({ type: 'ERROR', object: status })}\n`))).rejects.toMatchObject({
      code: 'Expired',
      message: 'too old resource version',
    });
  });

  it('swallows nothing that is not an event', async () => {
    for (const line of [
      '{"type":"ADDED"',
      'null',
      '[]',
      '{"type":"SURPRISE","object":{}}',
      '{"type":"ADDED","object":null}',
      '{"type":"ERROR","object":{}}',
    ]) {
      await expect(all(one(`${line}\n`)), line).rejects.toMatchObject({ code: 'AnswerNotUnderstood' });
    }
  });

  it('holds no more of a line than its bound', async () => {
    await expect(all(cut(Buffer.alloc(4000, 0x61), [100]), 1000)).rejects.toMatchObject({ code: 'WatchLineTooLong' });
    await expect(all(one(`${'a'.repeat(2000)}\n`), 1000)).rejects.toMatchObject({ code: 'WatchLineTooLong' });
  });
});
