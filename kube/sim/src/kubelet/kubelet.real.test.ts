/** Real kubectl, through a real kube-apiserver, to the simulated kubelet: both generations of the protocol. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { background } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import type { Transport } from '@polyanthus/ground-http/message';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { serve, type RunningServer } from '@polyanthus/ground-http/node-server';
import { readBody } from '@polyanthus/ground-http/body';
import { exec } from '@polyanthus/kube-client/exec';
import { portForward } from '@polyanthus/kube-client/port-forward';
import type { Pod } from '@polyanthus/kube-kinds/core';
import { PassThrough, Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startControlPlane, type ControlPlane } from '../../../../lab/src/control-plane.ts';
import { binary, whyNotReal } from '../../../../lab/src/parts.ts';
import type { ContainerBehaviour } from './behaviour.ts';
import { createKubeletHandler } from './handler.ts';

const why = whyNotReal(['etcd', '3.7.0'], ['kube-apiserver', '1.37.2'], ['kubectl', '1.37.2'], ['kubectl', '1.32.13']);
const ctx = background();
const testdata = join(import.meta.dirname, '../../../../ground/http/testdata');
const pem = (name: string): string => readFileSync(join(testdata, `${name}.pem`), 'utf8');

const behaviour: ContainerBehaviour = {
  env: { COLOUR: 'blue' },
  ports: { 8080: { kind: 'http', body: 'hello from the pod' }, 9000: { kind: 'echo' } },
  logs: (previous) =>
    previous ? undefined : [1, 2, 3].map((line) => ({ atMs: 1_800_000_000_000 + line, text: `line ${line}` })),
  liveLogs: async function* () {
    yield { atMs: 1_800_000_000_500, text: 'live' };
  },
};

/** Nodes that declare the feature get kubectl's WebSocket as it is; for others the API server translates it to SPDY. */
const nodes = { old: [], new: ['ExtendWebSocketsToKubelet'] } as const;
const podOn = (node: string): Pod =>
  ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `pod-${node}`, namespace: 'default' },
    spec: { nodeName: node, automountServiceAccountToken: false, containers: [{ name: 'main', image: 'sim/main' }] },
  }) as unknown as Pod;

interface Result {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

describe.skipIf(why !== undefined)(`kubectl through kube-apiserver${why === undefined ? '' : ` (${why})`}`, () => {
  let plane: ControlPlane;
  let kubelet: RunningServer;
  let admin: Transport;
  const asked: string[] = [];

  beforeAll(async () => {
    const handler = createKubeletHandler({
      pods: () => Object.keys(nodes).map(podOn),
      behaviour: () => behaviour,
      authenticate: async ({ peer }) => peer.certificate !== undefined,
    });
    kubelet = await serve(ctx, {
      handler: (ctx, request) => {
        asked.push(`${request.method} ${request.url.split('/')[1]} ${String(request.headers['upgrade'])}`);
        return handler(ctx, request);
      },
      listen: { host: '127.0.0.1', port: 0 },
      tls: { cert: pem('server.cert'), key: pem('server.key'), clientCas: [pem('ca.cert')] },
    });
    plane = await startControlPlane({
      extraArgs: [
        `--kubelet-client-certificate=${testdata}/client.cert.pem`,
        `--kubelet-client-key=${testdata}/client.key.pem`,
      ],
    });
    admin = createTransport({
      baseUrl: plane.url,
      tls: { ca: plane.caPem },
      headers: async () => ({ authorization: `Bearer ${plane.adminToken}` }),
    });
    await send('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
    for (const [name, declaredFeatures] of Object.entries(nodes)) {
      await send('POST', '/api/v1/nodes', { metadata: { name } });
      await send('PATCH', `/api/v1/nodes/${name}/status`, {
        status: {
          addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
          daemonEndpoints: { kubeletEndpoint: { Port: kubelet.port } },
          declaredFeatures,
        },
      });
      await send('POST', '/api/v1/namespaces/default/pods', podOn(name));
      await send('PATCH', `/api/v1/namespaces/default/pods/pod-${name}/status`, { status: { phase: 'Running' } });
    }
  });
  afterAll(async () => {
    await admin?.close();
    await plane?.stop();
    await kubelet?.close(0);
  });

  async function send(method: string, url: string, body: unknown): Promise<void> {
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    const response = await admin.request(ctx, {
      method,
      url,
      headers: { 'content-type': type },
      body: Buffer.from(JSON.stringify(body)),
    });
    const text = Buffer.from(await readBody(response.body, 1_000_000)).toString();
    if (response.status > 299 && response.status !== 409)
      throw new Error(`${method} ${url}: ${response.status} ${text}`);
  }

  function start(kubectl: string, websockets: boolean, args: readonly string[]): ChildProcess {
    const toggles = {
      KUBECTL_REMOTE_COMMAND_WEBSOCKETS: String(websockets),
      KUBECTL_PORT_FORWARD_WEBSOCKETS: String(websockets),
    };
    return spawn(kubectl, ['--kubeconfig', plane.kubeconfig, ...args], { env: { ...process.env, ...toggles } });
  }

  async function run(kubectl: string, websockets: boolean, args: readonly string[], stdin = ''): Promise<Result> {
    const child = start(kubectl, websockets, args);
    const stdout: Buffer[] = [];
    let stderr = '';
    child.stdout?.on('data', (piece: Buffer) => stdout.push(piece));
    child.stderr?.on('data', (piece: Buffer) => (stderr += piece.toString()));
    child.stdin?.end(stdin);
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return { code, stdout: Buffer.concat(stdout), stderr };
  }

  const clients = [
    ['1.37.2', binary('kubectl', '1.37.2') ?? ''],
    ['1.32.13', binary('kubectl', '1.32.13') ?? ''],
  ].filter(([, path]) => existsSync(path ?? ''));
  const modes = clients.flatMap(([version, path]) =>
    [true, false].flatMap((websockets) =>
      Object.keys(nodes).map((node) => [version, path, websockets ? 'WebSocket' : 'SPDY', node] as const),
    ),
  );

  describe.each(modes)('kubectl %s (%s) over %s to a node that is %s', (_version, kubectl = '', mode, node) => {
    const websockets = mode === 'WebSocket';
    const pod = `pod-${node}`;

    test('exec gives output, environment and exit code', async () => {
      const result = await run(kubectl, websockets, [
        'exec',
        pod,
        '--',
        'sh',
        '-c',
        'echo $COLOUR; echo oops >&2; exit 7',
      ]);
      expect([result.stdout.toString(), result.code]).toEqual(['blue\n', 7]);
      expect(result.stderr).toContain('oops');
      expect(result.stderr).toContain('command terminated with exit code 7');
    });

    test('exec -i passes stdin to its end', async () => {
      const input = 'text\n'.repeat(200_000);
      const result = await run(kubectl, websockets, ['exec', '-i', pod, '--', 'cat'], input);
      expect(result.stderr).toBe('');
      expect([result.code, result.stdout.toString() === input]).toEqual([0, true]);
    });

    test('exec gives 50 MB whole', async () => {
      const last = 6_500_000;
      const result = await run(kubectl, websockets, ['exec', pod, '--', 'seq', String(last)]);
      expect([result.code, result.stdout.length > 50_000_000]).toEqual([0, true]);
      const expected = createHash('sha256');
      for (let from = 1; from <= last; from += 10_000) {
        let text = '';
        for (let value = from; value < from + 10_000 && value <= last; value++) text += `${value}\n`;
        expected.update(text);
      }
      expect(createHash('sha256').update(result.stdout).digest('hex')).toBe(expected.digest('hex'));
    });

    test('attach -i echoes', async () => {
      const result = await run(kubectl, websockets, ['attach', '-i', pod], 'hello\n');
      expect([result.code, result.stdout.toString()]).toEqual([0, 'hello\n']);
    });

    test('port-forward carries 50 requests at once', async () => {
      const child = start(kubectl, websockets, ['port-forward', pod, ':8080']);
      const port = await new Promise<string>((resolve, reject) => {
        let text = '';
        child.stdout?.on('data', (piece: Buffer) => {
          text += piece.toString();
          const match = /127\.0\.0\.1:(\d+) ->/.exec(text);
          if (match?.[1] !== undefined) resolve(match[1]);
        });
        child.once('close', () => reject(new Error(`port-forward ended: ${text}`)));
      });
      const transport = createTransport({ baseUrl: `http://127.0.0.1:${port}` });
      const one = async (): Promise<string> =>
        Buffer.from(
          await readBody(
            (await transport.request(ctx, { method: 'GET', url: '/', headers: {}, body: null })).body,
            1_000,
          ),
        ).toString();
      expect(await Promise.all(Array.from({ length: 50 }, one))).toEqual(
        Array.from({ length: 50 }, () => 'hello from the pod'),
      );
      await transport.close();
      const closed = new Promise((resolve) => child.once('close', resolve));
      child.kill();
      await closed;
    });
  });

  test('a node that declares it was spoken to in WebSocket, the other in SPDY only', () => {
    expect(new Set(asked)).toContain('GET exec websocket');
    expect(new Set(asked)).toContain('GET portForward websocket');
    expect(new Set(asked)).toContain('POST exec SPDY/3.1');
  });

  test('logs are cut as kubectl asks', async () => {
    const kubectl = clients[0]?.[1] ?? '';
    const logs = async (...args: string[]): Promise<string> =>
      (await run(kubectl, true, ['logs', 'pod-old', ...args])).stdout.toString();
    expect(await logs()).toBe('line 1\nline 2\nline 3\n');
    expect(await logs('--tail=1')).toBe('line 3\n');
    expect(await logs('-f', '--tail=1', '--timestamps')).toBe(
      '2027-01-15T08:00:00.003000000Z line 3\n2027-01-15T08:00:00.500000000Z live\n',
    );
    expect((await run(kubectl, true, ['logs', 'pod-old', '--previous'])).stderr).toContain(
      'previous terminated container "main" in pod "pod-old" not found',
    );
  });

  test.each([
    ['websocket', 'old'],
    ['websocket', 'new'],
    ['spdy', 'old'],
    ['spdy', 'new'],
  ] as const)('our client runs a command and forwards a port over %s to a node that is %s', async (protocol, node) => {
    const target = { namespace: 'default', pod: `pod-${node}`, random: systemRandom, protocols: [protocol] };
    const stdout = new PassThrough();
    const got: Uint8Array[] = [];
    stdout.on('data', (piece: Uint8Array) => got.push(piece));
    const input = Buffer.alloc(3_000_000, 'abc');
    expect(await exec(ctx, admin, { ...target, command: ['cat'], stdin: Readable.from([input]), stdout })).toBe(0);
    expect(Buffer.concat(got).equals(input)).toBe(true);
    expect(await exec(ctx, admin, { ...target, command: ['sh', '-c', 'exit 42'], stdout })).toBe(42);
    const session = await portForward(ctx, admin, target);
    const connection = await session.connect(ctx, 9000);
    connection.end(input);
    let size = 0;
    for await (const piece of connection) size += (piece as Uint8Array).length;
    expect(size).toBe(input.length);
    await expect(
      (async () => (await session.connect(ctx, 1)).on('data', () => undefined).toArray())(),
    ).rejects.toMatchObject({ code: 'PortForwardFailed' });
    await session.close();
  });
});
