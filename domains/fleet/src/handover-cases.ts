/** Who may have the hub work on which member, and with which keys: cases for the embedded API server and for a real one. */
import type { Context } from '@polyanthus/ground-base/context';
import type { KubeClient } from '@polyanthus/kube-client/client';
import type { PolicyRule } from '@polyanthus/kube-kinds/core';
import { fleetGroup } from '@polyanthus/kube-kinds/own/fleet';
import { runbookGroup, runHandovers, type RunHandover } from '@polyanthus/kube-kinds/own/runbook';
import { grant } from './bind-cases.ts';

const namespace = 'default';

/** A user who may write handovers, have the hub work on the membership `own`, and read the Secret `own`. */
export async function grantHandover(ctx: Context, admin: KubeClient, user: string): Promise<void> {
  const rules: PolicyRule[] = [
    { verbs: ['create', 'update', 'patch', 'get'], apiGroups: [runbookGroup], resources: ['*'] },
    { verbs: ['handover'], apiGroups: [fleetGroup], resources: ['memberships'], resourceNames: ['own'] },
    { verbs: ['get'], apiGroups: [''], resources: ['secrets'], resourceNames: ['own'] },
    { verbs: ['list'], apiGroups: [''], resources: ['secrets'] },
  ];
  await grant(ctx, admin, user, rules);
}

/** What such a user may and may not write; `refused` is the field at fault. */
export const handoverCases: readonly {
  readonly spec: Pick<RunHandover['spec'], 'membership' | 'sshSecret'>;
  readonly refused?: string;
}[] = [
  { spec: { membership: 'own' } },
  { spec: { membership: 'own', sshSecret: 'own' } },
  { spec: { membership: 'foreign' }, refused: 'spec.membership' },
  { spec: { membership: 'own', sshSecret: 'foreign' }, refused: 'spec.sshSecret' },
  // Names are of the handover's own namespace, whatever they look like.
  { spec: { membership: 'own', sshSecret: '../../other/secrets/own' }, refused: 'spec.sshSecret' },
];

/** Creates one case's object as the client's user. */
export function writeHandover(
  ctx: Context,
  client: KubeClient,
  name: string,
  { spec }: (typeof handoverCases)[number],
): Promise<RunHandover> {
  return client.create(ctx, runHandovers, {
    apiVersion: `${runbookGroup}/v1`,
    kind: 'RunHandover',
    metadata: { name, namespace },
    spec: { run: 'uid', digest: 'digest', ...spec },
  });
}
