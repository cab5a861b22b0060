/**
 * Objects that hand out rights by naming others: who writes one needs a right on each object that it names, as RBAC asks
 * for `bind` on a role. One rule as data, for the embedded server and, as a policy, for any kube-apiserver.
 */
import { statusError, type StatusError } from '@polyanthus/kube-objects/status';
import type { Ask } from './escalation.ts';
import type { UserInfo } from './user.ts';

/** The rule. */
export interface ReferenceGuard {
  readonly group: string;
  /** Resources whose objects name others. */
  readonly resources: readonly string[];
  /** Fields of the spec, and what each names. */
  readonly references: Readonly<Record<string, Reference>>;
}

/** An object of the same namespace. */
export interface Reference {
  readonly group: string;
  readonly resource: string;
  /** What must be allowed on it. */
  readonly verb: string;
}

/** One create or update; an update that leaves the spec alone is none. */
export interface ReferenceWrite {
  readonly user: UserInfo;
  readonly group: string;
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly spec: Readonly<Record<string, unknown>>;
}

/** The refusal, or undefined. */
export async function checkReferences(
  guard: ReferenceGuard,
  write: ReferenceWrite,
  ask: Ask,
): Promise<StatusError | undefined> {
  if (write.group !== guard.group || !guard.resources.includes(write.resource)) return undefined;
  for (const [field, { group, resource, verb }] of Object.entries(guard.references)) {
    const named = write.spec[field];
    if (typeof named !== 'string' || named === '') continue;
    const decision = await ask({
      kind: 'resource',
      user: write.user,
      verb,
      group,
      version: 'v1',
      resource,
      subresource: '',
      namespace: write.namespace,
      name: named,
    });
    if (decision.allowed) continue;
    const why = `User ${JSON.stringify(write.user.username)} cannot ${verb} resource "${resource}" named ${JSON.stringify(named)} (spec.${field}) in API group "${group}" in the namespace ${JSON.stringify(write.namespace)}`;
    return statusError(
      'Forbidden',
      `${write.resource}.${write.group} ${JSON.stringify(write.name)} is forbidden: ${why}`,
      {
        name: write.name,
        group: write.group,
        kind: write.resource,
      },
    );
  }
  return undefined;
}

/** The same rule as a ValidatingAdmissionPolicy with its binding, for a cluster of its own. */
export function guardPolicy(
  guard: ReferenceGuard,
  metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> },
): readonly object[] {
  const apiVersion = 'admissionregistration.k8s.io/v1';
  const rule = { apiGroups: [guard.group], apiVersions: ['*'], operations: ['CREATE', 'UPDATE'] };
  return [
    {
      apiVersion,
      kind: 'ValidatingAdmissionPolicy',
      metadata,
      spec: {
        failurePolicy: 'Fail',
        matchConstraints: { resourceRules: [{ ...rule, resources: guard.resources }] },
        matchConditions: [{ name: 'spec-changed', expression: 'oldObject == null || object.spec != oldObject.spec' }],
        validations: Object.entries(guard.references).map(([field, { group, resource, verb }]) => ({
          expression:
            `!has(object.spec.${field}) || object.spec.${field} == "" || authorizer.group("${group}")` +
            `.resource("${resource}").namespace(object.metadata.namespace).name(object.spec.${field}).check("${verb}").allowed()`,
          message: `needs the right to ${verb} the object of ${[resource, group].filter(Boolean).join('.')} that spec.${field} names`,
          reason: 'Forbidden',
        })),
      },
    },
    {
      apiVersion,
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata,
      spec: { policyName: metadata.name, validationActions: ['Deny'] },
    },
  ];
}
