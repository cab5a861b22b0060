/** Fixtures: certificates for tests, and the conformance suite that every Transport with its server must pass. */
import { readFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { background, withCancel } from '@polyanthus/ground-base/context';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readBody } from './body.ts';
import { header, headerAll } from './headers.ts';
import { httpLimits } from './limits.ts';
import type { Handler, HttpRequest, ServerRequest, ServerResponse, Transport } from './message.ts';

const pem = (name: string): string => readFileSync(new URL(`../testdata/${name}.pem`, import.meta.url), 'utf8');

/** PEM texts: a CA, certificates that it signed (server for localhost, server.test and loopback), and foreign ones. */
export const testCertificates = {
  ca: pem('ca.cert'),
  server: { cert: pem('server.cert'), key: pem('server.key') },
  /** Signed by `ca`, expired on 2025-02-01. */
  expired: { cert: pem('expired.cert'), key: pem('expired.key') },
  /** CN alice, O testers. */
  client: { cert: pem('client.cert'), key: pem('client.key') },
  otherCa: pem('other-ca.cert'),
  /** Signed by `otherCa`. */
  stranger: { cert: pem('stranger.cert'), key: pem('stranger.key') },
} as const;

/** A promise with its resolver, for tests that wait for an event. */
export function signalled<T = undefined>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  return Promise.withResolvers<T>();
}

/** A GET without headers and body, with what a test changes. */
export function testRequest(url: string, more: Partial<HttpRequest> = {}): HttpRequest {
  return { method: 'GET', url, headers: {}, body: null, ...more };
}

/** Puts `handler` behind the transport under test. */
export type ConformanceSetup = (handler: Handler) => Promise<Subject>;

interface Subject {
  readonly transport: Transport;
  close(): Promise<void>;
}

const text = (value: string): Uint8Array => Buffer.from(value);
const bigBytes = 4 * 1024 * 1024;

/** What the handler saw; one slot for each path that waits for something. */
interface Seen {
  readonly aborted: ReturnType<typeof signalled>;
  readonly requestFailed: ReturnType<typeof signalled<unknown>>;
  readonly started: ReturnType<typeof signalled>;
  readonly gate: ReturnType<typeof signalled>;
  release: () => void;
}

/** Runs the suite; `name` is the transport's. */
export function transportConformance(name: string, setup: ConformanceSetup): void {
  describe(`transport conformance: ${name}`, () => {
    const ctx = background();
    let seen: Seen = newSeen();
    let subject: Subject;
    const handler: Handler = (inner, request) =>
      routes[new URL(request.url, 'http://x').pathname]?.(inner.signal, request, seen) ?? notFound();
    beforeAll(async () => {
      subject = await setup(handler);
    });
    afterAll(() => subject.close());
    const ask = (url: string, more: Partial<HttpRequest> = {}) =>
      subject.transport.request(ctx, testRequest(url, more));
    const bytes = async (url: string, more: Partial<HttpRequest> = {}) =>
      readBody((await ask(url, more)).body, bigBytes * 2);

    it('passes method, path, query and percent-encoding untouched', async () => {
      const body = await bytes('/echo?labelSelector=a%3Db&x=%2Fy', { method: 'PATCH', body: text('hi') });
      expect(JSON.parse(Buffer.from(body).toString())).toMatchObject({
        method: 'PATCH',
        url: '/echo?labelSelector=a%3Db&x=%2Fy',
        body: 'hi',
      });
    });

    it('passes repeated headers as arrays in wire order, both ways', async () => {
      const response = await ask('/headers', { headers: { 'impersonate-group': ['a', 'b', 'c'] } });
      await readBody(response.body, 1000);
      expect(headerAll(response.headers, 'x-group')).toEqual(['a', 'b', 'c']);
    });

    it('passes 600 groups of 20 bytes', async () => {
      const groups = Array.from({ length: 600 }, (_, index) => `group-${index}`.padEnd(20, 'x'));
      expect(Buffer.from(await bytes('/count', { headers: { 'impersonate-group': groups } })).toString()).toBe('600');
    });

    it('answers 431 above the count and above the bytes, and goes on', async () => {
      const many = Array.from({ length: httpLimits.headerCountMax + 1 }, (_, index) => String(index));
      const counted = await ask('/count', { headers: { 'impersonate-group': many } });
      await readBody(counted.body, 10_000);
      const large = await ask('/count', { headers: { 'x-large': 'x'.repeat(httpLimits.headerBytesMax) } });
      await readBody(large.body, 10_000);
      expect([counted.status, large.status]).toEqual([431, 431]);
      expect((await ask('/status?204')).status).toBe(204);
    });

    it('gives status and an empty body', async () => {
      const response = await ask('/status?204');
      expect(response.status).toBe(204);
      expect(await readBody(response.body, 0)).toHaveLength(0);
    });

    it('answers without a body where there is none', async () => {
      for (const [method, url] of [
        ['HEAD', '/echo'],
        ['GET', '/status?204'],
        ['GET', '/headers'],
      ] as const) {
        const response = await ask(url, { method });
        expect([url, await readBody(response.body, 0)]).toEqual([url, new Uint8Array(0)]);
      }
    });

    it('delivers each piece of a stream before the next is made', async () => {
      const response = await ask('/stepwise');
      const pieces: string[] = [];
      for await (const piece of response.body as AsyncIterable<Uint8Array>) {
        pieces.push(Buffer.from(piece).toString());
        seen.release();
      }
      expect(pieces).toEqual(['1\n', '2\n', '3\n']);
    });

    it('gives the head at once when the first piece is not there yet', async () => {
      seen = newSeen();
      const response = await ask('/stepwise?hold');
      expect(response.status).toBe(200);
      seen.gate.resolve(undefined);
      const iterator = (response.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
      await iterator.next();
      await iterator.return?.();
    });

    it('carries big bodies both ways, whole and in pieces', async () => {
      const body = Buffer.alloc(bigBytes, 7);
      expect(await bytes('/mirror', { method: 'POST', body })).toHaveLength(bigBytes);
      expect(await bytes('/mirror', { method: 'POST', body: chunks(bigBytes) })).toHaveLength(bigBytes);
    });

    it('makes no more than the reader takes', async () => {
      const response = await ask('/endless');
      const iterator = (response.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
      await iterator.next();
      await iterator.return?.();
      await seen.aborted.promise;
      expect(produced).toBeLessThan(64 * 1024 * 1024);
    });

    it('throws ConnectionBroken when the answer breaks off, never a clean end', async () => {
      for (const url of ['/broken', '/broken?first', '/broken?late', '/short']) {
        await expect(bytes(url), url).rejects.toMatchObject({ code: 'ConnectionBroken' });
      }
      expect((await ask('/status?200')).status).toBe(200);
    });

    it('aborts the handler when the reader stops', async () => {
      seen = newSeen();
      const response = await ask('/hang-body');
      const iterator = (response.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
      await iterator.next();
      await iterator.return?.();
      await expect(seen.aborted.promise).resolves.toBeUndefined();
    });

    it('aborts the handler and throws when the context is cancelled before the head', async () => {
      seen = newSeen();
      const { ctx: inner, cancel } = withCancel(ctx);
      const answer = subject.transport.request(inner, testRequest('/hang'));
      await seen.started.promise;
      cancel();
      await expect(answer).rejects.toMatchObject({ code: 'Cancelled' });
      await expect(seen.aborted.promise).resolves.toBeUndefined();
    });

    it('throws in the reader when the context is cancelled in the middle of a body', async () => {
      seen = newSeen();
      const { ctx: inner, cancel } = withCancel(ctx);
      const response = await subject.transport.request(inner, testRequest('/hang-body'));
      const iterator = (response.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
      await iterator.next();
      const rest = iterator.next();
      cancel();
      await expect(rest).rejects.toMatchObject({ code: 'Cancelled' });
      await seen.aborted.promise;
    });

    it('refuses at once when the context is already cancelled', async () => {
      const { ctx: inner, cancel } = withCancel(ctx);
      cancel();
      await expect(subject.transport.request(inner, testRequest('/echo'))).rejects.toMatchObject({ code: 'Cancelled' });
    });

    it('gives the handler an error, not an end, when the request body breaks off', async () => {
      for (let round = 0; round < 10; round++) {
        seen = newSeen();
        const answer = subject.transport.request(ctx, testRequest('/read', { method: 'POST', body: breaking(seen) }));
        await expect(answer.then((response) => readBody(response.body, 1000))).rejects.toThrow();
        expect(await seen.requestFailed.promise).toMatchObject({
          code: expect.stringMatching(/ConnectionBroken|Cancelled/) as unknown,
        });
      }
    });

    it('delivers a refusal that comes before the request body is read', async () => {
      const response = await ask('/too-large', { method: 'POST', body: Buffer.alloc(256 * 1024) });
      expect(response.status).toBe(413);
      expect(Buffer.from(await readBody(response.body, 100)).toString()).toBe('too large');
    });

    it('answers 500 when the handler throws', async () => {
      const response = await ask('/throw');
      expect(response.status).toBe(500);
      await readBody(response.body, 1000);
    });

    it('serves many requests at once', async () => {
      const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => bytes(`/echo?${index}`)));
      expect(answers.map((one) => (JSON.parse(Buffer.from(one).toString()) as { url: string }).url)).toEqual(
        Array.from({ length: 50 }, (_, index) => `/echo?${index}`),
      );
    });

    it('joins raw streams after an accepted upgrade, with half-close', async () => {
      const result = await subject.transport.upgrade(ctx, upgradeRequest('/upgrade'));
      if (result.kind !== 'upgraded') throw new Error('refused');
      expect(header(result.headers, 'x-accepted')).toBe('yes');
      const heard = collect(result.socket, result.head);
      result.socket.write('ping');
      result.socket.end();
      expect(await heard).toBe('helloPING');
    });

    it('gives a refused upgrade as the plain answer, whole', async () => {
      const result = await subject.transport.upgrade(ctx, upgradeRequest('/refuse'));
      if (result.kind !== 'refused') throw new Error('accepted');
      expect(result.response.status).toBe(403);
      expect(Buffer.from(await readBody(result.response.body, 1000)).toString()).toBe('not for you');
    });

    it('aborts the handler of an upgrade when the client goes away', async () => {
      seen = newSeen();
      const result = await subject.transport.upgrade(ctx, upgradeRequest('/upgrade?hold'));
      if (result.kind !== 'upgraded') throw new Error('refused');
      result.socket.destroy();
      await expect(seen.aborted.promise).resolves.toBeUndefined();
    });
  });

  it(`${name}: a closed transport refuses with TransportClosed`, async () => {
    const subject = await setup(() => Promise.resolve({ status: 200, headers: {}, body: null }));
    await subject.transport.close();
    await expect(subject.transport.request(background(), testRequest('/'))).rejects.toMatchObject({
      code: 'TransportClosed',
    });
    await subject.close();
  });
}

function newSeen(): Seen {
  return {
    aborted: signalled(),
    requestFailed: signalled<unknown>(),
    started: signalled(),
    gate: signalled(),
    release: () => undefined,
  };
}

function upgradeRequest(url: string): HttpRequest {
  return testRequest(url, { headers: { connection: 'Upgrade', upgrade: 'websocket' } });
}

async function collect(socket: Duplex, head: Uint8Array): Promise<string> {
  const pieces: Uint8Array[] = [head];
  for await (const piece of socket) pieces.push(piece as Uint8Array);
  return Buffer.concat(pieces).toString();
}

async function* chunks(total: number): AsyncGenerator<Uint8Array> {
  for (let sent = 0; sent < total; sent += 65_536) yield Buffer.alloc(Math.min(65_536, total - sent), 1);
}

async function* breaking(seen: Seen): AsyncGenerator<Uint8Array> {
  yield text('half');
  await seen.started.promise;
  throw new Error('the sender broke');
}

type Route = (signal: AbortSignal, request: ServerRequest, seen: Seen) => Promise<ServerResponse>;

const ok = (body: ServerResponse['body'], headers: ServerResponse['headers'] = {}): ServerResponse => ({
  status: 200,
  headers,
  body,
});
const notFound = (): Promise<ServerResponse> => Promise.resolve({ status: 404, headers: {}, body: null });
const untilAbort = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) =>
    signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true }),
  );
let produced = 0;

const routes: Readonly<Record<string, Route>> = {
  '/echo': async (_signal, request) => {
    const body = Buffer.from(await readBody(request.body, bigBytes)).toString();
    return ok(text(JSON.stringify({ method: request.method, url: request.url, body })), {
      'content-type': 'application/json',
    });
  },
  '/headers': async (_signal, request) => ok(null, { 'x-group': headerAll(request.headers, 'impersonate-group') }),
  '/count': async (_signal, request) => ok(text(String(headerAll(request.headers, 'impersonate-group').length))),
  '/status': async (_signal, request) => ({ status: Number(request.url.split('?')[1]), headers: {}, body: null }),
  '/stepwise': async (_signal, request, seen) => ok(stepwise(request.url.endsWith('?hold'), seen)),
  '/mirror': async (_signal, request) => ok(request.body),
  '/endless': async (signal, _request, seen) => {
    void untilAbort(signal).then(() => seen.aborted.resolve(undefined));
    return ok(endless());
  },
  '/broken': async (_signal, request) => ok(breakingAnswer(request.url.split('?')[1])),
  '/short': async () => ok(chunks(10), { 'content-length': '20' }),
  '/hang': async (signal, _request, seen) => {
    seen.started.resolve(undefined);
    await untilAbort(signal);
    seen.aborted.resolve(undefined);
    return ok(null);
  },
  '/hang-body': async (signal, _request, seen) => {
    void untilAbort(signal).then(() => seen.aborted.resolve(undefined));
    return ok(hanging(signal));
  },
  '/read': async (_signal, request, seen) => {
    seen.started.resolve(undefined);
    try {
      await readBody(request.body, bigBytes);
      seen.requestFailed.resolve('nothing failed');
    } catch (error) {
      seen.requestFailed.resolve(error);
      throw error;
    }
    return ok(null);
  },
  '/too-large': async () => ({ status: 413, headers: {}, body: text('too large') }),
  '/throw': async () => {
    throw new Error('boom');
  },
  '/refuse': async () => ({ status: 403, headers: { 'content-type': 'text/plain' }, body: text('not for you') }),
  '/upgrade': async (signal, request, seen) => {
    void untilAbort(signal).then(() => seen.aborted.resolve(undefined));
    const hold = request.url.endsWith('?hold');
    return {
      status: 101,
      headers: { connection: 'Upgrade', upgrade: 'websocket', 'x-accepted': 'yes' },
      body: null,
      upgrade: (socket) => shout(socket, hold),
    };
  },
};

function shout(socket: Duplex, hold: boolean): void {
  socket.on('error', () => undefined);
  socket.once('end', () => socket.end());
  if (hold) return void socket.resume();
  socket.write('hello');
  socket.on('data', (piece: Buffer) => socket.write(piece.toString().toUpperCase()));
}

async function* stepwise(hold: boolean, seen: Seen): AsyncGenerator<Uint8Array> {
  if (hold) await seen.gate.promise;
  for (let step = 1; step <= 3; step++) {
    const next = signalled();
    seen.release = () => next.resolve(undefined);
    yield text(`${step}\n`);
    if (step < 3) await next.promise;
  }
}

async function* endless(): AsyncGenerator<Uint8Array> {
  produced = 0;
  for (;;) {
    produced += 65_536;
    yield Buffer.alloc(65_536);
  }
}

async function* breakingAnswer(when: string | undefined): AsyncGenerator<Uint8Array> {
  if (when !== 'first') yield text('half an answer');
  if (when === 'late') yield* chunks(bigBytes);
  throw new Error('the source broke');
}

async function* hanging(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  yield text('begin');
  await untilAbort(signal);
}
