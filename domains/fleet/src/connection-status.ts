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
  readonly connected: boolean;
  readonly agentVersion: string;
  readonly replica: string;
  readonly epoch: number;
  /** Of the member's API server, as asked through the tunnel. */
  readonly kubernetesVersion?: string;
}

/** Writes it. A membership that is gone is no error; an older epoch changes nothing. */
export async function recordConnection(ctx: Context, hubClient: KubeClient, change: ConnectionChange): Promise<void> {
  const key = { namespace: change.fleet, name: change.name };
  try {
    const current = await hubClient.get(ctx, memberships, key);
    if ((current.status?.holder?.epoch ?? 0) > change.epoch) return;
    await hubClient.patch(
      ctx,
      memberships,
      key,
      { type: 'merge', body: { metadata: { uid: current.metadata.uid }, status: statusOf(ctx, current, change) } },
      { fieldManager, subresource: 'status' },
    );
  } catch (error) {
    if (!hasCode(error, 'NotFound') && !hasCode(error, 'Conflict')) throw error;
  }
}

function statusOf(ctx: Context, current: Membership, change: ConnectionChange): NonNullable<Membership['status']> {
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
    holder: { replica: change.replica, epoch: change.epoch },
    ...(change.connected
      ? { agentVersion: change.agentVersion, lastConnectionTime: new Date(ctx.clock.now()).toISOString() }
      : {}),
    ...(change.kubernetesVersion === undefined
      ? {}
      : { kubernetes: { ...current.status?.kubernetes, version: change.kubernetesVersion } }),
  };
}
