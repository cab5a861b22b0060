import { duplexPair, type Duplex } from 'node:stream';
import { background, withCancel } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { systemRandom } from '@polyanthus/ground-base/random';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeFrameHead, masked, WebSocketFrameReader, type WebSocketRole } from './websocket-frames.ts';
import { WebSocketConnection, webSocketOver, type WebSocketEnd } from './websocket.ts';

const ctx = background();
const unbounded = { maxFrameBytes: Infinity, maxMessageBytes: Infinity };
const ignore = (): void => undefined;

/** What a reader of `role` finds in `bytes` given in pieces of these sizes: messages whole, controls in their place. */
function readAll(role: WebSocketRole, bytes: Uint8Array, sizes: readonly number[], limits = unbounded): string[] {
  const found: string[] = [];
  let message: Uint8Array[] = [];
  const reader = new WebSocketFrameReader(role, limits, {
    piece: (piece, { first, last, text }) => {
      if (first) message = [];
      message.push(piece);
      if (last) found.push(`${text ? 'text' : 'binary'}:${Buffer.concat(message).toString('hex')}`);
    },
    control: (opcode, payload) => void found.push(`${opcode}:${Buffer.from(payload).toString('hex')}`),
  });
  let at = 0;
  for (let index = 0; at < bytes.length; index++) {
    const size = sizes.length === 0 ? bytes.length : Math.max(1, sizes[index % sizes.length] ?? 1);
    reader.push(bytes.slice(at, at + size));
    at += size;
  }
  return found;
}

const frame = (opcode: number, payload: Uint8Array, mask?: Uint8Array): Uint8Array =>
  Buffer.concat([
    encodeFrameHead(opcode, payload.length, mask),
    mask === undefined ? payload : masked(payload, mask, 0),
  ]);

/** A frame of RFC 6455 without FIN. */
function open(opcode: number, payload: Uint8Array): Uint8Array {
  const bytes = frame(opcode, payload);
  bytes[0] = (bytes[0] ?? 0) & 0x7f;
  return bytes;
}

function pair(): [Duplex, Duplex] {
  const [a, b] = duplexPair();
  a.on('error', ignore);
  b.on('error', ignore);
  return [a, b];
}

async function readWhole(stream: Duplex): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece as Uint8Array);
  return Buffer.concat(pieces);
}

test('any split of the bytes gives the same messages', () => {
  const message = fc.record({
    opcode: fc.constantFrom(1, 2, 9, 10),
    size: fc.oneof(fc.nat(200), fc.constantFrom(125, 126, 65_535, 65_536)),
  });
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 9_000 }), { maxLength: 5 }),
      fc.boolean(),
      (messages, sizes, client) => {
        const mask = client ? Uint8Array.of(1, 2, 3, 4) : undefined;
        const bytes = Buffer.concat(
          messages.map(({ opcode, size }) =>
            frame(opcode, new Uint8Array(opcode > 8 ? size % 126 : size).fill(size), mask),
          ),
        );
        const role = client ? 'server' : 'client';
        const whole = readAll(role, bytes, []);
        expect(whole).toHaveLength(messages.length);
        expect(readAll(role, bytes, sizes)).toEqual(whole);
      },
    ),
    { interruptAfterTimeLimit: 2_000 },
  );
});

test('random bytes are read or refused with a code, never anything else', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 400 }),
      fc.constantFrom<WebSocketRole>('client', 'server'),
      (bytes, role) => {
        try {
          readAll(role, bytes, [3], { maxFrameBytes: 1_000, maxMessageBytes: 1_000 });
        } catch (error) {
          expect(hasCode(error, 'UnexpectedProtocol') || hasCode(error, 'BodyTooLarge')).toBe(true);
        }
      },
    ),
    { interruptAfterTimeLimit: 2_000 },
  );
});

test('a message in fragments is one message, with control frames between them', () => {
  const bytes = Buffer.concat([
    open(2, Uint8Array.of(1)),
    frame(9, Uint8Array.of(7)),
    open(0, Uint8Array.of(2)),
    frame(0, Uint8Array.of(3)),
  ]);
  expect(readAll('client', bytes, [])).toEqual(['9:07', 'binary:010203']);
});

test.each<[string, WebSocketRole, Uint8Array]>([
  ['reserved bits', 'client', Uint8Array.of(0xc2, 0)],
  ['an unmasked client frame', 'server', frame(2, Uint8Array.of(1))],
  ['a masked server frame', 'client', frame(2, Uint8Array.of(1), Uint8Array.of(1, 1, 1, 1))],
  ['a fragmented ping', 'client', open(9, new Uint8Array(0))],
  ['a long ping', 'client', frame(9, new Uint8Array(126))],
  ['an unknown opcode', 'client', frame(3, new Uint8Array(0))],
  ['an unknown control opcode', 'client', frame(11, new Uint8Array(0))],
  ['a continuation of nothing', 'client', frame(0, new Uint8Array(1))],
  ['a message inside another', 'client', Buffer.concat([open(2, Uint8Array.of(1)), frame(2, Uint8Array.of(1))])],
])('%s is refused', (_name, role, bytes) => {
  expect(() => readAll(role, bytes, [])).toThrow(expect.objectContaining({ code: 'UnexpectedProtocol' }));
});

test('a frame and a message above their limits are refused before their payload comes', () => {
  const big = encodeFrameHead(2, 2 ** 40, undefined);
  expect(() => readAll('client', big, [], { maxFrameBytes: 100, maxMessageBytes: 100 })).toThrow(
    expect.objectContaining({ code: 'BodyTooLarge' }),
  );
  const two = Buffer.concat([open(2, new Uint8Array(60)), frame(0, new Uint8Array(60))]);
  expect(() => readAll('client', two, [], { maxFrameBytes: 100, maxMessageBytes: 100 })).toThrow(
    expect.objectContaining({ code: 'BodyTooLarge' }),
  );
});

test.each([
  ['zero mask', undefined],
  ['random mask', systemRandom],
] as const)('bytes pass both ways and end cleanly: %s', async (_name, maskWith) => {
  const [left, right] = pair();
  const client = webSocketOver(ctx, left, { role: 'client', ...(maskWith === undefined ? {} : { maskWith }) });
  const server = webSocketOver(ctx, right, { role: 'server' });
  const sent = Buffer.from(systemRandom.bytes(60_000));
  const before = Buffer.from(sent);
  server.write(sent);
  client.write(sent);
  client.write(Buffer.from('end'));
  server.once('data', () => server.end());
  const got = await readWhole(client);
  expect(got.equals(sent)).toBe(true);
  expect(sent.equals(before)).toBe(true);
});

test('a slow reader holds the writer back', async () => {
  const [left, right] = pair();
  const client = webSocketOver(ctx, left, { role: 'client' });
  const server = webSocketOver(ctx, right, { role: 'server' });
  const piece = new Uint8Array(64 * 1024);
  let written = 0;
  let taken = true;
  for (; taken && written < 64 * 1024 * 1024; written += piece.length) {
    taken = client.write(piece);
    await new Promise(setImmediate);
  }
  expect(taken).toBe(false);
  expect(written).toBeLessThan(4 * 1024 * 1024);
  let read = 0;
  server.on('data', (bytes: Uint8Array) => (read += bytes.length));
  server.once('end', ignore);
  client.end();
  await new Promise((resolve) => server.once('close', resolve));
  expect(read).toBe(written);
});

function ending(
  socket: Duplex,
  role: WebSocketRole,
): { readonly connection: WebSocketConnection; readonly ended: Promise<WebSocketEnd> } {
  const { promise, resolve } = Promise.withResolvers<WebSocketEnd>();
  const connection = new WebSocketConnection(ctx, socket, { role }, { piece: ignore, ended: resolve });
  connection.start();
  return { connection, ended: promise };
}

test('a close code and its reason arrive and are answered', async () => {
  const [left, right] = pair();
  const client = ending(left, 'client');
  const server = ending(right, 'server');
  server.connection.close(4001, 'because');
  expect(await client.ended).toEqual({ code: 4001, reason: 'because' });
  expect(await server.ended).toEqual({ code: 4001, reason: '' });
});

test('a violation is answered by 1002, a connection that is cut is 1006', async () => {
  const [left, right] = pair();
  const server = ending(right, 'server');
  const answer = new Promise<Uint8Array>((resolve) => left.once('data', resolve));
  left.write(frame(2, Uint8Array.of(1)));
  expect(Buffer.from(await answer).toString('hex')).toBe('880203ea');
  expect(await server.ended).toMatchObject({ code: 1006, error: { code: 'UnexpectedProtocol' } });
  const [one, two] = pair();
  const cut = ending(two, 'server');
  one.end();
  expect(await cut.ended).toMatchObject({ code: 1006, error: { code: 'ConnectionBroken' } });
});

test('a flood of pings to an end that cannot write keeps one answer', async () => {
  const [left, right] = pair();
  const server = ending(right, 'server');
  while (right.write(frame(2, new Uint8Array(20_000)))) await new Promise(setImmediate);
  const buffered = right.writableLength;
  const ping = frame(9, new Uint8Array(100), new Uint8Array(4));
  for (let index = 0; index < 2_000; index++) {
    left.write(ping);
    if (index % 100 === 0) await new Promise(setImmediate);
  }
  expect(right.writableLength - buffered).toBeLessThan(1_000);
  server.connection.destroy();
  await server.ended;
});

test('a cancelled context cuts it', async () => {
  const [left, right] = pair();
  const child = withCancel(ctx);
  const server = webSocketOver(child.ctx, right, { role: 'server' });
  const failed = new Promise((resolve) => server.once('error', resolve));
  child.cancel();
  expect(await failed).toMatchObject({ code: 'Cancelled' });
  expect(left).toBeDefined();
});
