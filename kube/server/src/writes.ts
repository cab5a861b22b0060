/** The way of every write to the store: create, compare-and-swap update, delete. Verbs and subresources go through here. */
import { nameSuffix } from '@polyanthus/ground-base/random';
import { equalJson } from '@polyanthus/kube-objects/json-value';
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import { normalizeNative } from '@polyanthus/kube-objects/native';
import { alreadyExists, conflict, notFound, statusError } from '@polyanthus/kube-objects/status';
import { invalidValue } from '@polyanthus/kube-objects/field-errors';
import { invalidObject } from './invalid.ts';
import { keepPodParts } from './kinds/pods.ts';
import { admit, admitLast } from './admission/admit.ts';
import { timestamp, withMeta, without, type ApiObject } from './api-object.ts';
import { encodeAt, indexOf, readStored, toStorage } from './encode.ts';
import { trackFields } from './fields.ts';
import { carryMeta, createFaults, updateFaults } from './metadata.ts';
import type { ResourceDefinition } from './registry/definition.ts';
import { keyOf } from './registry/keys.ts';
import { isDryRun, type Scope } from './scope.ts';
import type { StoredObject } from './store/store.ts';

/** generateName is tried this often before the name's collision is reported. */
const generateTries = 8;
/** A patch is applied again on a newer object this often. */
export const conflictTries = 5;

/** What a write left behind: the object as stored, or as it would be (dry run, or nothing changed). */
export interface Written {
  readonly stored: StoredObject;
  readonly created: boolean;
}

const moment = (scope: Scope): { nowMs: number; subresource: string } => ({
  nowMs: scope.ctx.clock.now(),
  subresource: scope.subresource,
});

/** Creates `draft` (decoded) in the scope's namespace. `track` is false for apply, which has its own managedFields. */
export async function createObject(scope: Scope, draft: ApiObject, track = true): Promise<Written> {
  const { definition, cluster } = scope;
  const generateName = draft.metadata.generateName ?? '';
  const admitted = await admitCreate(scope, draft, track);
  const named = admitted.metadata.name ?? '';
  const generated = generateName !== '' && named === '';
  for (let attempt = 1; ; attempt++) {
    const name = generated ? `${generateName.slice(0, 58)}${nameSuffix(cluster.random)}` : named;
    const object = await prepareCreate(scope, withMeta(admitted, { name }));
    const key = keyOf(cluster.name, definition, scope.namespace, name);
    const written = await insert(scope, key, object);
    if (written !== undefined) return { stored: written, created: true };
    if (!generated || attempt === generateTries)
      throw alreadyExists(definition.type.group, definition.type.resource, name);
  }
}

/** What is admitted has no uid, no time and maybe no name yet; as in kube-apiserver, webhooks see it so. */
async function admitCreate(scope: Scope, draft: ApiObject, track: boolean): Promise<ApiObject> {
  const { type } = scope.definition;
  requireNamespace(scope, draft);
  const namespace = type.namespaced ? scope.namespace : draft.metadata.namespace;
  draft = withMeta(withoutStatus(scope, draft), {
    namespace: namespace === '' ? undefined : namespace,
    uid: undefined,
    creationTimestamp: undefined,
    generation: undefined,
    resourceVersion: undefined,
    deletionTimestamp: undefined,
    deletionGracePeriodSeconds: undefined,
    selfLink: undefined,
  });
  // Before admission, as kube-apiserver does: what the server itself sets has no manager.
  if (track) draft = trackFields(scope, undefined, draft);
  const { managedFields } = draft.metadata;
  return admit(scope, 'CREATE', draft, undefined, (changed) =>
    withMeta(withoutStatus(scope, changed), { managedFields }),
  );
}

/** As new objects begin: without what only the status endpoint writes. */
function withoutStatus({ definition, subresource }: Scope, object: ApiObject): ApiObject {
  const bare = definition.strategy.hasStatus && subresource === '' ? without(object, 'status') : object;
  return definition.custom ? bare : (normalizeNative(bare, definition.schema) as ApiObject);
}

function requireNamespace({ definition, namespace }: Scope, { metadata }: ApiObject): void {
  const given = metadata.namespace ?? '';
  if (definition.type.namespaced && given !== '' && given !== namespace)
    throw statusError(
      'BadRequest',
      'the namespace of the provided object does not match the namespace sent on the request',
    );
}

async function prepareCreate(scope: Scope, admitted: ApiObject): Promise<ApiObject> {
  const { definition, cluster } = scope;
  const { strategy, type } = definition;
  requireNamespace(scope, admitted);
  const draft = withMeta(admitted, {
    ...(type.namespaced ? { namespace: scope.namespace } : {}),
    uid: cluster.random.uuid(),
    creationTimestamp: timestamp(scope.ctx.clock.now()),
    generation: strategy.tracksGeneration ? 1 : undefined,
    resourceVersion: undefined,
    deletionTimestamp: undefined,
    deletionGracePeriodSeconds: undefined,
    selfLink: undefined,
  });
  const prepared = strategy.prepare?.(draft, undefined, moment(scope)) ?? draft;
  const faults = [
    ...createFaults(prepared, definition),
    ...cluster.schemaFaults(definition, prepared, undefined),
    ...(strategy.faults?.(prepared, undefined, moment(scope)) ?? []),
  ];
  if (faults.length > 0) throw invalidObject(type.group, type.kind, prepared.metadata.name ?? '', faults);
  await admitLast(scope, 'CREATE', prepared, undefined);
  return prepared;
}

async function insert(scope: Scope, key: string, object: ApiObject): Promise<StoredObject | undefined> {
  const { definition, cluster, ctx } = scope;
  const kept = toStorage(object, definition);
  const index = indexOf(kept, definition);
  if (isDryRun(scope)) {
    if (cluster.store.get(key) !== undefined) return undefined;
    const { resourceVersion: _none, ...metadata } = kept.metadata;
    return pretended(key, { ...kept, metadata }, index, 0);
  }
  const result = await cluster.store.write(ctx, {
    kind: 'put',
    key,
    expected: 0,
    encode: (revision) => fitting(kept, revision),
    index,
  });
  return result.ok ? result.object : undefined;
}

/** What etcd takes of one object (its --max-request-bytes): a body is bounded, but patches add up. */
const objectBytesMax = 1_572_864;

function fitting(object: ApiObject, revision: number): Uint8Array {
  const bytes = encodeAt(object, revision);
  if (bytes.length <= objectBytesMax) return bytes;
  throw statusError(
    'RequestEntityTooLarge',
    `Request entity too large: ${object.kind} ${JSON.stringify(object.metadata.name)} would take ${bytes.length} bytes, limit is ${objectBytesMax}`,
  );
}

/** An object that is shown but not stored. */
function pretended(key: string, object: ApiObject, index: StoredObject['index'], revision: number): StoredObject {
  const whole = fitting(object, revision);
  const bytes = revision === 0 ? Buffer.from(JSON.stringify(object)) : whole;
  return { key, revision, createRevision: revision, bytes, index };
}

/** Computes the new object from the stored one. Throws to refuse. */
export type Change = (before: ApiObject) => ApiObject | Promise<ApiObject>;

export interface UpdateOptions {
  /** Retry on a concurrent write when the change does not name a resourceVersion. */
  readonly retry: boolean;
  /** False for apply, which computes managedFields itself. */
  readonly track: boolean;
  /** The admission operation that this counts as. */
  readonly validate?: boolean;
}

/** Changes the object of the scope. NotFound when there is none; Conflict when it changed meanwhile. */
export async function updateObject(scope: Scope, change: Change, options: UpdateOptions): Promise<Written> {
  const { definition, cluster } = scope;
  const { group, resource } = definition.type;
  const key = keyOf(cluster.name, definition, scope.namespace, scope.name);
  for (let attempt = 1; ; attempt++) {
    const stored = cluster.store.get(key);
    if (stored === undefined) throw notFound(group, resource, scope.name);
    const before = readStored(stored, definition);
    const draft = await change(before);
    const after = await prepareUpdate(scope, { draft, before, stored }, options);
    const written = await swap(scope, stored, before, after);
    if (written !== undefined) return { stored: written, created: false };
    const pinned = (draft.metadata.resourceVersion ?? '') !== '' && !options.retry;
    if (pinned || attempt === conflictTries) throw conflict(group, resource, scope.name, modified);
  }
}

export const modified = 'the object has been modified; please apply your changes to the latest version and try again';

function checkVersion(scope: Scope, draft: ApiObject, stored: StoredObject): void {
  const { type, strategy } = scope.definition;
  const { resourceVersion = '', uid = '' } = draft.metadata;
  const current = stored.index.uid ?? '';
  if (uid !== '' && uid !== current)
    throw conflict(
      type.group,
      type.resource,
      scope.name,
      `StorageError: invalid object, Code: 4, Key: ${registryKey(scope)}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ${uid}, UID in object meta: ${current}`,
    );
  if (resourceVersion === '') {
    if (strategy.unconditionalUpdate) return;
    throw invalidObject(type.group, type.resource, scope.name, [
      invalidValue('metadata.resourceVersion', 0, 'must be specified for an update'),
    ]);
  }
  if (resourceVersion !== String(stored.revision)) throw conflict(type.group, type.resource, scope.name, modified);
}

/** The key as etcd has it, for one message. */
function registryKey({ definition: { type, custom }, namespace, name }: Scope): string {
  const parts = ['registry', custom ? type.group : '', type.resource, namespace, name];
  return `/${parts.filter((part) => part !== '').join('/')}`;
}

interface Update {
  readonly draft: ApiObject;
  readonly before: ApiObject;
  readonly stored: StoredObject;
}

async function prepareUpdate(
  scope: Scope,
  { draft, before, stored }: Update,
  options: UpdateOptions,
): Promise<ApiObject> {
  const { definition } = scope;
  const { strategy, type } = definition;
  const carried = (object: ApiObject): ApiObject =>
    keepOtherParts(scope, { ...object, metadata: carryMeta(object.metadata, before.metadata) }, before);
  const tracked = options.track ? trackFields(scope, before, carried(draft)) : draft;
  const { managedFields } = tracked.metadata;
  const managed = (object: ApiObject): ApiObject => withMeta(object, { managedFields });
  // Admission sees what was sent, at its place; what the endpoint may not change is put back afterwards.
  const sent = scope.namespace === '' ? draft : withMeta(draft, { namespace: scope.namespace });
  let after = managed(carried(await admit(scope, 'UPDATE', managed(sent), before, managed)));
  // As late as kube-apiserver does: webhooks that change have been asked about a write that comes to nothing.
  checkVersion(scope, draft, stored);
  after = strategy.prepare?.(after, before, moment(scope)) ?? after;
  if (scope.subresource !== 'binding') after = bumpGeneration(definition, after, before);
  if (options.validate !== false) {
    const faults = [
      ...updateFaults(after.metadata, before.metadata),
      ...scope.cluster.schemaFaults(definition, after, before),
      ...(strategy.faults?.(after, before, moment(scope)) ?? []),
    ];
    if (faults.length > 0) throw invalidObject(type.group, type.kind, scope.name, faults);
  }
  await admitLast(scope, 'UPDATE', after, before);
  return after;
}

/** The object's endpoint never changes status; the status endpoint changes nothing else (but managedFields). */
function keepOtherParts(scope: Scope, after: ApiObject, before: ApiObject): ApiObject {
  const { strategy, custom } = scope.definition;
  if (!strategy.hasStatus) return after;
  if (scope.subresource === 'status') {
    const { status: _old, ...rest } = before;
    const metadata = custom
      ? { ...before.metadata, managedFields: after.metadata.managedFields }
      : {
          ...before.metadata,
          managedFields: after.metadata.managedFields,
          ...pick(after, ['labels', 'annotations', 'finalizers', 'ownerReferences']),
        };
    const kept = { ...rest, metadata } as ApiObject;
    return after['status'] === undefined ? kept : { ...kept, status: after['status'] };
  }
  if (scope.subresource !== '') return keepPodParts(scope.subresource, after, before);
  const { status: _new, ...rest } = after;
  return (before['status'] === undefined ? rest : { ...rest, status: before['status'] }) as ApiObject;
}

function pick(object: ApiObject, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(keys.map((key) => [key, object.metadata[key]]));
}

function bumpGeneration({ strategy, custom }: ResourceDefinition, after: ApiObject, before: ApiObject): ApiObject {
  if (!strategy.tracksGeneration) return after;
  const bare = ({ metadata: _meta, apiVersion: _version, ...rest }: ApiObject): JsonObject => rest;
  const [now, then] = [bare(after), bare(before)].map((part) =>
    strategy.hasStatus || !custom ? { ...part, status: undefined } : part,
  );
  const generation = before.metadata.generation ?? 1;
  return withMeta(after, { generation: equalJson(now, then) ? generation : generation + 1 });
}

const sameBut = (object: ApiObject): ApiObject =>
  withMeta(object, {
    resourceVersion: undefined,
    managedFields: object.metadata.managedFields?.map((entry) => ({ ...entry, time: undefined })),
  });

async function swap(
  scope: Scope,
  stored: StoredObject,
  before: ApiObject,
  after: ApiObject,
): Promise<StoredObject | undefined> {
  const { definition, cluster, ctx } = scope;
  if (equalJson(sameBut(after), sameBut(before))) return stored;
  const kept = toStorage(after, definition);
  const index = indexOf(kept, definition);
  if (isDryRun(scope)) return pretended(stored.key, kept, index, stored.revision);
  if (isFinished(after)) return removeStored(scope, stored, after);
  const result = await cluster.store.write(ctx, {
    kind: 'put',
    key: stored.key,
    expected: stored.revision,
    encode: (revision) => fitting(kept, revision),
    index,
  });
  if (result.ok) return result.object;
  if (result.current === undefined) throw notFound(definition.type.group, definition.type.resource, scope.name);
  return undefined;
}

/** Deleted, nothing waits any more: the update ends it. */
export function isFinished(object: ApiObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = object.metadata;
  if (deletionTimestamp === undefined || deletionTimestamp === null) return false;
  if ((finalizers ?? []).length > 0) return false;
  const specFinalizers =
    object.kind === 'Namespace' ? (object['spec'] as { finalizers?: unknown[] } | undefined)?.finalizers : undefined;
  return (deletionGracePeriodSeconds ?? 0) === 0 && (specFinalizers ?? []).length === 0;
}

/** Removes a stored object; `last` is its final state. Undefined when it changed meanwhile. */
export async function removeStored(
  scope: Scope,
  stored: StoredObject,
  last: ApiObject,
): Promise<StoredObject | undefined> {
  const kept = toStorage(last, scope.definition);
  const encode = (revision: number): Uint8Array => encodeAt(kept, revision);
  if (isDryRun(scope)) return pretended(stored.key, kept, stored.index, stored.revision);
  const result = await scope.cluster.store.write(scope.ctx, {
    kind: 'delete',
    key: stored.key,
    expected: stored.revision,
    encode,
  });
  if (result.ok) return { ...stored, revision: result.revision, bytes: encode(result.revision) };
  if (result.current === undefined)
    throw notFound(scope.definition.type.group, scope.definition.type.resource, last.metadata.name ?? '');
  return undefined;
}
