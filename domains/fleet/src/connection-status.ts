/** What the hub writes of a member's connection into its Membership, and only when it changes. */
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { memberships, type Membership } from '@polyanthus/kube-kinds/own/fleet';
import { fieldManager } from '@polyanthus/kube-kinds/own/ownership';
import { setCondition } from '@polyanthus/kube-runtime/conditions';

/** A change of one member's connection. */
export interface ConnectionChange {
  readonly fleet: string;
  readonly name: string;
  readonly membershipUid: string;
  readonly connected: boolean;
  readonly agentVersion?: string;
  readonly replica: string;
  /** Of the tunnel that it is about, as the directory gave it when the agent came. */
  readonly epoch: number;
  /** Of the member's API server, as asked through the tunnel. */
  readonly kubernetesVersion?: string;
}

const attemptsMax = 8;

/**
 * Writes it, by compare-and-swap: a membership that is gone is no error, and when a newer tunnel has come meanwhile
 * nothing is changed. The holder itself is the tunnel directory's to write.
 */
export async function recordConnection(ctx: Context, hubClient: KubeClient, change: ConnectionChange): Promise<void> {
  const key = { namespace: change.fleet, name: change.name };
  for (let attempt = 1; ; attempt++) {
    try {
      const current = await hubClient.get(ctx, memberships, key);
      const { uid, resourceVersion } = current.metadata;
      if (uid !== change.membershipUid || (current.status?.holder?.epoch ?? 0) > change.epoch) return;
      const body = { metadata: { uid, resourceVersion }, status: statusOf(ctx, current, change) };
      await hubClient.patch(ctx, memberships, key, { type: 'merge', body }, { fieldManager, subresource: 'status' });
      return;
    } catch (error) {
      if (hasCode(error, 'NotFound')) return;
      if (!hasCode(error, 'Conflict') || attempt === attemptsMax) throw error;
    }
  }
}

function statusOf(ctx: Context, current: Membership, change: ConnectionChange): NonNullable<Membership['status']> {
  const { agentVersion, kubernetesVersion } = change;
  const condition = change.connected
    ? {
        type: 'Connected',
        status: 'True' as const,
        reason: 'TunnelOpen',
        message: `the agent is connected to replica ${change.replica}`,
      }
    : {
        type: 'Connected',
        status: 'False' as const,
        reason: 'TunnelClosed',
        message: 'the agent has no tunnel to the hub; look at the agent in the cluster and its way to the hub',
      };
  return {
    state: 'READY',
    conditions: setCondition(current.status?.conditions, condition, ctx.clock.now()),
    ...(agentVersion === undefined ? {} : { agentVersion }),
    ...(change.connected ? { lastConnectionTime: new Date(ctx.clock.now()).toISOString() } : {}),
    ...(kubernetesVersion === undefined ? {} : { kubernetes: { version: kubernetesVersion } }),
  };
}
