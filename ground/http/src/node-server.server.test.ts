import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@polyanthus/ground-base/clock';
import { background, withCancel } from '@polyanthus/ground-base/context';
import { afterEach, describe, expect, it } from 'vitest';
import { readBody } from './body.ts';
import type { Handler, HttpResponse, Transport } from './message.ts';
import { createTransport, type TransportOptions } from './node-client.ts';
import { serve, type ServeOptions } from './node-server.ts';
import { signalled, testCertificates, testRequest } from './testing.ts';

const ctx = background();
const loopback = { host: '127.0.0.1', port: 0 };
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function start(handler: Handler, more: Partial<ServeOptions> = {}) {
  const server = await serve(ctx, {
    handler,
    listen: loopback,
    tls: { ...testCertificates.server, clientCas: [testCertificates.ca] },
    ...more,
  });
  cleanups.push(() => server.close(0));
  return server;
}

function client(address: string, more: Partial<TransportOptions> = {}): Transport {
  const transport = createTransport({ baseUrl: `https://${address}`, tls: { ca: testCertificates.ca }, ...more });
  cleanups.push(() => transport.close());
  return transport;
}

const text = async (response: HttpResponse): Promise<string> =>
  Buffer.from(await readBody(response.body, 1_000_000)).toString();
const whoAmI: Handler = async (_ctx, request) => {
  const { certificate } = request.peer;
  return {
    status: 200,
    headers: {},
    body: Buffer.from(certificate === undefined ? 'nobody' : new X509Certificate(certificate).subject),
  };
};

describe('client certificates', () => {
  for (const protocol of ['http/1.1', 'h2'] as const) {
    it(`are told to the handler when they verify, and no other (${protocol})`, async () => {
      const server = await start(whoAmI);
      const ask = async (more: object) =>
        text(
          await client(server.address, { protocol, tls: { ca: testCertificates.ca, ...more } }).request(
            ctx,
            testRequest('/'),
          ),
        );
      expect(await ask(testCertificates.client)).toBe('CN=alice\nO=testers');
      expect(await ask(testCertificates.stranger)).toBe('nobody');
      expect(await ask({})).toBe('nobody');
    });
  }

  it('follow a CA that is replaced while it runs', async () => {
    const server = await start(whoAmI);
    const ask = async () =>
      text(
        await client(server.address, { tls: { ca: testCertificates.ca, ...testCertificates.stranger } }).request(
          ctx,
          testRequest('/'),
        ),
      );
    expect(await ask()).toBe('nobody');
    server.setTls({ ...testCertificates.server, clientCas: [testCertificates.otherCa] });
    expect(await ask()).toBe('CN=mallory\nO=testers');
  });

  it('are not trusted by public CAs when the list is empty', async () => {
    const server = await start(whoAmI, { tls: { ...testCertificates.server, clientCas: [] } });
    expect(
      await text(
        await client(server.address, { tls: { ca: testCertificates.ca, ...testCertificates.client } }).request(
          ctx,
          testRequest('/'),
        ),
      ),
    ).toBe('nobody');
  });
});

describe('errors of the way', () => {
  const fails = async (transport: Transport): Promise<string> => {
    const error: unknown = await transport.request(ctx, testRequest('/')).catch((one: unknown) => one);
    return `${(error as { code?: string }).code ?? ''}: ${(error as Error).message}`;
  };

  it('name address and reason', async () => {
    const server = await start(whoAmI);
    const closed = await start(whoAmI);
    await closed.close(0);
    expect(await fails(client(closed.address))).toBe(`ConnectionRefused: ${closed.address}: connection refused`);
    expect(await fails(client(closed.address, { protocol: 'h2' }))).toBe(
      `ConnectionRefused: ${closed.address}: connection refused`,
    );
    expect(await fails(client('no-such-host.invalid:1'))).toMatch(/^NameNotFound: no-such-host\.invalid:1: /);
    expect(await fails(client(server.address, { unixSocket: '/no/such/socket' }))).toBe(
      'ConnectionRefused: /no/such/socket: there is no such socket',
    );
    expect(await fails(client(server.address, { tls: { ca: testCertificates.otherCa } }))).toMatch(
      /^CertificateRejected: .*: the server's certificate is not accepted: .* a CA that is not trusted$/,
    );
    expect(
      await fails(client(server.address, { tls: { ca: testCertificates.ca, serverName: 'elsewhere.test' } })),
    ).toMatch(/it is for DNS:localhost, .*, not for elsewhere\.test$/);
    expect(await fails(client(server.address, { baseUrl: `http://${server.address}` }))).toMatch(
      /^(UnexpectedProtocol|ConnectionBroken): /,
    );
  });

  it('say when a certificate expired and what time it is here', async () => {
    const server = await start(whoAmI, { tls: testCertificates.expired });
    const clock = { ...systemClock, now: () => Date.parse('2030-05-06T07:08:09Z') };
    const answer = client(server.address).request(background({ clock }), testRequest('/'));
    await expect(answer).rejects.toMatchObject({
      code: 'CertificateRejected',
      message: `${server.address}: the server's certificate is not accepted: it expired at 2025-02-01T00:00:00.000Z; the local time is 2030-05-06T07:08:09.000Z`,
    });
  });

  it('say so when the port speaks no TLS or no HTTP', async () => {
    const plain = await start(whoAmI, { tls: undefined as never });
    expect(await fails(client(plain.address))).toBe(
      `UnexpectedProtocol: ${plain.address}: the server does not speak TLS on this port`,
    );
    const noise = await listening(
      createServer((socket) => socket.on('error', () => undefined).end('SSH-2.0-OpenSSH\r\n')),
    );
    expect(await fails(client(noise, { baseUrl: `http://${noise}` }))).toMatch(
      /^UnexpectedProtocol: .*: the answer is not valid HTTP/,
    );
  });

  it('are found before any connection when the TLS data is no PEM', () => {
    const make = () => createTransport({ baseUrl: 'https://127.0.0.1:1', tls: { cert: 'x', key: 'y' } });
    expect(make).toThrow(expect.objectContaining({ code: 'TlsMaterialInvalid' }) as Error);
  });

  it('end a connect that hangs', async () => {
    const silent = await listening(createServer((socket) => socket.on('error', () => undefined)));
    const answer = client(silent, { connectTimeoutMs: 50 }).request(ctx, testRequest('/'));
    await expect(answer).rejects.toMatchObject({
      code: 'DeadlineExceeded',
      message: `connecting to ${silent} took longer than 50 ms`,
    });
  });
});

describe('keep-alive', () => {
  it('repeats a GET on a connection that the server had closed, and nothing that changes', async () => {
    const sockets: Socket[] = [];
    let requests = 0;
    const address = await listening(
      createServer((socket) => {
        sockets.push(socket);
        let first = true;
        socket
          .on('error', () => undefined)
          .on('data', () => {
            requests++;
            if (first) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
            else socket.destroy();
            first = false;
          });
      }),
    );
    const transport = client(address, { baseUrl: `http://${address}` });
    expect(await text(await transport.request(ctx, testRequest('/')))).toBe('ok');
    expect(await text(await transport.request(ctx, testRequest('/')))).toBe('ok');
    expect([sockets.length, requests]).toEqual([2, 3]);
    // The repeat had a connection of its own: another call leaves one in the pool again.
    expect(await text(await transport.request(ctx, testRequest('/')))).toBe('ok');
    // A body is complete a moment before its connection is back in the pool.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    await expect(
      transport.request(ctx, testRequest('/', { method: 'POST', body: Buffer.from('x') })),
    ).rejects.toMatchObject({ code: 'ConnectionBroken' });
    expect([sockets.length, requests]).toEqual([3, 5]);
  });
});

describe('closing', () => {
  it('lets an answer end in its grace, takes no new connection, and tells h2 clients', async () => {
    for (const protocol of ['http/1.1', 'h2'] as const) {
      const gate = signalled();
      const begun = signalled();
      const server = await start(async () => {
        begun.resolve(undefined);
        await gate.promise;
        return { status: 200, headers: {}, body: Buffer.from('whole') };
      });
      const transport = client(server.address, { protocol });
      const answer = transport.request(ctx, testRequest('/'));
      await begun.promise;
      const closing = server.close(30_000);
      gate.resolve(undefined);
      expect(await text(await answer)).toBe('whole');
      await closing;
      await expect(transport.request(ctx, testRequest('/'))).rejects.toMatchObject({ code: 'ConnectionRefused' });
    }
  });

  it('cuts what is left after the grace, and a watch sees a broken connection', async () => {
    for (const protocol of ['http/1.1', 'h2'] as const) {
      const aborted = signalled();
      const server = await start(async (inner) => {
        inner.signal.addEventListener('abort', () => aborted.resolve(undefined));
        return { status: 200, headers: {}, body: endlessly() };
      });
      const response = await client(server.address, { protocol }).request(ctx, testRequest('/'));
      const iterator = (response.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
      await iterator.next();
      await server.close(10);
      await expect(iterator.next()).rejects.toMatchObject({ code: 'ConnectionBroken' });
      await aborted.promise;
    }
  });

  it('ends with the context', async () => {
    const { ctx: inner, cancel } = withCancel(ctx);
    const server = await serve(inner, { handler: whoAmI, listen: loopback });
    cancel();
    await expect(
      createTransport({ baseUrl: `http://${server.address}` }).request(ctx, testRequest('/')),
    ).rejects.toMatchObject({ code: 'ConnectionRefused' });
  });
});

describe('listening', () => {
  it('names the address that is taken', async () => {
    const server = await start(whoAmI);
    await expect(
      serve(ctx, { handler: whoAmI, listen: { host: '127.0.0.1', port: server.port } }),
    ).rejects.toMatchObject({
      code: 'ListenFailed',
      message: `cannot listen on ${server.address}: it is taken by another program`,
    });
  });

  it('takes over the unix socket of a dead owner, with mode 0600, but not that of a living one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'polyanthus-socket-'));
    cleanups.push(() => rm(folder, { recursive: true }));
    const path = join(folder, 's');
    const dead = await leaveSocket(path);
    expect(dead.isSocket()).toBe(true);
    const server = await serve(ctx, { handler: whoAmI, listen: { path } });
    cleanups.push(() => server.close(0));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await expect(serve(ctx, { handler: whoAmI, listen: { path } })).rejects.toMatchObject({ code: 'ListenFailed' });
  });
});

describe('what Node could not parse', () => {
  it('is answered in the words of the server', async () => {
    const server = await start(whoAmI, {
      tls: undefined as never,
      renderError: (status, message) => ({
        headers: { 'content-type': 'application/json' },
        body: Buffer.from(JSON.stringify({ status, message })),
      }),
    });
    const raw = await exchange(server.port, 'NONSENSE\r\n\r\n');
    expect(raw).toMatch(
      /^HTTP\/1\.1 400 Bad Request\r\ncontent-type: application\/json\r\n[\s\S]*\{"status":400,"message":"the request is not valid HTTP"\}$/,
    );
    const large = await exchange(server.port, `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(300_000)}\r\n\r\n`);
    expect(large).toMatch(/^HTTP\/1\.1 431 /);
  });
});

describe('proxies', () => {
  /** A CONNECT proxy on loopback that notes what it was asked. */
  async function proxy(answer = '200 OK'): Promise<{ readonly address: string; readonly asked: string[] }> {
    const asked: string[] = [];
    const server = createServer((socket) => {
      socket
        .on('error', () => undefined)
        .once('data', (data: Buffer) => {
          const head = data.toString('latin1');
          asked.push(head);
          socket.write(`HTTP/1.1 ${answer}\r\n\r\n`);
          if (!answer.startsWith('200')) {
            socket.end();
            return;
          }
          const [, host = '', port = ''] = /^CONNECT (.*):(\d+) /.exec(head) ?? [];
          const far = connect(Number(port), host).on('error', () => socket.destroy());
          socket.pipe(far).pipe(socket);
        });
    });
    return { address: await listening(server), asked };
  }

  it('are gone through with CONNECT and credentials, for requests and upgrades', async () => {
    const server = await start(whoAmI);
    const via = await proxy();
    const transport = client(server.address, { proxyUrl: `http://me:p%40ss@${via.address}` });
    expect(await text(await transport.request(ctx, testRequest('/')))).toBe('nobody');
    const result = await transport.upgrade(ctx, testRequest('/', { headers: { connection: 'Upgrade', upgrade: 'x' } }));
    expect(result.kind).toBe('refused');
    expect(via.asked.length).toBe(2);
    expect(via.asked[0]).toMatch(
      new RegExp(
        `^CONNECT ${server.address} HTTP/1.1\r\n[\\s\\S]*proxy-authorization: Basic ${Buffer.from('me:p@ss').toString('base64')}\r\n`,
        'i',
      ),
    );
  });

  it('that refuse are named, without their password', async () => {
    const via = await proxy('407 Proxy Authentication Required');
    const answer = client('far.test:443', { proxyUrl: `http://me:secret@${via.address}` }).request(
      ctx,
      testRequest('/'),
    );
    await expect(answer).rejects.toMatchObject({
      code: 'ProxyFailed',
      message: `the proxy ${via.address} answered 407 Proxy Authentication Required to CONNECT far.test:443`,
    });
    const gone = client('far.test:443', { proxyUrl: 'http://127.0.0.1:1' }).request(ctx, testRequest('/'));
    await expect(gone).rejects.toMatchObject({
      code: 'ProxyFailed',
      message: 'no way to far.test: proxy 127.0.0.1:1: connection refused',
    });
  });
});

async function* endlessly(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('begin');
  await new Promise(() => undefined);
}

async function listening(server: Server): Promise<string> {
  const open = new Set<Socket>();
  server.on('connection', (socket) => open.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => {
    for (const socket of open) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Leaves a socket file that nobody listens on, as a killed process does. */
async function leaveSocket(path: string) {
  const { spawn } = await import('node:child_process');
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  await new Promise((resolve) => spawn(process.execPath, ['-e', script]).once('close', resolve));
  return stat(path);
}

function exchange(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let heard = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    socket
      .on('data', (piece) => (heard += piece.toString('latin1')))
      .on('error', () => undefined)
      .once('close', () => resolve(heard));
  });
}
