/**
 * Processes of the benchmark, by their first argument: `target`, the bare HTTPS server; `hub` and `agent`, gateway and
 * tunnel with rights and audit as empty functions. Each prints its port when it is ready.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { background } from '@polyanthus/ground-base/context';
import { systemClock } from '@polyanthus/ground-base/clock';
import { systemRandom } from '@polyanthus/ground-base/random';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { serve } from '@polyanthus/ground-http/node-server';
import { testCertificates } from '@polyanthus/ground-http/testing';
import { believingApi } from '@polyanthus/engine-gateway/hub-api';
import { createGateway } from '@polyanthus/engine-gateway/gateway';
import { runTunnelAgent } from '@polyanthus/engine-tunnel/agent';
import { MemoryDirectory } from '@polyanthus/engine-tunnel/directory';
import { createTunnelHub } from '@polyanthus/engine-tunnel/hub';
import { MemoryEnrolmentStore, testAgents, testMember } from '@polyanthus/engine-tunnel/testing';

const ctx = background();
const mib = 1024 * 1024;
const small = Buffer.from(JSON.stringify({ kind: 'ConfigMap', data: { text: 'x'.repeat(960) } }));
const cluster = Buffer.from(
  JSON.stringify({ kind: 'Namespace', metadata: { name: 'kube-system', uid: 'bare-server' } }),
);
const event = Buffer.from(
  `${JSON.stringify({ type: 'MODIFIED', object: { kind: 'ConfigMap', data: { text: 'x'.repeat(420) } } })}\n`,
);
const piece = Buffer.alloc(256 * 1024, 1);
const ready = (port: number): void => void process.stdout.write(`${port}\n`);

/** Writes pieces as fast as they are taken, `bytes` in all. */
function send(response: ServerResponse, one: Buffer, bytes: number): void {
  let sent = 0;
  const more = (): void => {
    while (sent < bytes && !response.destroyed) {
      sent += one.length;
      if (response.write(one)) continue;
      response.once('drain', more);
      return;
    }
    response.end();
  };
  more();
}

const answers: Readonly<Record<string, (response: ServerResponse) => void>> = {
  '/stream': (response) => send(response, piece, 256 * mib),
  '/list': (response) => send(response, piece, 200_000_000),
  // Every event a write of its own, as kube-apiserver writes them.
  '/watch': (response) => send(response, event, Number.POSITIVE_INFINITY),
  '/api/v1/namespaces/kube-system': (response) => response.end(cluster),
};

function serveTarget(request: IncomingMessage, response: ServerResponse): void {
  response.setHeader('content-type', 'application/json');
  const answer = answers[(request.url ?? '').split('?', 1)[0] ?? ''] ?? ((): unknown => response.end(small));
  request.resume();
  request.once('end', () => answer(response));
}

const roles: Readonly<Record<string, (port: number) => Promise<void>>> = {
  target: async () => {
    const tls = { cert: testCertificates.server.cert, key: testCertificates.server.key };
    const server = createServer({ ...tls, keepAliveTimeout: 120_000 }, serveTarget);
    server.listen(0, '127.0.0.1', () => ready((server.address() as AddressInfo).port));
  },
  hub: async () => {
    const store = new MemoryEnrolmentStore();
    store.keys.set(testAgents.first.keyHash, testMember);
    const hub = createTunnelHub(ctx, {
      hubId: 'bench',
      agentCaPems: [testCertificates.ca],
      store,
      directory: new MemoryDirectory().of('a'),
      random: systemRandom,
      replica: 'a',
      replicaTransport: () => undefined,
      renew: async () => '',
    });
    const alice = { username: 'alice', groups: ['devs'] };
    const { membershipUid: uid, fleet, name } = testMember;
    const gateway = createGateway({
      authenticate: async () => alice,
      authorize: async () => ({ allowed: true, reason: '' }),
      findMember: () => ({ uid, fleet, name, ceiling: 'full' }),
      transportTo: (to) => hub.transportTo(to),
      hubApi: believingApi(hub.transportTo('')),
      audit: () => undefined,
      clock: systemClock,
      random: systemRandom,
    });
    const server = await serve(ctx, {
      handler: (inner, request) =>
        request.url.startsWith('/tunnel/') ? hub.handleUpgrade(inner, request) : gateway.handler(inner, request),
      listen: { host: '127.0.0.1', port: 0 },
      tls: testCertificates.server,
    });
    ready(server.port);
  },
  agent: async (port) => {
    const tls = { ca: testCertificates.ca };
    await runTunnelAgent(ctx, {
      hub: createTransport({ baseUrl: `https://localhost:${port}`, tls }),
      hubId: 'bench',
      membership: '',
      agentVersion: '0',
      credentials: async () => testAgents.first,
      member: createTransport({
        baseUrl: `https://localhost:${process.argv[4] ?? ''}`,
        tls,
        headers: async () => ({ authorization: 'Bearer agent' }),
      }),
      random: systemRandom,
      onTunnel: (_tunnel, open) => open && ready(0),
    });
  },
};

process.once('SIGINT', () => process.exit(0));
await roles[process.argv[2] ?? '']?.(Number(process.argv[3] ?? 0));
