import { duplexPair, type Duplex } from 'node:stream';
import { constants, createDeflate, deflateSync } from 'node:zlib';
import { background, withCancel } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { spdyDictionary } from './spdy-dictionary.ts';
import { encodeDataHead, encodeFrame, SpdyFrameReader, type SpdyFrame } from './spdy-frames.ts';
import { HeaderBlockReader, HeaderBlockWriter, type SpdyHeaders } from './spdy-headers.ts';
import type { SpdyStream } from './spdy-stream.ts';
import { SpdySession, type SpdySessionOptions } from './spdy.ts';

const ctx = background();
const ignore = (): void => undefined;

/** What is found in `bytes` given in pieces of these sizes; data of one stream joined where it is adjacent. */
function readAll(bytes: Uint8Array, sizes: readonly number[]): string[] {
  const found: string[] = [];
  const reader = new SpdyFrameReader({
    data: (streamId, piece, fin) => {
      const before = found.at(-1) ?? '';
      const text = `${before.startsWith(`data ${streamId} `) ? found.pop() : `data ${streamId} `}${Buffer.from(piece).toString('hex')}`;
      found.push(fin ? `${text}.` : text);
    },
    frame: (frame) => void found.push(JSON.stringify(frame)),
  });
  for (let at = 0, index = 0; at < bytes.length; index++) {
    const size = sizes.length === 0 ? bytes.length : (sizes[index % sizes.length] ?? 1);
    reader.push(bytes.slice(at, at + size));
    at += size;
  }
  return found;
}

const headersArbitrary = fc.dictionary(fc.stringMatching(/^[a-z-]{1,12}$/), fc.string({ maxLength: 40 }), {
  maxKeys: 5,
});
const idArbitrary = fc.integer({ min: 1, max: 0x7fffffff });
const frameArbitrary: fc.Arbitrary<SpdyFrame> = fc.oneof(
  fc.record({
    type: fc.constantFrom('synStream' as const, 'synReply' as const, 'headers' as const),
    streamId: idArbitrary,
    headers: headersArbitrary,
    fin: fc.boolean(),
  }),
  fc.record({
    type: fc.constant('rstStream' as const),
    streamId: idArbitrary,
    status: fc.integer({ min: 1, max: 11 }),
  }),
  fc.record({ type: fc.constant('ping' as const), id: idArbitrary }),
  fc.record({ type: fc.constant('goAway' as const), lastGoodStreamId: idArbitrary, status: fc.nat(2) }),
);

test('any split of the bytes gives the same frames, and they are those that were sent', () => {
  fc.assert(
    fc.property(
      fc.array(frameArbitrary, { maxLength: 8 }),
      fc.uint8Array({ maxLength: 300 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
      (frames, data, sizes) => {
        const headers = new HeaderBlockWriter();
        const payload = [encodeDataHead(5, data.length, true), data];
        const bytes = Buffer.concat([...frames.map((frame) => encodeFrame(frame, headers)), ...payload]);
        const whole = readAll(bytes, []);
        expect(whole).toEqual([
          ...frames.map((frame) => JSON.stringify(frame)),
          `data 5 ${Buffer.from(data).toString('hex')}.`,
        ]);
        expect(readAll(bytes, sizes)).toEqual(whole);
      },
    ),
    { interruptAfterTimeLimit: 2_000 },
  );
});

test('random bytes are read or refused with a code, never anything else', () => {
  const controlHead = fc
    .tuple(fc.constantFrom(1, 2, 3, 4, 6, 7, 8, 9, 99), fc.nat(60))
    .map(([type, length]) => Uint8Array.of(0x80, 3, 0, type, 0, 0, 0, length));
  fc.assert(
    fc.property(
      fc.oneof(fc.constant(new Uint8Array(0)), controlHead),
      fc.uint8Array({ maxLength: 300 }),
      (head, bytes) => {
        try {
          readAll(Buffer.concat([head, bytes]), [7]);
        } catch (error) {
          expect(hasCode(error, 'StreamProtocolViolated')).toBe(true);
        }
      },
    ),
    { interruptAfterTimeLimit: 2_000 },
  );
});

test.each<[string, Uint8Array]>([
  ['a frame of another version', Uint8Array.of(0x80, 2, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1)],
  ['a control frame of 16 MB', Uint8Array.of(0x80, 3, 0, 1, 0, 0xff, 0xff, 0xff)],
  ['data on stream 0', Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1, 7)],
  ['a reset of stream 0', Uint8Array.of(0x80, 3, 0, 3, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1)],
  ['a short reset', Uint8Array.of(0x80, 3, 0, 3, 0, 0, 0, 4, 0, 0, 0, 1)],
])('%s is refused', (_name, bytes) => {
  expect(() => readAll(bytes, [])).toThrow(expect.objectContaining({ code: 'StreamProtocolViolated' }));
});

/** Header blocks as a zlib compressor writes them: one stream, flushed after each block. */
async function compressed(blocks: readonly Buffer[]): Promise<Buffer[]> {
  const deflate = createDeflate({ dictionary: spdyDictionary, level: 9 });
  const out: Buffer[] = [];
  for (const block of blocks) {
    deflate.write(block);
    await new Promise<void>((resolve) => deflate.flush(constants.Z_SYNC_FLUSH, resolve));
    const pieces: Buffer[] = [];
    for (let piece = deflate.read() as Buffer | null; piece !== null; piece = deflate.read() as Buffer | null)
      pieces.push(piece);
    out.push(Buffer.concat(pieces));
  }
  deflate.destroy();
  return out;
}

function plainPairs(headers: SpdyHeaders): Buffer {
  const text = (value: string): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(value.length);
    return Buffer.concat([length, Buffer.from(value)]);
  };
  const count = Buffer.alloc(4);
  count.writeUInt32BE(Object.keys(headers).length);
  return Buffer.concat([count, ...Object.entries(headers).flatMap(([name, value]) => [text(name), text(value)])]);
}

test('blocks compressed by zlib in one stream are read, each with what came before as its context', async () => {
  const all = Array.from({ length: 1_000 }, (_, index) => ({
    streamtype: index % 2 === 0 ? 'error' : 'data',
    port: '8080',
    requestid: String(index),
    date: `${index}`.repeat(5),
  }));
  const blocks = await compressed(all.map(plainPairs));
  const reader = new HeaderBlockReader();
  expect(blocks.map((block) => ({ ...reader.read(block) }))).toEqual(all);
});

test('a block that inflates beyond its bound is refused without inflating it', async () => {
  const [bomb] = await compressed([Buffer.alloc(5_000_000)]);
  expect(bomb?.length).toBeLessThan(60_000);
  expect(() => new HeaderBlockReader().read(bomb ?? Buffer.alloc(0))).toThrow(
    expect.objectContaining({ code: 'StreamProtocolViolated' }),
  );
});

test('a zlib stream with another dictionary, a lying count and a duplicate name are refused', async () => {
  const refused = expect.objectContaining({ code: 'StreamProtocolViolated' });
  const other = deflateSync(plainPairs({ a: 'b' }), {
    dictionary: Buffer.from('abc'),
    finishFlush: constants.Z_SYNC_FLUSH,
  });
  expect(() => new HeaderBlockReader().read(other)).toThrow(refused);
  const lying = plainPairs({ a: 'b' });
  lying.writeUInt32BE(0xffffffff);
  const [lyingBlock] = await compressed([lying]);
  expect(() => new HeaderBlockReader().read(lyingBlock ?? other)).toThrow(refused);
  const twice = Buffer.concat([plainPairs({ a: 'b' }), plainPairs({ a: 'b' }).subarray(4)]);
  twice.writeUInt32BE(2);
  const [twiceBlock] = await compressed([twice]);
  expect(() => new HeaderBlockReader().read(twiceBlock ?? other)).toThrow(refused);
});

interface Ends {
  readonly client: SpdySession;
  readonly server: SpdySession;
  readonly opened: () => Promise<SpdyStream>;
  readonly sockets: readonly [Duplex, Duplex];
}

function ends(resetIs: 'end' | 'error' = 'end', options: Partial<SpdySessionOptions> = {}): Ends {
  const [left, right] = duplexPair();
  left.on('error', ignore);
  right.on('error', ignore);
  const streams: SpdyStream[] = [];
  let wake = ignore;
  const client = new SpdySession(ctx, left, { role: 'client', resetIs });
  const onStream = (stream: SpdyStream): void => {
    stream.accept();
    streams.push(stream);
    wake();
  };
  const server = new SpdySession(ctx, right, { role: 'server', resetIs, onStream, ...options });
  client.start();
  server.start();
  const opened = async (): Promise<SpdyStream> => {
    for (;;) {
      const stream = streams.shift();
      if (stream !== undefined) return stream;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  return { client, server, opened, sockets: [left, right] };
}

async function readWhole(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

test('streams carry bytes both ways, half-close, and leave nothing behind', async () => {
  const { client, server, opened } = ends();
  const mine = client.open({ StreamType: 'data' });
  const sent = Buffer.alloc(300_000, 'abc');
  mine.end(sent);
  const theirs = await opened();
  expect({ ...theirs.headers }).toEqual({ streamtype: 'data' });
  expect((await readWhole(theirs)).equals(sent)).toBe(true);
  theirs.end('answer');
  expect((await readWhole(mine)).toString()).toBe('answer');
  expect(client.size).toBe(0);
  expect(server.size).toBe(0);
  await server.close();
  expect(await server.ended).toBeUndefined();
  expect(await client.ended).toBeUndefined();
});

test('a slow reader holds its session back', async () => {
  const { client, opened } = ends();
  const mine = client.open({});
  const theirs = await opened();
  await mine.accepted;
  const piece = new Uint8Array(64 * 1024);
  let written = 0;
  for (let taken = true; taken && written < 64 * 1024 * 1024; written += piece.length) {
    taken = mine.write(piece);
    await new Promise(setImmediate);
  }
  expect(written).toBeLessThan(4 * 1024 * 1024);
  mine.end();
  expect((await readWhole(theirs)).length).toBe(written);
});

test('a reset is an end after the data that came before it, or an error, as the session was told', async () => {
  const gentle = ends('end');
  const mine = gentle.client.open({});
  const theirs = await gentle.opened();
  theirs.write('last words');
  await new Promise(setImmediate);
  theirs.destroy();
  expect((await readWhole(mine)).toString()).toBe('last words');
  expect(mine.wasLost).toBe(true);
  const strict = ends('error');
  const other = strict.client.open({});
  const failed = new Promise((resolve) => other.once('error', resolve));
  (await strict.opened()).destroy();
  expect(await failed).toMatchObject({ code: 'StreamReset' });
});

test('a loss of the connection ends every stream and rejects what was not accepted', async () => {
  const { client, opened, sockets } = ends('error');
  const mine = client.open({});
  await opened();
  const failed = new Promise((resolve) => mine.once('error', resolve));
  sockets[1].destroy();
  sockets[0].destroy();
  expect(await failed).toMatchObject({ code: 'StreamBroken' });
  expect(() => client.open({})).toThrow(expect.objectContaining({ code: 'StreamBroken' }));
});

test('more streams than allowed are refused, those that are open go on', async () => {
  const { client, opened } = ends('end', { maxStreams: 2 });
  const [first] = [client.open({}), client.open({})];
  const refused = client.open({});
  await expect(refused.accepted).rejects.toMatchObject({ code: 'StreamReset' });
  const theirs = await opened();
  first?.end('still here');
  expect((await readWhole(theirs)).toString()).toBe('still here');
});

test('close delivers what was written before it', async () => {
  const { client, server, opened } = ends();
  const mine = client.open({});
  const theirs = await opened();
  theirs.write(Buffer.alloc(200_000, 1));
  const closed = server.close();
  expect((await readWhole(mine)).length).toBe(200_000);
  await closed;
  expect(await client.ended).toBeUndefined();
});

test('pings are answered; a peer that pings and never reads is cut off', async () => {
  const [left, right] = duplexPair();
  left.on('error', ignore);
  const server = new SpdySession(ctx, right, { role: 'server', resetIs: 'end' });
  server.start();
  const ping = encodeFrame({ type: 'ping', id: 1 }, new HeaderBlockWriter());
  const answer = new Promise<Buffer>((resolve) => left.once('data', resolve));
  left.write(ping);
  expect((await answer).equals(ping)).toBe(true);
  left.pause();
  const many = Buffer.concat(Array.from({ length: 5_000 }, () => ping));
  for (let index = 0; index < 200 && !right.destroyed; index++) {
    left.write(many);
    await new Promise(setImmediate);
  }
  expect(await server.ended).toMatchObject({ code: 'StreamProtocolViolated' });
});

test('a cancelled context cuts the session', async () => {
  const [left, right] = duplexPair();
  const child = withCancel(ctx);
  const server = new SpdySession(child.ctx, right, { role: 'server', resetIs: 'end' });
  server.start();
  child.cancel();
  expect(await server.ended).toMatchObject({ code: 'Cancelled' });
  expect(right.destroyed).toBe(true);
  left.destroy();
});
