/** One of the processes of the benchmark, by its first argument: `target`, `hub`, `agent`. Prints its port when it is ready. */
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { background } from '@polyanthus/ground-base/context';
import { systemClock } from '@polyanthus/ground-base/clock';
import { systemRandom } from '@polyanthus/ground-base/random';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { serve } from '@polyanthus/ground-http/node-server';
import { testCertificates } from '@polyanthus/ground-http/testing';
import { createGateway } from '@polyanthus/engine-gateway/gateway';
import { runTunnelAgent } from '@polyanthus/engine-tunnel/agent';
import { MemoryDirectory } from '@polyanthus/engine-tunnel/directory';
import { createTunnelHub } from '@polyanthus/engine-tunnel/hub';
import { MemoryEnrolmentStore, testAgents, testMember } from '@polyanthus/engine-tunnel/testing';

const ctx = background();
const small = Buffer.from(JSON.stringify({ kind: 'ConfigMap', data: { text: 'x'.repeat(960) } }));
const piece = Buffer.alloc(256 * 1024, 1);
const streamBytes = 256 * 1024 * 1024;
const ready = (port: number): void => void process.stdout.write(`${port}\n`);

function sendStream(response: ServerResponse): void {
  let sent = 0;
  const more = (): void => {
    while (sent < streamBytes) {
      sent += piece.length;
      if (response.write(piece)) continue;
      response.once('drain', more);
      return;
    }
    response.end();
  };
  more();
}

const roles: Readonly<Record<string, (port: number) => Promise<void>>> = {
  target: async () => {
    const server = createServer(
      { cert: testCertificates.server.cert, key: testCertificates.server.key, keepAliveTimeout: 60_000 },
      (request, response) => {
        if (request.url === '/stream') sendStream(response);
        else response.setHeader('content-type', 'application/json').end(small);
      },
    );
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
    const gateway = createGateway({
      authenticate: async () => alice,
      authorize: async () => ({ allowed: true, reason: '' }),
      findMember: () => ({
        uid: testMember.membershipUid,
        fleet: testMember.fleet,
        name: testMember.name,
        ceiling: 'full',
      }),
      transportTo: (uid) => hub.transportTo(uid),
      hubApi: hub.transportTo(''),
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
