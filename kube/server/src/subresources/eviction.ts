/**
 * pods/eviction: a deletion that asks the pod's disruption budget first (kube-apiserver eviction.go). Pods that have ended,
 * have not started or go already are deleted without asking.
 */
import type { ServerResponse } from '@polyanthus/ground-http/message';
import { invalidValue } from '@polyanthus/kube-objects/field-errors';
import { equalJson } from '@polyanthus/kube-objects/json-value';
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import { conflict, isStatus, notFound, StatusError, statusError } from '@polyanthus/kube-objects/status';
import { admit } from '../admission/admit.ts';
import { attributesOf } from '../admission/webhooks/attributes.ts';
import { webhooksOf } from '../admission/webhooks/webhooks.ts';
import { jsonAnswer } from '../answers.ts';
import { listAt, objectAt, textAt, type ApiObject } from '../api-object.ts';
import { readJsonBody } from '../codec.ts';
import { encodeAt, indexOf, readStored, toStorage } from '../encode.ts';
import { statusScope } from '../internal-scope.ts';
import { invalidObject } from '../invalid.ts';
import { scopeNow, type Scope } from '../scope.ts';
import type { StoredObject } from '../store/store.ts';
import { checkPreconditions, deleteObject, deleteRequestOf, type DeleteRequest } from '../verbs/delete.ts';
import { storedOf } from '../verbs/get.ts';
import { checkWriteOptions } from '../write-options.ts';
import { modified, updateObject } from '../writes.ts';
import { budgetsOf, decremented, freesUnready, isReady, stillProcessed } from './disruption-budget.ts';

/** How often a lost race is run again. */
const tries = 20;

const success = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };

export async function evictPod(scope: Scope): Promise<ServerResponse> {
  checkWriteOptions(scope, 'create');
  const eviction = await readEviction(scope);
  const request = requestOf(scope, eviction);
  await admit(scope, 'CREATE', eviction, undefined);
  await askWebhooks(scope, eviction);
  const stored = await deleteUnasked(scope, request);
  if (stored === undefined) return jsonAnswer(201, success);
  const pod = readStored(stored, scope.definition);
  const budgets = budgetsOf(scope, pod);
  if (budgets.length > 1) throw bare(severalBudgets);
  const [budget] = budgets;
  if (budget === undefined) await markAndDelete(scope, request);
  else if (!isReady(pod) && freesUnready(budget)) await deleteAsSeen(scope, request, stored, budget);
  else {
    await takeOne(scope, request, budget.metadata.name ?? '');
    await markAndDelete(scope, request);
  }
  return jsonAnswer(201, success);
}

/** About the Eviction, not about the pod; a rehearsal that only the Eviction's options ask for is none to webhooks. */
async function askWebhooks(scope: Scope, eviction: ApiObject): Promise<void> {
  const kind = { group: 'policy', version: eviction.apiVersion.split('/')[1] ?? 'v1', kind: 'Eviction' };
  await webhooksOf(scope.cluster).admit(attributesOf(scope, 'CREATE', eviction, undefined, { kind }));
}

const severalBudgets =
  'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.';

async function readEviction(scope: Scope): Promise<ApiObject> {
  const body = await readJsonBody(scope);
  const metadata = objectAt(body, 'metadata');
  const namespace = textAt(metadata, 'namespace');
  if (namespace !== '' && namespace !== scope.namespace)
    throw statusError(
      'BadRequest',
      'the namespace of the provided object does not match the namespace sent on the request',
    );
  if (textAt(metadata, 'name') !== scope.name)
    throw statusError('BadRequest', 'name in URL does not match name in Eviction object');
  return { apiVersion: 'policy/v1', kind: 'Eviction', ...body, metadata: { ...metadata, namespace: scope.namespace } };
}

function requestOf(scope: Scope, eviction: ApiObject): DeleteRequest {
  const options = objectAt(eviction, 'deleteOptions');
  const potential = 'ignoreStoreReadErrorWithClusterBreakingPotential';
  if (options[potential] === true)
    throw invalidObject('policy', 'Eviction', scope.name, [
      invalidValue(
        `deleteOptions.${potential}`,
        true,
        'can not be set for pod eviction, try after removing the option',
      ),
    ]);
  return deleteRequestOf({ ...options, dryRun: dryRunOf(scope, options) });
}

/** Said in the query, in the body or in both alike. */
function dryRunOf(scope: Scope, options: JsonObject): readonly string[] {
  const inQuery = scope.query.getAll('dryRun').filter((one) => one !== '');
  const given = options['dryRun'];
  const inBody = Array.isArray(given) ? (given as readonly string[]) : [];
  if (inBody.length === 0) return inQuery;
  if (inQuery.length === 0 || equalJson(inQuery, inBody)) return inBody;
  throw bare(`Non-matching dry-run options in request and content: [${inQuery.join(' ')}] and [${inBody.join(' ')}]`);
}

/** An error of the server's own that has no reason. */
function bare(message: string): StatusError {
  return new StatusError({ apiVersion: 'v1', kind: 'Status', metadata: {}, status: 'Failure', message, code: 500 });
}

/** Deletes a pod that no budget protects; answers the pod as it is when a budget must be asked. */
async function deleteUnasked(scope: Scope, request: DeleteRequest): Promise<StoredObject | undefined> {
  for (let attempt = 1; ; attempt++) {
    const stored = storedOf(scope);
    const { metadata, ...rest } = readStored(stored, scope.definition);
    const phase = textAt(objectAt(rest, 'status'), 'phase');
    const over = phase === 'Succeeded' || phase === 'Failed' || metadata.deletionTimestamp !== undefined;
    if (!over && phase !== 'Pending') return stored;
    // One that is about to start is deleted only as it was seen: it may be ready the next moment.
    const pinned = over || request.resourceVersion !== undefined ? request : pinnedTo(request, stored);
    try {
      await markAndDelete(scope, pinned);
      return undefined;
    } catch (error) {
      if (!isStatus(error, 'Conflict') || request.resourceVersion !== undefined || attempt === tries) throw error;
    }
  }
}

const pinnedTo = (request: DeleteRequest, { revision }: StoredObject): DeleteRequest => ({
  ...request,
  resourceVersion: String(revision),
});

/** Of a pod that was not ready: when it has changed since, the client shall ask again. */
async function deleteAsSeen(
  scope: Scope,
  request: DeleteRequest,
  stored: StoredObject,
  budget: ApiObject,
): Promise<void> {
  try {
    await markAndDelete(scope, pinnedTo(request, stored));
  } catch (error) {
    if (isStatus(error, 'Conflict') && request.resourceVersion === undefined)
      throw stillProcessed(budget.metadata.name ?? '');
    throw error;
  }
}

/** Takes one disruption from the budget; evictions of one budget wait for each other, others do not. */
async function takeOne(scope: Scope, request: DeleteRequest, name: string): Promise<void> {
  const definition = scope.cluster.registry.findAny('policy', 'poddisruptionbudgets');
  if (definition === undefined) return;
  const inner = statusScope(scope, definition, name);
  const less = (budget: ApiObject): ApiObject => decremented(budget, scope.name, scopeNow(scope));
  if (request.dryRun) {
    less(readStored(storedOf(inner), definition));
    return;
  }
  await scope.cluster.locks.run(`budget/${scope.namespace}/${name}`, () =>
    updateObject(inner, less, { retry: true, track: true }),
  );
}

async function markAndDelete(scope: Scope, request: DeleteRequest): Promise<void> {
  const marked = request.dryRun ? undefined : await mark(scope, request);
  const pinned = request.resourceVersion !== undefined && marked !== undefined ? pinnedTo(request, marked) : request;
  // An eviction was admitted as one; it is not admitted a second time as a deletion.
  await deleteObject(scope, pinned, async () => undefined);
}

/** Puts the condition on the pod that tells its owner why it goes. */
async function mark(scope: Scope, request: DeleteRequest): Promise<StoredObject> {
  const { definition, cluster, ctx } = scope;
  for (let attempt = 1; ; attempt++) {
    const stored = storedOf(scope);
    const before = readStored(stored, definition);
    checkPreconditions(scope, before, stored, request);
    const after = toStorage(withTarget(before, scopeNow(scope)), definition);
    if (equalJson(after, before)) return stored;
    const result = await cluster.store.write(ctx, {
      kind: 'put',
      key: stored.key,
      expected: stored.revision,
      encode: (revision) => encodeAt(after, revision),
      index: indexOf(after, definition),
    });
    if (result.ok) return result.object ?? stored;
    if (result.current === undefined) throw notFound('', 'pods', scope.name);
    if (attempt === tries) throw conflict('', 'pods', scope.name, modified);
  }
}

function withTarget(pod: ApiObject, now: string): ApiObject {
  const status = objectAt(pod, 'status');
  const conditions = listAt(status, 'conditions');
  const before = conditions.find(({ type }) => type === 'DisruptionTarget');
  const after = {
    type: 'DisruptionTarget',
    status: 'True',
    lastProbeTime: null,
    lastTransitionTime: before?.['status'] === 'True' ? (before['lastTransitionTime'] ?? now) : now,
    reason: 'EvictionByEvictionAPI',
    message: 'Eviction API: evicting',
  };
  const all = before === undefined ? [...conditions, after] : conditions.map((one) => (one === before ? after : one));
  return { ...pod, status: { ...status, conditions: all } };
}
