import { background, withCancel, type Context } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { inProcessTransport } from '@polyanthus/ground-http/in-process';
import type { Handler, HttpResponse } from '@polyanthus/ground-http/message';
import { statusError } from '@polyanthus/kube-objects/status';
import { describe, expect, test } from 'vitest';
import { openRemoteCommand, type RemoteCommand } from './remote-command-client.ts';
import { serveRemoteCommand, type RunRemoteCommand } from './remote-command-server.ts';
import {
  exitCodeOf,
  exitStatus,
  optionsOfQuery,
  terminalSizes,
  type CommandStatus,
  type RemoteCommandOptions,
} from './remote-command.ts';

const ctx = background();
const allStreams: RemoteCommandOptions = { stdin: true, stdout: true, stderr: true, tty: false };

const handlerOf =
  (options: RemoteCommandOptions, run: RunRemoteCommand): Handler =>
  async (ctx, request) =>
    serveRemoteCommand(ctx, request, options, run);

async function open(
  protocol: 'websocket' | 'spdy',
  run: RunRemoteCommand,
  options = allStreams,
  at: Context = ctx,
): Promise<RemoteCommand> {
  return openRemoteCommand(at, inProcessTransport(handlerOf(options, run)), {
    ...options,
    url: '/exec',
    protocols: [protocol],
    random: systemRandom,
  });
}

async function text(stream: AsyncIterable<Uint8Array> | undefined): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream ?? []) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

const done: CommandStatus = { status: 'Success' };

describe.each(['websocket', 'spdy'] as const)('a remote command over %s', (protocol) => {
  test('gets stdin to its end, gives stdout and stderr, and its exit code', async () => {
    const command = await open(protocol, async (_ctx, { stdin, stdout, stderr }) => {
      stdout?.write((await text(stdin)).toUpperCase());
      stderr?.write('warned');
      return exitStatus(7);
    });
    command.stdin?.write('abc');
    command.stdin?.end('def');
    const [out, err, status] = await Promise.all([text(command.stdout), text(command.stderr), command.status]);
    expect([out, err, exitCodeOf(status)]).toEqual(['ABCDEF', 'warned', 7]);
  });

  test('carries megabytes whole to a slow reader', async () => {
    const size = 4 * 1024 * 1024;
    const command = await open(protocol, async (_ctx, { stdout }) => {
      for (let sent = 0; sent < size; sent += 65_536) {
        if (stdout?.write(Buffer.alloc(65_536, sent / 65_536)) === false)
          await new Promise((resolve) => stdout.once('drain', resolve));
      }
      return done;
    });
    command.stderr?.resume();
    let got = 0;
    for await (const piece of command.stdout as AsyncIterable<Uint8Array>) {
      for (let index = 0; index < piece.length; index += 4_096) expect(piece[index]).toBe(((got + index) >> 16) & 0xff);
      got += piece.length;
    }
    expect(got).toBe(size);
    expect(await command.status).toMatchObject(done);
  });

  test('sees the sizes of the terminal', async () => {
    const options = { stdin: true, stdout: true, stderr: false, tty: true };
    const command = await open(
      protocol,
      async (_ctx, { sizes, stdout }) => {
        for await (const size of sizes) {
          stdout?.write(`${size.width}x${size.height};`);
          if (size.width === 100) break;
        }
        return done;
      },
      options,
    );
    command.resize({ width: 80, height: 24 });
    command.resize({ width: 100, height: 50 });
    expect(await text(command.stdout)).toBe('80x24;100x50;');
  });

  test('that throws is an internal error with its words', async () => {
    const command = await open(protocol, async () => {
      throw new Error('no such container');
    });
    command.stdout?.resume();
    command.stderr?.resume();
    const status = await command.status;
    expect(() => exitCodeOf(status)).toThrow(/no such container/);
  });

  test('is cancelled when its client goes away, and its client learns when the connection is cut', async () => {
    const cancelled = Promise.withResolvers<void>();
    const run: RunRemoteCommand = async (ctx) => {
      await new Promise<void>((resolve) => ctx.signal.addEventListener('abort', () => resolve(), { once: true }));
      cancelled.resolve();
      return done;
    };
    const command = await open(protocol, run);
    command.close();
    await expect(command.status).rejects.toMatchObject({ code: 'StreamBroken' });
    await cancelled.promise;
    const child = withCancel(ctx);
    const other = await open(protocol, run, allStreams, child.ctx);
    child.cancel();
    await expect(other.status).rejects.toMatchObject({ code: 'StreamBroken' });
  });
});

test('the status of an API that refuses both protocols is what the caller gets', async () => {
  const { status } = statusError('Forbidden', 'pods "x" is forbidden');
  const tried: string[] = [];
  const refuse: Handler = async (_ctx, request): Promise<HttpResponse> => {
    tried.push(`${request.method} ${String(request.headers['upgrade'])}`);
    return { status: 403, headers: {}, body: Buffer.from(JSON.stringify(status)) };
  };
  const opening = openRemoteCommand(ctx, inProcessTransport(refuse), {
    ...allStreams,
    url: '/exec',
    random: systemRandom,
  });
  await expect(opening).rejects.toMatchObject({ code: 'Forbidden' });
  expect(tried).toEqual(['GET websocket', 'POST SPDY/3.1']);
});

test('a server that refuses WebSockets is spoken to in SPDY', async () => {
  const inner = handlerOf(allStreams, async () => exitStatus(3));
  const handler: Handler = async (ctx, request) =>
    request.method === 'GET' ? { status: 400, headers: {}, body: Buffer.from('old') } : inner(ctx, request);
  const command = await openRemoteCommand(ctx, inProcessTransport(handler), {
    ...allStreams,
    url: '/exec',
    random: systemRandom,
  });
  expect(command.protocol).toBe('spdy');
  expect(exitCodeOf(await command.status)).toBe(3);
});

test('an answer that is no upgrade and no Status is told with its text', async () => {
  const handler: Handler = async () => ({ status: 502, headers: {}, body: Buffer.from('<html>bad gateway</html>') });
  const opening = openRemoteCommand(ctx, inProcessTransport(handler), {
    ...allStreams,
    url: '/exec?command=x',
    random: systemRandom,
  });
  await expect(opening).rejects.toThrow('/exec: the server answered 502: <html>bad gateway</html>');
});

test.each([
  [{ upgrade: 'websocket', connection: 'Upgrade' }, 'GET', 400],
  [{}, 'POST', 400],
  [{ upgrade: 'SPDY/3.1', connection: 'Upgrade' }, 'POST', 400],
  [{ upgrade: 'SPDY/3.1', connection: 'Upgrade', 'x-stream-protocol-version': 'v9' }, 'POST', 403],
  [
    {
      upgrade: 'websocket',
      connection: 'Upgrade',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
      'sec-websocket-protocol': 'v9',
    },
    'GET',
    403,
  ],
])('a request that negotiates nothing is refused: %j', async (headers, method, status) => {
  const handler = handlerOf(allStreams, async () => done);
  const result = await inProcessTransport(handler).upgrade(ctx, {
    method,
    url: '/',
    headers: headers as Record<string, string>,
    body: null,
  });
  expect(result.kind === 'refused' && result.response.status).toBe(status);
});

test('the streams of a query are named as kubelet and as pods name them', () => {
  expect(optionsOfQuery(new URLSearchParams('input=1&output=1&error=1&command=x'), 'kubelet')).toEqual(allStreams);
  expect(optionsOfQuery(new URLSearchParams('stdin=true&stdout=true&stderr=true&tty=true'), 'pod')).toEqual({
    stdin: true,
    stdout: true,
    stderr: false,
    tty: true,
  });
  expect(optionsOfQuery(new URLSearchParams('command=x'), 'pod')).toBeUndefined();
});

test('sizes are read in any split; what is none is passed over; what is endless is refused', async () => {
  const bytes = Buffer.from('{"Width":1,"Height":2}\n{"Width":-1,"Height":2}{"Width":3,"Height":4}');
  async function* split(source: Buffer, size: number): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < source.length; at += size) yield source.subarray(at, at + size);
  }
  for (const size of [1, 3, 100]) {
    expect(await all(terminalSizes(split(bytes, size)))).toEqual([
      { width: 1, height: 2 },
      { width: 3, height: 4 },
    ]);
  }
  await expect(all(terminalSizes(split(Buffer.alloc(10_000, 'x'), 100)))).rejects.toMatchObject({
    code: 'StreamProtocolViolated',
  });
});
