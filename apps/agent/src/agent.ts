/** The agent: enrols, keeps the tunnel, and keeps the member as its manifest says. Which of it runs are its roles. */
import type { Context } from '@polyanthus/ground-base/context';
import { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import { systemRandom } from '@polyanthus/ground-base/random';
import { productVersion } from '@polyanthus/ground-base/version';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { proxyEnvironment } from '@polyanthus/ground-http/proxy';
import type { Transport } from '@polyanthus/ground-http/message';
import { runMemberController } from '@polyanthus/domains-fleet/member-controller';
import { runTunnelAgent } from '@polyanthus/engine-tunnel/agent';
import { createClient } from '@polyanthus/kube-client/rest';
import { namespaces } from '@polyanthus/kube-kinds/core';
import { openIdentity } from './identity.ts';

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

/** Runs until the context is cancelled. Errors before the first tunnel are thrown; later trouble is logged and retried. */
export async function runAgent(ctx: Context, options: AgentOptions): Promise<void> {
  const memberClient = createClient(options.member);
  const externalId = (await memberClient.get(ctx, namespaces, { name: 'kube-system' })).metadata.uid ?? '';
  const ca = options.hubCaPem === '' ? {} : { ca: options.hubCaPem };
  const reach = (tls: object): Transport =>
    createTransport({
      baseUrl: options.hubUrl,
      tls: { ...ca, ...tls },
      proxyEnvironment: proxyEnvironment(options.env),
    });
  const hub = reach({});
  const identity = await openIdentity(ctx, options.stateDir, hub, {
    tokenFile: options.tokenFile,
    serviceAccountTokenFile: options.serviceAccountTokenFile,
    externalId,
    membershipUid: options.membershipUid,
  });
  const runs: Promise<void>[] = [];
  if (options.roles.includes('tunnel')) {
    runs.push(
      runTunnelAgent(ctx, {
        hub,
        hubId: identity.hubId,
        membership: `${options.fleet}/${options.membership}`,
        agentVersion: productVersion,
        credentials: identity.credentials,
        member: options.member,
        random: systemRandom,
        renewal: { csr: identity.csr, store: identity.store, beforeMs: 10 * day },
        onTunnel: (_tunnel, open) => options.onTunnel(open),
      }),
    );
  }
  if (options.roles.includes('fleet')) {
    const hubClient = createClient(reach(identity.tls()));
    runs.push(
      runMemberController(ctx, {
        hubClient,
        memberClient,
        fleet: options.fleet,
        membership: options.membership,
        random: systemRandom,
        metrics: new MetricsRegistry(),
      }),
    );
  }
  await Promise.all(runs);
}
