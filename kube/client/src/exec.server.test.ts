/** exec, attach and port-forward over sockets, against the simulated kubelet behind a front that only maps paths. */
import { PassThrough, Readable } from 'node:stream';
import { connect } from 'node:net';
import { background } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { serve, type RunningServer } from '@polyanthus/ground-http/node-server';
import type { Transport } from '@polyanthus/ground-http/message';
import type { Pod } from '@polyanthus/kube-kinds/core';
import { createKubeletHandler } from '@polyanthus/kube-sim/kubelet/handler';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attach, exec } from './exec.ts';
import { listenAndForward, portForward } from './port-forward.ts';

const ctx = background();
const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'shop' },
  spec: { containers: [{ name: 'main' }] },
} as unknown as Pod;

/** `/api/v1/namespaces/shop/pods/web/exec?stdin=true` as kubelet names it. */
function kubeletUrl(url: string): string {
  const [path = '', query = ''] = url.split('?');
  const [, , , , namespace, , name, subresource] = path.split('/');
  if (subresource === 'portforward') return `/portForward/${namespace}/${name}`;
  const names = query
    .replace('stdin=true', 'input=1')
    .replace('stdout=true', 'output=1')
    .replace('stderr=true', 'error=1')
    .replace('tty=true', 'tty=1');
  return `/${subresource}/${namespace}/${name}/main?${names}`;
}

let server: RunningServer;
let transport: Transport;

beforeAll(async () => {
  const kubelet = createKubeletHandler({
    pods: () => [pod],
    behaviour: () => ({ ports: { 9: { kind: 'echo' } } }),
    authenticate: async () => true,
  });
  server = await serve(ctx, {
    listen: { host: '127.0.0.1', port: 0 },
    handler: (ctx, request) => kubelet(ctx, { ...request, url: kubeletUrl(request.url) }),
  });
  transport = createTransport({ baseUrl: `http://${server.address}` });
});
afterAll(async () => {
  await transport.close();
  await server.close(0);
});

function sink(): { readonly stream: PassThrough; readonly text: () => string } {
  const stream = new PassThrough();
  const pieces: Uint8Array[] = [];
  stream.on('data', (piece: Uint8Array) => pieces.push(piece));
  return { stream, text: () => Buffer.concat(pieces).toString() };
}

describe.each(['websocket', 'spdy'] as const)('over %s', (protocol) => {
  const target = { namespace: 'shop', pod: 'web', random: systemRandom, protocols: [protocol] };

  test('exec gives the exit code after all the output, and leaves the outputs open', async () => {
    const [out, err] = [sink(), sink()];
    const command = ['sh', '-c', 'seq 100000; echo bad >&2; exit 5'];
    expect(await exec(ctx, transport, { ...target, command, stdout: out.stream, stderr: err.stream })).toBe(5);
    expect(out.text().length).toBe(588_895);
    expect(err.text()).toBe('bad\n');
    expect(out.stream.writable && err.stream.writable).toBe(true);
  });

  test('a command that ends before its input is over ends the exec', async () => {
    const stdin = new PassThrough();
    stdin.write('never read');
    expect(await exec(ctx, transport, { ...target, command: ['true'], stdin, stdout: sink().stream })).toBe(0);
    expect(stdin.destroyed).toBe(false);
  });

  test('attach echoes what it is given', async () => {
    const out = sink();
    expect(
      await attach(ctx, transport, { ...target, stdin: Readable.from([Buffer.from('typed')]), stdout: out.stream }),
    ).toBe(0);
    expect(out.text()).toBe('typed');
  });

  test('a local listener forwards connections with half-close until it is closed', async () => {
    const session = await portForward(ctx, transport, target);
    const local = await listenAndForward(ctx, session, { host: '127.0.0.1', localPort: 0, port: 9 });
    const one = async (index: number): Promise<string> => {
      const socket = connect({ host: '127.0.0.1', port: local.port, allowHalfOpen: true });
      socket.end(`call ${index}`);
      return String(Buffer.concat((await socket.toArray()) as Uint8Array[]));
    };
    expect(await Promise.all([1, 2, 3].map(one))).toEqual(['call 1', 'call 2', 'call 3']);
    await local.close();
    await session.close();
  });
});

test('a container that is not there is told in the node’s words', async () => {
  const opening = exec(ctx, transport, {
    namespace: 'shop',
    pod: 'none',
    random: systemRandom,
    command: ['true'],
    stdout: sink().stream,
  });
  await expect(opening).rejects.toThrow('pod "none" does not exist');
});
