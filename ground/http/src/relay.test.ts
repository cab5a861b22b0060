import { duplexPair, type Duplex } from 'node:stream';
import { systemClock } from '@polyanthus/ground-base/clock';
import { background, withCancel } from '@polyanthus/ground-base/context';
import { expect, it } from 'vitest';
import { relay } from './relay.ts';

const ctx = background();
async function read(stream: Duplex): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece as Uint8Array);
  return Buffer.concat(pieces).toString();
}

it('carries both ways, passes half-closes on, and counts', async () => {
  const [left, a] = duplexPair();
  const [right, b] = duplexPair();
  const done = relay(ctx, a, b, { headFromA: Buffer.from('head ') });
  left.end('question');
  expect(await read(right)).toBe('head question');
  right.end('answer');
  expect(await read(left)).toBe('answer');
  expect(await done).toEqual({ bytesToB: 13, bytesToA: 6, idle: false });
});

it('waits for a slow reader', async () => {
  const [left, a] = duplexPair();
  const [right, b] = duplexPair();
  let moved = 0;
  const done = relay(ctx, a, b, { onBytes: (_to, bytes) => (moved += bytes) });
  const block = Buffer.alloc(16_384);
  const offered = 200;
  for (let index = 0; index < offered; index++) left.write(block);
  await new Promise((resolve) => setImmediate(resolve));
  expect(moved).toBeLessThan(block.length * 20);
  left.end();
  right.end();
  left.resume();
  const [all] = await Promise.all([read(right), done]);
  expect(all.length).toBe(block.length * offered);
});

it('destroys the other end when one is cut or fails, and says why', async () => {
  for (const failure of [undefined, new Error('broken pipe')]) {
    const [, a] = duplexPair();
    const [, b] = duplexPair();
    b.on('error', () => undefined);
    const done = relay(ctx, a, b);
    a.destroy(failure);
    expect((await done).error).toMatchObject({
      message: failure?.message ?? 'one end closed without an end of its data',
    });
    expect(b.destroyed).toBe(true);
  }
});

it('ends when it is cancelled, and after silence', async () => {
  const { ctx: inner, cancel } = withCancel(ctx);
  const [, a] = duplexPair();
  const [, b] = duplexPair();
  const done = relay(inner, a, b);
  cancel();
  expect((await done).error).toMatchObject({ code: 'Cancelled' });
  let nowMs = 0;
  let fire = (): void => undefined;
  const clock = {
    ...systemClock,
    monotonic: () => nowMs,
    after: (_delayMs: number, fn: () => void) => ((fire = fn), { cancel: () => undefined }),
  };
  const [left, c] = duplexPair();
  const [right, d] = duplexPair();
  const quiet = relay(background({ clock }), c, d, { idleMs: 1000 });
  nowMs = 900;
  left.write('x');
  await new Promise((resolve) => right.once('data', resolve));
  nowMs = 1000;
  fire();
  expect(c.destroyed).toBe(false);
  nowMs = 1900;
  fire();
  expect(await quiet).toMatchObject({ idle: true, bytesToB: 1 });
  expect([c.destroyed, d.destroyed]).toEqual([true, true]);
});
