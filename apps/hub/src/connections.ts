/** What Memberships say of their connections: written when a tunnel comes or goes, and once a minute while it is there. */
import { sleep, withTimeout, type Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { readBody } from '@polyanthus/ground-http/body';
import { recordConnection } from '@polyanthus/domains-fleet/connection-status';
import type { LeaseDirectory } from '@polyanthus/engine-tunnel/lease-directory';
import type { TunnelHub } from '@polyanthus/engine-tunnel/hub';
import type { HubTunnel, TunnelIdentity } from '@polyanthus/engine-tunnel/hub-tunnel';
import type { KubeClient } from '@polyanthus/kube-client/client';
import type { Membership } from '@polyanthus/kube-kinds/own/fleet';
import type { MemberCache } from './member-cache.ts';

/** What it works with. */
export interface ConnectionsOptions {
  readonly hubClient: KubeClient;
  readonly members: MemberCache;
  /** This replica's name. */
  readonly replica: string;
  readonly directory: LeaseDirectory;
  readonly tunnels: () => TunnelHub;
}

/** The writer. */
export interface Connections {
  /** For the tunnels' `onChange`. */
  changed(ctx: Context, agent: TunnelIdentity, open: boolean): Promise<void>;
  /** Resolves when nothing is being written. */
  settled(): Promise<void>;
  /** Refreshes until `ctx` is cancelled, and takes back what replicas that died have left. */
  run(ctx: Context): Promise<void>;
}

const refreshMs = 60_000;
/** A version is worth waiting for only so long: that the member is connected is the news. */
const versionTimeoutMs = 2_000;
const versionBytesMax = 64 * 1024;

/** Builds it. */
export function createConnections(options: ConnectionsOptions): Connections {
  const changed = async (ctx: Context, agent: TunnelIdentity, open: boolean): Promise<void> => {
    const tunnel = options.tunnels().localTunnel(agent.membershipUid);
    // A tunnel that was replaced closes after its successor has opened: the member is still connected.
    if (!open && tunnel !== undefined) return;
    const kubernetesVersion = open && tunnel !== undefined ? await memberVersion(ctx, tunnel) : undefined;
    await record(ctx, options, agent, { connected: open, agentVersion: agent.agentVersion, kubernetesVersion });
  };
  const writing = new Set<Promise<void>>();
  return {
    changed: (ctx, agent, open) => {
      const written = changed(ctx, agent, open);
      writing.add(written);
      return written.finally(() => writing.delete(written));
    },
    settled: async () => void (await Promise.all(writing)),
    run: async (ctx) => {
      // Not at once: after a start the agents are on their way back.
      await sleep(ctx, refreshMs / 2).catch(() => undefined);
      while (!ctx.signal.aborted) {
        const untilMs = ctx.clock.monotonic() + refreshMs;
        for (const member of options.members.informer.list().filter((one) => isForgotten(one, options)))
          await record(ctx, options, identityOf(member), { connected: false });
        const tunnels = options.tunnels().tunnels();
        // Spread over the minute, so that thousands of members are no burst.
        for (const tunnel of tunnels) {
          if (tunnel.open) await changed(ctx, tunnel.identity, true);
          await sleep(ctx, refreshMs / (tunnels.length + 1)).catch(() => undefined);
        }
        await sleep(ctx, Math.max(0, untilMs - ctx.clock.monotonic())).catch(() => undefined);
      }
    },
  };
}

interface Change {
  readonly connected: boolean;
  readonly agentVersion?: string;
  readonly kubernetesVersion?: string | undefined;
}

type Identified = Pick<TunnelIdentity, 'membershipUid' | 'membership' | 'epoch'>;

async function record(ctx: Context, options: ConnectionsOptions, agent: Identified, change: Change): Promise<void> {
  const [fleet = '', name = ''] = agent.membership.split('/');
  const { kubernetesVersion, ...rest } = change;
  try {
    await recordConnection(ctx, options.hubClient, {
      ...rest,
      fleet,
      name,
      membershipUid: agent.membershipUid,
      replica: options.replica,
      epoch: agent.epoch,
      ...(kubernetesVersion === undefined ? {} : { kubernetesVersion }),
    });
  } catch (error) {
    if (!ctx.signal.aborted && !hasCode(error, 'Cancelled'))
      ctx.log.warn('a connection could not be recorded', { membership: agent.membership, error });
  }
}

/** Said to be connected, but the replica that held the tunnel is gone, or is this one and holds none. */
function isForgotten(member: Membership, options: ConnectionsOptions): boolean {
  const connected =
    member.status?.conditions?.some((one) => one.type === 'Connected' && one.status === 'True') === true;
  const replica = member.status?.holder?.replica ?? '';
  if (!connected) return false;
  if (replica === options.replica) return options.tunnels().localTunnel(member.metadata.uid ?? '') === undefined;
  return options.directory.urlOf(replica) === undefined;
}

function identityOf(member: Membership): Identified {
  const { uid = '', namespace = '', name = '' } = member.metadata;
  return { membershipUid: uid, membership: `${namespace}/${name}`, epoch: member.status?.holder?.epoch ?? 0 };
}

/** Of the member's API server; undefined when it does not answer. */
async function memberVersion(ctx: Context, tunnel: HubTunnel): Promise<string | undefined> {
  try {
    return await withTimeout(ctx, versionTimeoutMs, 'asking a member for its version', async (inner) => {
      const response = await tunnel.probe(inner, '/version');
      const text = Buffer.from(await readBody(response.body, versionBytesMax)).toString('utf8');
      return response.status === 200 ? (JSON.parse(text) as { readonly gitVersion?: string }).gitVersion : undefined;
    });
  } catch (error) {
    ctx.log.debug('the version of a member could not be asked', { membership: tunnel.identity.membership, error });
    return undefined;
  }
}
