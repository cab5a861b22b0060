/** Fixtures: a gateway in front of a hub with one agent, all on real sockets; rights as a table. */
import { connect } from 'node:tls';
import { background } from '@polyanthus/ground-base/context';
import { systemClock } from '@polyanthus/ground-base/clock';
import { systemRandom } from '@polyanthus/ground-base/random';
import { header } from '@polyanthus/ground-http/headers';
import { inProcessTransport } from '@polyanthus/ground-http/in-process';
import type { Handler, HttpRequest, Transport } from '@polyanthus/ground-http/message';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { testCertificates } from '@polyanthus/ground-http/testing';
import {
  startTestAgent,
  startTestHub,
  testMember,
  tunnelOf,
  type TestAgent,
  type TestHub,
} from '@polyanthus/engine-tunnel/testing';
import type { Attributes, UserInfo } from '@polyanthus/kube-access/user';
import { statusError } from '@polyanthus/kube-objects/status';
import type { GatewayAudit } from './audit.ts';
import { createGateway, type Gateway, type GatewayOptions } from './gateway.ts';
import { believingApi } from './hub-api.ts';
import type { GatewayMember } from './permission.ts';

/** Users by bearer token; `allowed` decides each right. Both may be changed while the gateway runs. */
export interface TestAccess {
  readonly users: Map<string, UserInfo>;
  allowed: (right: Attributes) => boolean;
}

export interface TestGateway {
  readonly gateway: Gateway;
  readonly access: TestAccess;
  readonly member: { current: GatewayMember };
  readonly audit: GatewayAudit[];
  readonly hub: TestHub;
  readonly agent: TestAgent;
  /** A client of the gateway, HTTP/1.1 or HTTP/2. */
  client(protocol?: 'http/1.1' | 'h2'): Transport;
  close(): Promise<void>;
}

export const memberUrl = '/v1/projects/fleet-a/locations/global/memberships/member-1';

/** A GET as alice at the member, with what a test changes. */
export function atMember(path: string, more: Partial<HttpRequest> = {}): HttpRequest {
  return {
    method: 'GET',
    url: memberUrl + path,
    body: null,
    ...more,
    headers: { authorization: 'Bearer alice', ...more.headers },
  };
}

/** Everything on loopback; `member` is the member's kube-apiserver, `hubApi` the hub's own. */
export async function startTestGateway(
  member: Handler | Transport,
  options: {
    readonly hubApi?: Handler;
    readonly gateway?: Partial<GatewayOptions>;
    readonly hub?: Parameters<typeof startTestHub>[0];
  } = {},
): Promise<TestGateway> {
  const access: TestAccess = {
    users: new Map([['alice', { username: 'alice', groups: ['devs', 'system:authenticated'] }]]),
    allowed: () => true,
  };
  const current: { current: GatewayMember } = {
    current: { uid: testMember.membershipUid, fleet: testMember.fleet, name: testMember.name, ceiling: 'full' },
  };
  const audit: GatewayAudit[] = [];
  const built: { gateway?: Gateway } = {};
  const hub = await startTestHub({
    ...options.hub,
    front: (ctx, request) => (built.gateway as Gateway).handler(ctx, request),
  });
  built.gateway = createGateway({
    authenticate: async (_ctx, request) => {
      const user = access.users.get((header(request.headers, 'authorization') ?? '').replace('Bearer ', ''));
      if (user === undefined) throw statusError('Unauthorized', 'Unauthorized');
      return user;
    },
    authorize: async (_ctx, right) => ({ allowed: access.allowed(right), reason: 'by the test' }),
    findMember: (fleet, name) =>
      fleet === current.current.fleet && name === current.current.name ? current.current : undefined,
    transportTo: (uid) => hub.hub.transportTo(uid),
    hubApi: believingApi(
      inProcessTransport(options.hubApi ?? (async () => ({ status: 204, headers: {}, body: null }))),
    ),
    audit: (line) => audit.push(line),
    clock: systemClock,
    random: systemRandom,
    ...options.gateway,
  });
  const agent = startTestAgent(hub, member);
  await tunnelOf(background(), hub);
  const clients: Transport[] = [];
  return {
    gateway: built.gateway,
    access,
    member: current,
    audit,
    hub,
    agent,
    client: (protocol = 'http/1.1') => {
      const transport = createTransport({
        baseUrl: `https://localhost:${hub.server.port}`,
        tls: { ca: testCertificates.ca },
        protocol,
      });
      clients.push(transport);
      return transport;
    },
    close: async () => {
      await Promise.all(clients.map((client) => client.close()));
      await agent.stop();
      await hub.close();
    },
  };
}

/** Sends bytes as they are and gives everything that came back until the connection ended. */
export async function sendRaw(gateway: TestGateway, bytes: string): Promise<string> {
  const socket = connect({
    host: '127.0.0.1',
    port: gateway.hub.server.port,
    servername: 'localhost',
    ca: testCertificates.ca,
    ALPNProtocols: ['http/1.1'],
  });
  socket.on('error', () => undefined);
  socket.write(bytes, 'latin1');
  let all = '';
  for await (const piece of socket as AsyncIterable<Buffer>) all += piece.toString('latin1');
  return all;
}
