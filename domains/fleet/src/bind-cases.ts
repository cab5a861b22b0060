/** Cases that hold for a hub on the embedded API server and on a real one. */
import type { Context } from '@polyanthus/ground-base/context';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { customResourceDefinitions, roleBindings, roles, type PolicyRule } from '@polyanthus/kube-kinds/core';
import { ownCrds } from '@polyanthus/kube-kinds/own/crds';
import {
  fleetGroup,
  fleetNamespaces,
  fleetRoleBindings,
  membershipBindings,
  memberships,
  scopes,
} from '@polyanthus/kube-kinds/own/fleet';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { ResourceType } from '@polyanthus/kube-objects/resource';

const rbac = 'rbac.authorization.k8s.io';
const namespace = 'default';
const kinds: readonly ResourceType[] = [memberships, scopes, fleetNamespaces, fleetRoleBindings, membershipBindings];

/** The fleet's kinds; throws until all are served: call it again, or through `vi.waitFor`. */
export async function serveFleetKinds(ctx: Context, admin: KubeClient): Promise<void> {
  for (const crd of ownCrds) {
    const key = { name: crd.metadata.name ?? '' };
    await admin.patch(
      ctx,
      customResourceDefinitions,
      key,
      { type: 'apply', body: crd, force: true },
      { fieldManager: 't' },
    );
  }
  for (const kind of kinds) await admin.list(ctx, kind, { namespace });
}

/** A user who may write every kind of the fleet, and `bind` the membership `own` and the scope `own`. */
export async function grantWriter(ctx: Context, admin: KubeClient, user: string): Promise<void> {
  const rules: PolicyRule[] = [
    { verbs: ['create', 'update', 'patch', 'get'], apiGroups: [fleetGroup], resources: ['*'] },
    { verbs: ['bind'], apiGroups: [fleetGroup], resources: ['memberships', 'scopes'], resourceNames: ['own'] },
  ];
  await grant(ctx, admin, user, rules);
}

/** Gives the user these rights in the namespace of the cases, by a Role and a RoleBinding of its name. */
export async function grant(
  ctx: Context,
  admin: KubeClient,
  user: string,
  rules: readonly PolicyRule[],
): Promise<void> {
  const metadata = { name: user, namespace };
  await admin.create(ctx, roles, { apiVersion: `${rbac}/v1`, kind: 'Role', metadata, rules });
  await admin.create(ctx, roleBindings, {
    apiVersion: `${rbac}/v1`,
    kind: 'RoleBinding',
    metadata,
    roleRef: { apiGroup: rbac, kind: 'Role', name: user },
    subjects: [{ kind: 'User', apiGroup: rbac, name: user }],
  });
}

/** Objects that such a user may and may not write; `refused` is the field at fault. */
export const bindCases: readonly {
  readonly type: ResourceType;
  readonly spec: object;
  readonly refused?: string;
}[] = [
  { type: fleetRoleBindings, spec: { membership: 'own', user: 'a', role: { predefinedRole: 'ADMIN' } } },
  { type: fleetRoleBindings, spec: { scope: 'own', user: 'a', role: { predefinedRole: 'VIEW' } } },
  { type: membershipBindings, spec: { membership: 'own', scope: 'own' } },
  { type: fleetNamespaces, spec: { scope: 'own', namespace: 'team' } },
  {
    type: fleetRoleBindings,
    spec: { membership: 'foreign', user: 'a', role: { predefinedRole: 'VIEW' } },
    refused: 'spec.membership',
  },
  {
    type: fleetRoleBindings,
    spec: { scope: 'foreign', user: 'a', role: { predefinedRole: 'VIEW' } },
    refused: 'spec.scope',
  },
  { type: membershipBindings, spec: { membership: 'foreign', scope: 'own' }, refused: 'spec.membership' },
  { type: membershipBindings, spec: { membership: 'own', scope: 'foreign' }, refused: 'spec.scope' },
  { type: fleetNamespaces, spec: { scope: 'foreign', namespace: 'team' }, refused: 'spec.scope' },
];

/** Creates one case's object as the client's user. */
export function writeCase(
  ctx: Context,
  client: KubeClient,
  name: string,
  one: (typeof bindCases)[number],
): Promise<KubeObject> {
  const { group, version, kind } = one.type;
  const object = { apiVersion: `${group}/${version}`, kind, metadata: { name, namespace }, spec: one.spec };
  return client.create(ctx, one.type, object as KubeObject);
}
