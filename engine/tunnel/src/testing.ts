/** Fixtures: agents' certificates, an enrolment store in memory, and hubs with agents on real sockets. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { background, withCancel, type Context } from '@polyanthus/ground-base/context';
import type { Logger } from '@polyanthus/ground-base/log';
import { systemRandom } from '@polyanthus/ground-base/random';
import { inProcessTransport } from '@polyanthus/ground-http/in-process';
import type { Handler, Transport } from '@polyanthus/ground-http/message';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { serve, type RunningServer } from '@polyanthus/ground-http/node-server';
import { testCertificates } from '@polyanthus/ground-http/testing';
import { parseCertificate } from '@polyanthus/ground-pki/certificate';
import { runTunnelAgent, type RunTunnelAgentOptions } from './agent.ts';
import { MemoryDirectory } from './directory.ts';
import type { EnrolledMember, EnrolmentStore } from './enrolment-store.ts';
import { createTunnelHub, type TunnelHub, type TunnelHubOptions } from './hub.ts';
import type { HubTunnel } from './hub-tunnel.ts';

export interface TestAgentKey {
  readonly privateKey: KeyObject;
  readonly certificatePem: string;
  readonly keyHash: string;
}

function agentKey(pair: { readonly cert: string; readonly key: string }): TestAgentKey {
  return {
    privateKey: createPrivateKey(pair.key),
    certificatePem: pair.cert,
    keyHash: parseCertificate(pair.cert).publicKeyHash,
  };
}

/** Two agents of the hub's own CA, one whose certificate ran out, and one of a foreign CA. */
export const testAgents = {
  first: agentKey(testCertificates.client),
  second: agentKey(testCertificates.server),
  expired: agentKey(testCertificates.expired),
  foreign: agentKey(testCertificates.stranger),
} as const;

/** The member that the test's agent key belongs to. */
export const testMember: EnrolledMember = { membershipUid: 'uid-1', fleet: 'fleet-a', name: 'member-1' };

/** In memory; `keys` may be changed by the test. */
export class MemoryEnrolmentStore implements EnrolmentStore {
  readonly keys = new Map<string, EnrolledMember>();
  readonly tokens = new Map<string, { readonly member: EnrolledMember; readonly expiresMs: number; usedBy?: string }>();
  readonly authorities = new Map<
    string,
    { readonly member: EnrolledMember; readonly issuer: string; readonly jwks: string; readonly externalId: string }
  >();

  redeem: EnrolmentStore['redeem'] = async (_ctx, asked) => {
    const token = this.tokens.get(asked.tokenHash);
    if (token === undefined || token.expiresMs < asked.nowMs) return undefined;
    if (token.usedBy !== undefined && token.usedBy !== asked.keyHash) return undefined;
    token.usedBy = asked.keyHash;
    this.#bind(token.member, asked.keyHash);
    return token.member;
  };
  memberOfKey: EnrolmentStore['memberOfKey'] = async (_ctx, keyHash) => this.keys.get(keyHash);
  authorityOf: EnrolmentStore['authorityOf'] = async (_ctx, membershipUid) => this.authorities.get(membershipUid);
  replaceKey: EnrolmentStore['replaceKey'] = async (_ctx, membershipUid, keyHash) => {
    const member = this.authorities.get(membershipUid)?.member;
    if (member !== undefined) this.#bind(member, keyHash);
  };

  #bind(member: EnrolledMember, keyHash: string): void {
    for (const [hash, one] of this.keys) if (one.membershipUid === member.membershipUid) this.keys.delete(hash);
    this.keys.set(keyHash, member);
  }
}

/** A hub that listens on loopback, and what a test may look at. */
export interface TestHub {
  readonly hub: TunnelHub;
  readonly store: MemoryEnrolmentStore;
  readonly server: RunningServer;
  /** A fresh client of the hub's port. */
  dial(): Transport;
  close(): Promise<void>;
}

/** A hub that listens on loopback with TLS; the first test agent is `testMember`. `front` answers what is no tunnel. */
export async function startTestHub(
  options: Partial<TunnelHubOptions> & { readonly front?: Handler } = {},
): Promise<TestHub> {
  const scope = withCancel(background());
  const store = new MemoryEnrolmentStore();
  store.keys.set(testAgents.first.keyHash, testMember);
  const hub = createTunnelHub(scope.ctx, {
    hubId: 'hub-under-test',
    agentCaPems: [testCertificates.ca],
    store,
    directory: new MemoryDirectory().of('replica-1'),
    random: systemRandom,
    replica: 'replica-1',
    replicaTransport: () => undefined,
    renew: async (_ctx, _identity, csrPem) => `certificate for ${csrPem}`,
    retireMs: 10_000,
    ...options,
  });
  const { front } = options;
  const handler: Handler = (ctx, request) =>
    front === undefined || request.url.startsWith('/tunnel/') ? hub.handleUpgrade(ctx, request) : front(ctx, request);
  const server = await serve(scope.ctx, {
    handler,
    listen: { host: '127.0.0.1', port: 0 },
    tls: testCertificates.server,
  });
  return {
    hub,
    store,
    server,
    dial: () => createTransport({ baseUrl: `https://localhost:${server.port}`, tls: { ca: testCertificates.ca } }),
    close: async () => {
      await hub.close();
      await server.close(0);
      scope.cancel();
    },
  };
}

/** An agent under the test's control. */
export interface TestAgent {
  /** Ends the agent at once. */
  stop(): Promise<void>;
}

/** Runs an agent whose member is `member`. */
export function startTestAgent(
  hub: TestHub,
  member: Handler | Transport,
  options: Partial<RunTunnelAgentOptions> & { readonly log?: Logger } = {},
): TestAgent {
  const scope = withCancel(background(options.log === undefined ? {} : { log: options.log }));
  const running = runTunnelAgent(scope.ctx, {
    hub: hub.dial(),
    hubId: 'hub-under-test',
    membership: 'fleet-a/member-1',
    agentVersion: '0.1.0',
    credentials: async () => testAgents.first,
    member: typeof member === 'function' ? inProcessTransport(member) : member,
    random: systemRandom,
    backoff: { initialMs: 5, maxMs: 50, factor: 2, jitter: 1, attempts: Number.POSITIVE_INFINITY },
    ...options,
  });
  return {
    stop: async () => {
      scope.cancel();
      await running;
    },
  };
}

/** Waits until `ready` gives something; the conditions of these tests are reached in milliseconds. */
export async function until<T>(ctx: Context, ready: () => T | undefined | false): Promise<T> {
  for (;;) {
    const value = ready();
    if (value !== undefined && value !== false) return value;
    if (ctx.signal.aborted) throw new Error('the condition was not reached');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** The member's tunnel at this hub, once it is open. */
export function tunnelOf(ctx: Context, hub: TestHub, membershipUid = testMember.membershipUid): Promise<HubTunnel> {
  return until(ctx, () => hub.hub.localTunnel(membershipUid));
}

/** Headers that every request to a member carries. */
export const asAlice = { 'impersonate-user': 'alice' } as const;
