/**
 * The RBAC authorizer over an injected source: whoever holds the objects (a store, informers) gives reads that answer at
 * once. Bindings are indexed by subject, so that a decision costs what concerns its user, not what exists.
 */
import type { ClusterRole, PolicyRule, Role, RoleBinding, RoleSubject } from '@polyanthus/kube-kinds/core';
import { ruleAllows, uncovered } from './rbac-rules.ts';
import type { Attributes, Decision, UserInfo } from './user.ts';

/** The RBAC objects of one cluster. `version` changes whenever one of them does. */
export interface RbacSource {
  readonly version: () => unknown;
  readonly clusterRole: (name: string) => ClusterRole | undefined;
  readonly role: (namespace: string, name: string) => Role | undefined;
  readonly clusterRoleBindings: () => readonly RoleBinding[];
  /** Of all namespaces. */
  readonly roleBindings: () => readonly RoleBinding[];
}

/** Decides, and tells what a user may do. */
export interface RbacAuthorizer {
  authorize(attributes: Attributes): Decision;
  /** Every rule that holds for the user in a namespace; the empty namespace means cluster-wide only. */
  rulesFor(user: UserInfo, namespace: string): readonly PolicyRule[];
  /** The parts of `rules` that the user does not hold in the namespace. */
  missing(user: UserInfo, namespace: string, rules: readonly PolicyRule[]): readonly PolicyRule[];
  /** The rules that a reference stands for; undefined when the role does not exist. */
  rulesOf(reference: RoleBinding['roleRef'], namespace: string): readonly PolicyRule[] | undefined;
}

interface Grant {
  readonly binding: RoleBinding;
  readonly subject: RoleSubject;
}

/** Makes the authorizer. */
export function createRbacAuthorizer(source: RbacSource): RbacAuthorizer {
  let seen: unknown;
  let index = new Map<string, Grant[]>();
  const grants = (): ReadonlyMap<string, readonly Grant[]> => {
    const version = source.version();
    if (version !== seen || index.size === 0) {
      index = indexBindings([...source.clusterRoleBindings(), ...source.roleBindings()]);
      seen = version;
    }
    return index;
  };
  const rulesOf: RbacAuthorizer['rulesOf'] = (reference, namespace) => {
    const role =
      reference.kind === 'ClusterRole' ? source.clusterRole(reference.name) : source.role(namespace, reference.name);
    return role === undefined ? undefined : (role.rules ?? []);
  };
  const grantsOf = (user: UserInfo, namespace: string): readonly Grant[] =>
    subjectKeys(user).flatMap((key) =>
      (grants().get(key) ?? []).filter(
        ({ binding }) => (binding.metadata.namespace ?? '') === '' || binding.metadata.namespace === namespace,
      ),
    );
  const rulesFor: RbacAuthorizer['rulesFor'] = (user, namespace) =>
    grantsOf(user, namespace).flatMap(
      ({ binding }) => rulesOf(binding.roleRef, binding.metadata.namespace ?? '') ?? [],
    );
  return {
    rulesFor,
    rulesOf,
    missing: (user, namespace, rules) => uncovered(rulesFor(user, namespace), rules),
    authorize: (attributes) => {
      const namespace = attributes.kind === 'resource' ? attributes.namespace : '';
      const lost = new Set<string>();
      for (const grant of grantsOf(attributes.user, namespace)) {
        const rules = rulesOf(grant.binding.roleRef, grant.binding.metadata.namespace ?? '');
        if (rules === undefined) lost.add(lostRole(grant.binding.roleRef));
        if (rules?.some((rule) => ruleAllows(rule, attributes)) === true)
          return { allowed: true, reason: `RBAC: allowed by ${describeGrant(grant)}` };
      }
      return { allowed: false, reason: refusalReason([...lost]) };
    },
  };
}

function lostRole({ kind, name }: RoleBinding['roleRef']): string {
  return `${kind.toLowerCase()}.rbac.authorization.k8s.io "${name}" not found`;
}

/** Bindings to roles that are gone are the usual surprise: kube-apiserver names them in the refusal. */
function refusalReason(lost: readonly string[]): string {
  if (lost.length === 0) return '';
  return `RBAC: ${lost.length === 1 ? lost[0] : `[${lost.join(', ')}]`}`;
}

function indexBindings(bindings: readonly RoleBinding[]): Map<string, Grant[]> {
  const index = new Map<string, Grant[]>();
  for (const binding of bindings) {
    for (const subject of binding.subjects ?? []) {
      const key = keyOfSubject(subject, binding.metadata.namespace ?? '');
      if (key === undefined) continue;
      const list = index.get(key);
      if (list === undefined) index.set(key, [{ binding, subject }]);
      else list.push({ binding, subject });
    }
  }
  return index;
}

/** A ServiceAccount is a user of that name; without any namespace it is nobody. */
function keyOfSubject(subject: RoleSubject, bindingNamespace: string): string | undefined {
  if (subject.kind !== 'ServiceAccount') return `${subject.kind}/${subject.name}`;
  const namespace = accountNamespace(subject, bindingNamespace);
  return namespace === '' ? undefined : `User/system:serviceaccount:${namespace}:${subject.name}`;
}

/** Its own, or that of the binding. */
function accountNamespace(subject: RoleSubject, bindingNamespace: string): string {
  return subject.namespace === undefined || subject.namespace === '' ? bindingNamespace : subject.namespace;
}

function subjectKeys(user: UserInfo): readonly string[] {
  return [`User/${user.username}`, ...user.groups.map((group) => `Group/${group}`)];
}

/** `ClusterRoleBinding "x" of ClusterRole "y" to User "z"`, as kube-apiserver's reasons have it. */
function describeGrant({ binding, subject }: Grant): string {
  const { namespace = '', name = '' } = binding.metadata;
  const role = `${binding.roleRef.kind} "${binding.roleRef.name}"`;
  const who =
    subject.kind === 'ServiceAccount'
      ? `ServiceAccount "${subject.name}/${accountNamespace(subject, namespace)}"`
      : `${subject.kind} "${subject.name}"`;
  return namespace === ''
    ? `ClusterRoleBinding "${name}" of ${role} to ${who}`
    : `RoleBinding "${name}/${namespace}" of ${role} to ${who}`;
}
