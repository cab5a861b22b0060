/** The agent: enrols, keeps the tunnel, and keeps the member as its manifest says. Which of it runs are its roles. */
import { sleep, type Context } from '@polyanthus/ground-base/context';
import { backoffMs, type RetryPolicy } from '@polyanthus/ground-base/retry';
import { systemRandom } from '@polyanthus/ground-base/random';
import { productVersion } from '@polyanthus/ground-base/version';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { proxyEnvironment } from '@polyanthus/ground-http/proxy';
import type { HeaderValues, Transport } from '@polyanthus/ground-http/message';
import { runTunnelAgent } from '@polyanthus/engine-tunnel/agent';
import { signAgentProof } from '@polyanthus/engine-tunnel/agent-proof';
import { createClient } from '@polyanthus/kube-client/rest';
import { namespaces } from '@polyanthus/kube-kinds/core';
import { runFleetRole } from './fleet-role.ts';
import { openIdentity, type AgentIdentity } from './identity.ts';
import { readyFile } from './ready-file.ts';

/** One agent. */
export interface AgentOptions {
  readonly roles: readonly ('tunnel' | 'fleet')[];
  readonly hubUrl: string;
  /** PEM; empty for the machine's own CAs. */
  readonly hubCaPem: string;
  readonly fleet: string;
  readonly membership: string;
  readonly stateDir: string;
  readonly tokenFile: string | undefined;
  readonly serviceAccountTokenFile: string | undefined;
  readonly membershipUid: string | undefined;
  /** The member's API server, with the agent's own credentials. */
  readonly member: Transport;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly onTunnel: (open: boolean) => void;
}

const day = 86_400_000;
/** Certificates are renewed so long before their end. */
const renewBeforeMs = 10 * day;

/** In a pod nobody reads an exit code, and the kubelet's own pause grows to five minutes: the agent waits by itself. */
const startRetry: RetryPolicy = {
  initialMs: 500,
  maxMs: 15_000,
  factor: 2,
  jitter: 0.5,
  attempts: Number.POSITIVE_INFINITY,
};

/**
 * Runs until the context is cancelled. With a ServiceAccount trouble is logged and retried from the start; with a token
 * errors before the agent is enrolled are thrown.
 */
export async function runAgent(ctx: Context, options: AgentOptions): Promise<void> {
  const ca = options.hubCaPem === '' ? {} : { ca: options.hubCaPem };
  const reach = (tls: object, headers?: () => Promise<HeaderValues>): Transport =>
    createTransport({
      baseUrl: options.hubUrl,
      tls: { ...ca, ...tls },
      proxyEnvironment: proxyEnvironment(options.env),
      ...(headers === undefined ? {} : { headers }),
    });
  const hub = reach({});
  const ready = readyFile(ctx, options.stateDir);
  // What a process before this one has left says nothing of this one.
  ready(false);
  const identity = await untilEnrolled(ctx, options, hub);
  const runs: Promise<void>[] = [];
  if (options.roles.includes('tunnel')) runs.push(runTunnelRole(ctx, options, { hub, identity, ready }));
  else ready(true);
  if (options.roles.includes('fleet')) {
    const { member, fleet, membership } = options;
    // The certificate by TLS, and a proof of it for a proxy that ends TLS on the way.
    const proof = async (): Promise<HeaderValues> => ({
      authorization: signAgentProof(ctx.clock.now(), { hubId: identity.hubId, ...(await identity.credentials()) }),
    });
    const reachAs = (): Transport => reach(identity.tls(), proof);
    runs.push(runFleetRole(ctx, { identity, reach: reachAs, member, fleet, membership, renewBeforeMs }));
  }
  await Promise.all(runs);
}

async function untilEnrolled(ctx: Context, options: AgentOptions, hub: Transport): Promise<AgentIdentity> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await enrol(ctx, options, hub);
    } catch (error) {
      if (options.serviceAccountTokenFile === undefined || ctx.signal.aborted) throw error;
      ctx.log.warn('the agent is not enrolled yet, trying again', { attempt, error });
      await sleep(ctx, backoffMs(startRetry, attempt, systemRandom));
    }
  }
}

async function enrol(ctx: Context, options: AgentOptions, hub: Transport): Promise<AgentIdentity> {
  const { tokenFile, serviceAccountTokenFile, membershipUid } = options;
  const system = await createClient(options.member).get(ctx, namespaces, { name: 'kube-system' });
  const externalId = system.metadata.uid ?? '';
  return openIdentity(ctx, options.stateDir, hub, { tokenFile, serviceAccountTokenFile, externalId, membershipUid });
}

interface TunnelRole {
  readonly hub: Transport;
  readonly identity: AgentIdentity;
  readonly ready: (ready: boolean) => void;
}

function runTunnelRole(ctx: Context, options: AgentOptions, { hub, identity, ready }: TunnelRole): Promise<void> {
  let open = 0;
  return runTunnelAgent(ctx, {
    hub,
    hubId: identity.hubId,
    membership: `${options.fleet}/${options.membership}`,
    agentVersion: productVersion,
    credentials: async () => {
      await identity.keepFresh(ctx, 0);
      return identity.credentials();
    },
    onRefused: () => identity.refused(ctx),
    member: options.member,
    random: systemRandom,
    renewal: { csr: identity.csr, store: identity.store, beforeMs: renewBeforeMs },
    onTunnel: (_tunnel, opened) => {
      // While the hub drains one there are two.
      open += opened ? 1 : -1;
      ready(open > 0);
      options.onTunnel(opened);
    },
  });
}
