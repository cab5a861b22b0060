/** Admission: the server's own plugins in order. Each may change the object or refuse the request. */
import type { ApiObject } from '../api-object.ts';
import type { Scope } from '../scope.ts';
import type { AdmissionPlugin, Operation } from './plugin.ts';
import { lifecycle } from './namespace-lifecycle.ts';
import { requester } from './csr.ts';
import { csrRights } from './csr-rights.ts';
import { podDefaults } from './pod-defaults.ts';
import { priority } from './priority.ts';
import { priorityClass } from './priority-class.ts';
import { resourceQuota } from './resource-quota.ts';
import { serviceAccount } from './service-account.ts';
import { clusterIp } from './cluster-ip.ts';
import { rbacEscalation } from './rbac-escalation.ts';
import { references } from './references.ts';

const plugins: readonly AdmissionPlugin[] = [
  lifecycle,
  serviceAccount,
  priority,
  podDefaults,
  priorityClass,
  clusterIp,
  rbacEscalation,
  references,
  requester,
  csrRights,
];

/** Runs the plugins. */
export async function admit(
  scope: Scope,
  operation: Operation,
  object: ApiObject,
  before: ApiObject | undefined,
): Promise<ApiObject> {
  let current = object;
  for (const plugin of plugins) current = await plugin(scope, operation, current, before);
  return current;
}

/**
 * The last word, when the object is complete and valid: what counts it (ResourceQuota), so that nothing is charged that is
 * refused anyway. Nothing changes the object any more.
 */
export async function admitLast(
  scope: Scope,
  operation: Operation,
  object: ApiObject,
  before: ApiObject | undefined,
): Promise<void> {
  await resourceQuota(scope, operation, object, before);
}
