import { PassThrough, Readable } from 'node:stream';
import { background, withCancel } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { readBody } from '@polyanthus/ground-http/body';
import { inProcessTransport } from '@polyanthus/ground-http/in-process';
import type { HttpResponse, Transport } from '@polyanthus/ground-http/message';
import type { Pod } from '@polyanthus/kube-kinds/core';
import { openPortForward } from '@polyanthus/kube-stream/port-forward-client';
import { openRemoteCommand } from '@polyanthus/kube-stream/remote-command-client';
import { exitCodeOf } from '@polyanthus/kube-stream/remote-command';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ContainerBehaviour } from './behaviour.ts';
import { createKubeletHandler } from './handler.ts';
import { runCommand } from './shell.ts';
import { parseScript } from './shell-parser.ts';

const ctx = background();
const startMs = 1_800_000_000_000;
const behaviour: ContainerBehaviour = {
  commands: { 'pg_isready -q': { stderr: 'no\n', exitCode: 2 } },
  files: { '/etc/hosts': '127.0.0.1 localhost\n', '/etc/app/config': 'a=1\n' },
  ports: { 80: { kind: 'http', body: 'hi', status: 418 }, 9: { kind: 'echo' } },
  logs: (previous) =>
    previous
      ? undefined
      : Array.from({ length: 5 }, (_, index) => ({ atMs: startMs + index * 1_000, text: `line ${index}` })),
};
const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'shop', uid: 'u-1' },
  spec: { containers: [{ name: 'main', env: [{ name: 'COLOUR', value: 'red' }] }] },
} as unknown as Pod;

const transport: Transport = inProcessTransport(
  createKubeletHandler({
    pods: () => [pod],
    behaviour: () => behaviour,
    authenticate: async ({ headers }) => headers['authorization'] !== 'none',
  }),
);

async function get(
  url: string,
  headers: Record<string, string> = {},
): Promise<{ readonly status: number; readonly text: string }> {
  const response: HttpResponse = await transport.request(ctx, { method: 'GET', url, headers, body: null });
  return { status: response.status, text: Buffer.from(await readBody(response.body, 100_000)).toString() };
}

interface Outcome {
  readonly out: string;
  readonly err: string;
  readonly code: number;
}

async function run(words: readonly string[], input = ''): Promise<Outcome> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const world = { hostname: 'web', env: { COLOUR: 'red' }, behaviour };
  const code = await runCommand(ctx, world, { stdin: Readable.from([Buffer.from(input)]), stdout, stderr }, words);
  return { out: String(stdout.read() ?? ''), err: String(stderr.read() ?? ''), code };
}

describe('the shell of a simulated container', () => {
  test.each<[string[], Partial<Outcome>]>([
    [['echo', 'a', 'b'], { out: 'a b\n', code: 0 }],
    [['echo', '-n', 'a'], { out: 'a' }],
    [['/bin/hostname'], { out: 'web\n' }],
    [['env'], { out: 'COLOUR=red\n' }],
    [['ls', '/etc'], { out: 'app\nhosts\n' }],
    [['ls', '/nope'], { code: 1 }],
    [['cat', '/etc/hosts'], { out: '127.0.0.1 localhost\n' }],
    [['cat', '/nope'], { code: 1, err: "cat: can't open '/nope': No such file or directory\n" }],
    [['seq', '3'], { out: '1\n2\n3\n' }],
    [['exit', '7'], { code: 7 }],
    [['pg_isready', '-q'], { err: 'no\n', code: 2 }],
    [['nonsense'], { code: 127, err: 'nonsense: not found\n' }],
    [
      ['sh', '-c', 'echo "$COLOUR-${COLOUR}"; false || echo else; false && echo never; echo e >&2; exit 3; echo no'],
      { out: 'red-red\nelse\n', err: 'e\n', code: 3 },
    ],
    [['sh', '-c', 'echo $(date)'], { code: 2, err: 'sh: syntax error\n' }],
    [['sh', '-c', 'echo \'a  b\' "c\\"d" e\\ f'], { out: 'a  b c"d e f\n' }],
  ])('%j', async (words, expected) => {
    expect(await run(words)).toMatchObject(expected);
  });

  test('cat gives its input back', async () => {
    expect(await run(['cat'], 'in')).toEqual({ out: 'in', err: '', code: 0 });
  });

  test('any script is parsed or refused, never a crash', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (text) => {
        const parsed = parseScript(text, {});
        expect(parsed === undefined || parsed.every(({ words }) => words.length > 0)).toBe(true);
      }),
      { interruptAfterTimeLimit: 1_000 },
    );
  });
});

describe('the kubelet API', () => {
  test.each([
    ['/healthz', 200, 'ok'],
    ['/nope', 404, '404 page not found'],
    ['/constructor', 404, '404 page not found'],
    ['/containerLogs/shop/none/main', 404, 'pod "none" does not exist'],
    ['/containerLogs/shop/web/none', 404, 'container "none" not found in pod "web"'],
    ['/containerLogs/shop/web/main?tailLines=-1', 422, 'Invalid request'],
    ['/containerLogs/shop/web/main?previous=true', 400, 'previous terminated container "main" in pod "web" not found'],
    ['/exec/shop/web/main?command=true', 400, 'at least 1 of stdin, stdout, stderr'],
    ['/exec/shop/web/u-2/main?command=true&output=1', 404, 'pod "web" does not exist'],
    ['/exec/shop/web/u-1/main?command=true&output=1', 400, 'unable to upgrade'],
  ])('GET %s is %i', async (url, status, text) => {
    const answer = await get(url);
    expect([answer.status, answer.text]).toEqual([status, expect.stringContaining(text)]);
  });

  test('only healthz is open to who is not authenticated', async () => {
    expect((await get('/pods', { authorization: 'none' })).status).toBe(401);
    expect((await get('/healthz', { authorization: 'none' })).status).toBe(200);
    expect(JSON.parse((await get('/pods')).text)).toMatchObject({
      kind: 'PodList',
      items: [{ metadata: { name: 'web' } }],
    });
  });

  test.each([
    ['', 'line 0\nline 1\nline 2\nline 3\nline 4\n'],
    ['?tailLines=2', 'line 3\nline 4\n'],
    ['?tailLines=0', ''],
    [`?sinceTime=${new Date(startMs + 3_000).toISOString()}`, 'line 3\nline 4\n'],
    ['?limitBytes=9', 'line 0\nli'],
    ['?timestamps=true&tailLines=1', '2027-01-15T08:00:04.000000000Z line 4\n'],
  ])('logs%s', async (query, expected) => {
    expect((await get(`/containerLogs/shop/web/main${query}`)).text).toBe(expected);
  });

  test('following logs ends with the client', async () => {
    const child = withCancel(ctx);
    const response = await transport.request(child.ctx, {
      method: 'GET',
      url: '/containerLogs/shop/web/main?follow=true&tailLines=1',
      headers: {},
      body: null,
    });
    const body = response.body as AsyncIterable<Uint8Array>;
    const iterator = body[Symbol.asyncIterator]();
    expect(Buffer.from((await iterator.next()).value as Uint8Array).toString()).toBe('line 4\n');
    child.cancel();
    await expect(iterator.next()).rejects.toMatchObject({ code: 'Cancelled' });
  });

  test.each(['websocket', 'spdy'] as const)('exec, attach and ports over %s', async (protocol) => {
    const streams = {
      stdin: true,
      stdout: true,
      stderr: true,
      tty: false,
      protocols: [protocol],
      random: systemRandom,
    };
    const query = 'input=1&output=1&error=1';
    const exec = await openRemoteCommand(ctx, transport, {
      ...streams,
      url: `/exec/shop/web/main?${query}&command=sh&command=-c&command=echo+%24COLOUR%3B+exit+9`,
    });
    exec.stderr?.resume();
    expect(String(await exec.stdout?.toArray())).toBe('red\n');
    expect(exitCodeOf(await exec.status)).toBe(9);
    const attach = await openRemoteCommand(ctx, transport, { ...streams, url: `/attach/shop/web/main?${query}` });
    attach.stderr?.resume();
    attach.stdin?.end('typed');
    expect(String(await attach.stdout?.toArray())).toBe('typed');
    const session = await openPortForward(ctx, transport, {
      url: '/portForward/shop/web',
      protocols: [protocol],
      random: systemRandom,
    });
    const echo = await session.connect(ctx, 9);
    echo.end('again');
    expect(String(await echo.toArray())).toBe('again');
    const http = await session.connect(ctx, 80);
    http.end('GET / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n');
    expect(String(Buffer.concat((await http.toArray()) as Uint8Array[]))).toMatch(/^HTTP\/1\.1 418 [^]*hi$/);
    await expect((await session.connect(ctx, 7)).toArray()).rejects.toMatchObject({
      code: 'PortForwardFailed',
      message: expect.stringContaining('connection refused'),
    });
    await session.close();
  });
});
