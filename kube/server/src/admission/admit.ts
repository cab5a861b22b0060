/** Admission: the server's own plugins in order. Each may change the object or refuse the request. */
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import { withMeta, type ApiObject } from '../api-object.ts';
import type { Scope } from '../scope.ts';
import type { AdmissionPlugin, Operation } from './plugin.ts';
import { lifecycle } from './namespace-lifecycle.ts';
import { requester } from './csr.ts';
import { csrRights } from './csr-rights.ts';
import { checkLimits, limitDefaults } from './limit-range.ts';
import { podDefaults } from './pod-defaults.ts';
import { priority } from './priority.ts';
import { priorityClass } from './priority-class.ts';
import { resourceQuota } from './resource-quota.ts';
import { serviceAccount } from './service-account.ts';
import { clusterIp } from './cluster-ip.ts';
import { rbacEscalation } from './rbac-escalation.ts';
import { references } from './references.ts';
import { attributesOf, otherKinds } from './webhooks/attributes.ts';
import { webhooksOf } from './webhooks/webhooks.ts';

const plugins: readonly AdmissionPlugin[] = [
  lifecycle,
  limitDefaults,
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

/**
 * Runs the plugins, then the mutating webhooks; where a webhook changes something, both once more. `keep` takes back what
 * may not be changed on this way.
 */
export async function admit(
  scope: Scope,
  operation: 'CREATE' | 'UPDATE',
  object: ApiObject,
  before: ApiObject | undefined,
  keep: (object: ApiObject) => ApiObject = (same) => same,
): Promise<ApiObject> {
  const plugged = await plug(scope, operation, object, before);
  if (otherKinds.has(scope.subresource)) return plugged;
  const rounds = webhooksOf(scope.cluster).mutating({ scope });
  if (rounds === undefined) return plugged;
  const round = async (current: ApiObject): Promise<ApiObject> =>
    (await rounds.run(attributesOf(scope, operation, current, before))) as ApiObject;
  const after = await round(plugged);
  if (!rounds.changed) return after;
  return keep(await round(await plug(scope, operation, keep(after), before)));
}

/** An update that names no version means the one that is there. */
function versionOf(object: ApiObject, before: ApiObject | undefined): ApiObject {
  const named = (object.metadata.resourceVersion ?? '') !== '';
  return before === undefined || named
    ? object
    : withMeta(object, { resourceVersion: before.metadata.resourceVersion });
}

async function plug(
  scope: Scope,
  operation: Operation,
  object: ApiObject,
  before: ApiObject | undefined,
): Promise<ApiObject> {
  let current = object;
  for (const plugin of plugins) current = await plugin(scope, operation, current, before);
  return current;
}

/** The same for a deletion, webhooks that judge included. `options` are its DeleteOptions. */
export async function admitDelete(
  scope: Scope,
  object: ApiObject,
  request: { readonly options: JsonObject; readonly dryRun: boolean; readonly name?: string },
): Promise<void> {
  await plug(scope, 'DELETE', object, object);
  await webhooksOf(scope.cluster).admit(attributesOf(scope, 'DELETE', undefined, object, request));
}

/**
 * The last word, when the object is complete and valid: limits, validating webhooks, then what counts it (ResourceQuota), so that
 * nothing is charged that is refused anyway. Nothing changes the object any more.
 */
export async function admitLast(
  scope: Scope,
  operation: 'CREATE' | 'UPDATE',
  object: ApiObject,
  before: ApiObject | undefined,
): Promise<void> {
  checkLimits(scope, operation, object, before);
  if (!otherKinds.has(scope.subresource))
    await webhooksOf(scope.cluster).validate(scope, () =>
      attributesOf(scope, operation, versionOf(object, before), before),
    );
  await resourceQuota(scope, operation, object, before);
}
