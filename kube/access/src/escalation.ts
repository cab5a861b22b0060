/**
 * Nobody hands out rights that they do not hold: checks on writes of roles and bindings (kube registry/rbac escalation
 * checks). The verbs `escalate` and `bind` lift it.
 */
import type { PolicyRule, RoleBinding } from '@polyanthus/kube-kinds/core';
import { statusError, type StatusError } from '@polyanthus/kube-objects/status';
import type { RbacAuthorizer } from './rbac.ts';
import { describeRule } from './rbac-rules.ts';
import type { Attributes, Decision, UserInfo } from './user.ts';

/** One write of an RBAC object. */
export interface RbacWrite {
  readonly user: UserInfo;
  /** `roles`, `clusterroles`, `rolebindings`, `clusterrolebindings`. */
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  /** Of a role. */
  readonly rules?: readonly PolicyRule[];
  /** The role has, or had, an aggregationRule with selectors: it can gather anything. */
  readonly aggregates?: boolean;
  /** Of a binding. */
  readonly roleRef?: RoleBinding['roleRef'];
}

/** Asked for the lifting verbs. */
export type Ask = (attributes: Attributes) => Promise<Decision>;

/** The refusal, or undefined. Members of system:masters are never refused. */
export async function checkEscalation(
  write: RbacWrite,
  rbac: RbacAuthorizer,
  ask: Ask,
): Promise<StatusError | undefined> {
  if (write.user.groups.includes('system:masters')) return undefined;
  const lifted = async (verb: string, resource: string, name: string): Promise<boolean> =>
    (
      await ask({
        kind: 'resource',
        user: write.user,
        verb,
        group: 'rbac.authorization.k8s.io',
        version: 'v1',
        resource,
        subresource: '',
        namespace: write.namespace,
        name,
      })
    ).allowed;
  if (write.roleRef === undefined) {
    if (await lifted('escalate', write.resource, write.name)) return undefined;
    return refusal(write, rbac, write.rules ?? []) ?? aggregationRefusal(write, rbac);
  }
  const roles = write.roleRef.kind === 'ClusterRole' ? 'clusterroles' : 'roles';
  if (await lifted('bind', roles, write.roleRef.name)) return undefined;
  const rules = rbac.rulesOf(write.roleRef, write.namespace);
  if (rules === undefined)
    return statusError('NotFound', `${roles}.rbac.authorization.k8s.io "${write.roleRef.name}" not found`);
  return refusal(write, rbac, rules);
}

const everything: readonly PolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
];

function aggregationRefusal(write: RbacWrite, rbac: RbacAuthorizer): StatusError | undefined {
  const mayAll = rbac.missing(write.user, write.namespace, everything).length === 0;
  if (write.aggregates !== true || mayAll) return undefined;
  return forbidden(write, 'must have cluster-admin privileges to use the aggregationRule');
}

function refusal(write: RbacWrite, rbac: RbacAuthorizer, rules: readonly PolicyRule[]): StatusError | undefined {
  const missing = rbac.missing(write.user, write.namespace, rules);
  if (missing.length === 0) return undefined;
  const lines = [...new Set(compact(missing).map(describeRule))].sort().join('\n');
  const who = `user ${JSON.stringify(write.user.username)} (groups=[${write.user.groups.map((group) => JSON.stringify(group)).join(' ')}])`;
  return forbidden(write, `${who} is attempting to grant RBAC permissions not currently held:\n${lines}`);
}

function forbidden(write: RbacWrite, why: string): StatusError {
  return statusError(
    'Forbidden',
    `${write.resource}.rbac.authorization.k8s.io ${JSON.stringify(write.name)} is forbidden: ${why}`,
    { name: write.name, group: 'rbac.authorization.k8s.io', kind: write.resource },
  );
}

/** Rules on resources that differ in their verb alone become one. */
function compact(rules: readonly PolicyRule[]): readonly PolicyRule[] {
  const merged = new Map<string, PolicyRule>();
  for (const rule of rules) {
    const { verbs, ...rest } = rule;
    const key = JSON.stringify(rule.nonResourceURLs === undefined ? rest : rule);
    merged.set(key, { ...rest, verbs: [...(merged.get(key)?.verbs ?? []), ...verbs] });
  }
  return [...merged.values()];
}
