/** DELETE of an object and of a collection: preconditions, grace, propagation, finalizers. */
import type { ServerResponse } from '@polyanthus/ground-http/message';
import { conflict, notFound } from '@polyanthus/kube-objects/status';
import { notSupported } from '@polyanthus/kube-objects/field-errors';
import { invalidOptions } from '../invalid.ts';
import { admitDelete } from '../admission/admit.ts';
import { jsonAnswer } from '../answers.ts';
import { objectAt, timestamp, withMeta, type ApiObject } from '../api-object.ts';
import { readJsonBody } from '../codec.ts';
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import { encodeAt, indexOf, readStored, toStorage } from '../encode.ts';
import { objectAnswer } from '../render.ts';
import { isDryRun, type Scope } from '../scope.ts';
import type { StoredObject } from '../store/store.ts';
import { isFinished, removeStored, conflictTries, modified } from '../writes.ts';
import { storedOf } from './get.ts';

export interface DeleteRequest {
  readonly graceSeconds: number | undefined;
  readonly propagation: 'Orphan' | 'Background' | 'Foreground' | undefined;
  readonly uid: string | undefined;
  readonly resourceVersion: string | undefined;
  readonly dryRun: boolean;
  /** As webhooks are shown it. */
  readonly options: JsonObject;
}

/** Options from the body, else from the query. */
export async function readDeleteRequest(scope: Scope): Promise<DeleteRequest> {
  const request = deleteRequestOf(await readJsonBody(scope), scope.query);
  return { ...request, dryRun: request.dryRun || isDryRun(scope) };
}

/** The same of a body alone. Throws Invalid. */
export function deleteRequestOf(body: JsonObject, query = new URLSearchParams()): DeleteRequest {
  const grace =
    body['gracePeriodSeconds'] ??
    (query.has('gracePeriodSeconds') ? Number(query.get('gracePeriodSeconds')) : undefined);
  const policy = body['propagationPolicy'] ?? query.get('propagationPolicy') ?? undefined;
  const orphan =
    body['orphanDependents'] ?? (query.has('orphanDependents') ? query.get('orphanDependents') === 'true' : undefined);
  const preconditions = objectAt(body, 'preconditions');
  const dryRun = Array.isArray(body['dryRun']) && (body['dryRun'] as readonly unknown[]).includes('All');
  return {
    graceSeconds: typeof grace === 'number' ? grace : undefined,
    propagation: propagationOf(policy, orphan),
    uid: preconditions['uid'] as string | undefined,
    resourceVersion: preconditions['resourceVersion'] as string | undefined,
    dryRun,
    options: optionsOf(body, query),
  };
}

const optionKeys = ['gracePeriodSeconds', 'preconditions', 'orphanDependents', 'propagationPolicy', 'dryRun'] as const;

function optionsOf(body: JsonObject, query: URLSearchParams): JsonObject {
  const asked = (key: string): JsonValue | undefined => {
    const text = query.get(key) ?? '';
    if (key === 'dryRun') return query.getAll(key).length === 0 ? undefined : query.getAll(key);
    if (text === '') return undefined;
    return key === 'gracePeriodSeconds' ? Number(text) : key === 'orphanDependents' ? text === 'true' : text;
  };
  const given = optionKeys.flatMap((key) => {
    const value = body[key] ?? asked(key);
    return value === undefined || value === null ? [] : [[key, value] as const];
  });
  return { kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/v1', ...Object.fromEntries(given) };
}

function propagationOf(policy: unknown, orphan: unknown): DeleteRequest['propagation'] {
  if (policy === undefined || policy === null || policy === '')
    return orphan === true ? 'Orphan' : orphan === false ? 'Background' : undefined;
  if (policy === 'Orphan' || policy === 'Background' || policy === 'Foreground') return policy;
  throw invalidOptions(
    'DeleteOptions',
    notSupported('propagationPolicy', String(policy), ['Foreground', 'Background', 'Orphan', 'nil']),
  );
}

/** Kinds whose deletion answers with the object even when it is gone (kube-apiserver's ReturnDeletedObject). */
const answersWithObject: ReadonlySet<string> = new Set([
  '/namespaces',
  '/persistentvolumeclaims',
  '/persistentvolumes',
  '/pods',
  '/podtemplates',
  '/resourcequotas',
  '/serviceaccounts',
  '/services',
  'storage.k8s.io/csidrivers',
  'storage.k8s.io/csinodes',
  'storage.k8s.io/storageclasses',
  'storage.k8s.io/volumeattachments',
  'storage.k8s.io/volumeattributesclasses',
]);

export async function deleteVerb(scope: Scope): Promise<ServerResponse> {
  const request = await readDeleteRequest(scope);
  const { stored, gone } = await deleteObject(scope, request);
  // The object where it stays for a while; a Status where it is gone (pods and custom kinds answer with the object).
  if (!gone) return objectAnswer(scope, 200, stored);
  const { group, resource } = scope.definition.type;
  if (answersWithObject.has(`${group}/${resource}`)) return objectAnswer(scope, 200, stored);
  return jsonAnswer(200, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name: scope.name, ...(group === '' ? {} : { group }), kind: resource, uid: stored.index.uid ?? '' },
  });
}

/** The object after the deletion, and whether it is gone from the store. */
export interface Deleted {
  readonly stored: StoredObject;
  readonly gone: boolean;
}

/** Deletes the object of the scope as far as its finalizers and grace allow. Throws NotFound, Conflict. */
export async function deleteObject(
  scope: Scope,
  request: DeleteRequest,
  admission: (scope: Scope, object: ApiObject, request: DeleteRequest) => Promise<void> = admitDelete,
): Promise<Deleted> {
  const { definition } = scope;
  for (let attempt = 1; ; attempt++) {
    const stored = storedOf(scope);
    const before = readStored(stored, definition);
    checkPreconditions(scope, before, stored, request);
    await admission(scope, before, request);
    const after = marked(scope, before, request);
    const deleted = isFinished(after)
      ? await remove(scope, stored, after, request)
      : await mark(scope, stored, before, after, request);
    if (deleted !== undefined) return deleted;
    if (attempt === conflictTries)
      throw conflict(definition.type.group, definition.type.resource, scope.name, modified);
  }
}

/** Throws Conflict unless the object is the one, and the version, that the request names. */
export function checkPreconditions(
  scope: Scope,
  before: ApiObject,
  stored: StoredObject,
  request: DeleteRequest,
): void {
  const { group, kind, resource } = scope.definition.type;
  const { uid = '' } = before.metadata;
  const refuse = (what: string, wanted: string, found: string, happened: string): Error =>
    conflict(
      group,
      kind === '' ? resource : kind,
      scope.name,
      `the ${what} in the precondition (${wanted}) does not match the ${what} in record (${found}). ${happened}`,
    );
  if (request.uid !== undefined && request.uid !== uid)
    throw refuse('UID', request.uid, uid, 'The object might have been deleted and then recreated');
  const revision = String(stored.revision);
  if (request.resourceVersion !== undefined && request.resourceVersion !== revision)
    throw refuse('ResourceVersion', request.resourceVersion, revision, 'The object might have been modified');
}

const collectors = ['orphan', 'foregroundDeletion'] as const;

/** The finalizers that make the garbage collector treat dependents as asked. */
function finalizersFor(
  before: ApiObject,
  request: DeleteRequest,
  fallback: 'Orphan' | 'Background' | undefined,
): readonly string[] {
  const have = before.metadata.finalizers ?? [];
  const policy =
    request.propagation ??
    (have.includes('orphan') ? 'Orphan' : have.includes('foregroundDeletion') ? 'Foreground' : fallback);
  const others = have.filter((one) => !(collectors as readonly string[]).includes(one));
  if (policy === 'Orphan') return [...others, 'orphan'];
  if (policy === 'Foreground') return [...others, 'foregroundDeletion'];
  return others;
}

/** The object as the deletion leaves it: deletionTimestamp, grace and finalizers set. */
function marked(scope: Scope, before: ApiObject, request: DeleteRequest): ApiObject {
  const { strategy } = scope.definition;
  const asked = finalizersFor(before, request, strategy.defaultPropagation);
  const { deletionFinalizer } = strategy;
  const first = before.metadata.deletionTimestamp === undefined;
  const finalizers =
    deletionFinalizer === undefined || !first || asked.includes(deletionFinalizer)
      ? asked
      : [...asked, deletionFinalizer];
  const nowMs = scope.ctx.clock.now();
  const already = before.metadata.deletionTimestamp;
  const wanted = strategy.grace?.(before, request.graceSeconds) ?? 0;
  const had = before.metadata.deletionGracePeriodSeconds;
  const grace = already === undefined ? wanted : shorter(had, request.graceSeconds === undefined ? had : wanted);
  const at = already === undefined || grace !== had ? timestamp(startOf(before, nowMs) + (grace ?? 0) * 1000) : already;
  const metadata = {
    deletionTimestamp: at,
    deletionGracePeriodSeconds: grace ?? 0,
    finalizers: finalizers.length === 0 ? undefined : finalizers,
    ...(strategy.tracksGeneration && already === undefined
      ? { generation: (before.metadata.generation ?? 1) + 1 }
      : {}),
  };
  const after = withMeta(before, metadata);
  return terminating(scope, after);
}

/** When the deletion began, from the time that it was to end. */
function startOf(before: ApiObject, nowMs: number): number {
  const { deletionTimestamp, deletionGracePeriodSeconds } = before.metadata;
  return deletionTimestamp === undefined
    ? nowMs
    : Date.parse(deletionTimestamp) - (deletionGracePeriodSeconds ?? 0) * 1000;
}

const shorter = (a: number | undefined, b: number | undefined): number => Math.min(a ?? 0, b ?? 0);

/** Namespaces say so in their phase; nobody gives them time. */
function terminating(scope: Scope, object: ApiObject): ApiObject {
  const { type } = scope.definition;
  if (type.group !== '' || type.resource !== 'namespaces') return object;
  const graceless = withMeta(object, { deletionGracePeriodSeconds: undefined });
  return { ...graceless, status: { ...objectAt(object, 'status'), phase: 'Terminating' } };
}

async function remove(
  scope: Scope,
  stored: StoredObject,
  after: ApiObject,
  request: DeleteRequest,
): Promise<Deleted | undefined> {
  if (request.dryRun) return { stored, gone: true };
  // Only kinds with grace show in their last state that they were being deleted.
  const last = scope.definition.strategy.grace === undefined ? readStored(stored, scope.definition) : after;
  const removed = await removeStored(scope, stored, last);
  return removed === undefined ? undefined : { stored: removed, gone: true };
}

async function mark(
  scope: Scope,
  stored: StoredObject,
  before: ApiObject,
  after: ApiObject,
  request: DeleteRequest,
): Promise<Deleted | undefined> {
  if (request.dryRun || JSON.stringify(before) === JSON.stringify(after)) return { stored, gone: false };
  const kept = toStorage(after, scope.definition);
  const result = await scope.cluster.store.write(scope.ctx, {
    kind: 'put',
    key: stored.key,
    expected: stored.revision,
    encode: (revision) => encodeAt(kept, revision),
    index: indexOf(kept, scope.definition),
  });
  if (result.ok) return { stored: result.object ?? stored, gone: false };
  if (result.current === undefined) {
    const { group, resource } = scope.definition.type;
    throw notFound(group, resource, scope.name);
  }
  return undefined;
}
