/** Server-side apply and the tracking of who set which field (structured-merge-diff merge, apimachinery managedfields). */
import { compareFields, fieldsOf, type Comparison } from './field-walk.ts';
import { FieldSet, fieldElement, pathText } from './field-set.ts';
import { mergeObjects, removeFields, withParents } from './field-merge.ts';
import { equalJson, isObject, member } from './json-value.ts';
import { forgivenByLastApplied, withLastApplied } from './last-applied.ts';
import {
  identity,
  managedFieldsOf,
  readManagers,
  withEntries,
  writeManagers,
  type Manager,
  type Managers,
} from './managed-entries.ts';
import type { JsonObject, JsonValue } from './meta.ts';
import { zeroObject } from './native.ts';
import type { Schema } from './schema.ts';
import { bareError, statusError, type StatusError } from './status-errors.ts';
import { typedFaults } from './typed-faults.ts';

interface ManagedWrite {
  readonly schema: Schema;
  /** The field manager's name, at most 128 printable characters. */
  readonly manager: string;
  /** RFC 3339 of this write, whole seconds. */
  readonly now: string;
  /** Of the endpoint that is written: `apps/v1`. */
  readonly apiVersion: string;
  /** `status`, `scale`…; absent for the object itself. */
  readonly subresource?: string | undefined;
  /** Fields that this endpoint never changes, so nobody comes to own them: `[['status']]` or `[['spec'], ['metadata']]`. */
  readonly resetFields?: readonly (readonly string[])[] | undefined;
}

export interface ApplyOptions extends ManagedWrite {
  /** What is stored now, with its managedFields; absent when apply creates it. */
  readonly live: JsonObject | undefined;
  /** The applied configuration: only what the manager wants to own. */
  readonly config: JsonObject;
  readonly force: boolean;
}

export interface TrackOptions extends ManagedWrite {
  /** Absent on create. */
  readonly before: JsonObject | undefined;
  readonly after: JsonObject;
}

/** More updaters than these share one entry. */
const mostUpdaters = 10;
const oldUpdates = 'ancient-changes';
const firstApply = 'before-first-apply';

/** Fields that everybody sets and nobody owns. */
const stripped = FieldSet.of(
  ...['apiVersion', 'kind', 'metadata'].map((name) => [fieldElement(name)]),
  ...[
    'name',
    'namespace',
    'creationTimestamp',
    'selfLink',
    'uid',
    'clusterName',
    'generation',
    'managedFields',
    'resourceVersion',
  ].map((name) => ['metadata', name].map(fieldElement)),
);

const resetOf = (write: ManagedWrite): FieldSet =>
  FieldSet.of(...(write.resetFields ?? []).map((path) => path.map(fieldElement)));
const ownIdentity = (
  write: ManagedWrite,
  operation: Manager['operation'],
  manager = write.manager,
): Omit<Manager, 'fields' | 'time'> => ({
  manager: manager === '' ? 'unknown' : manager,
  operation,
  apiVersion: write.apiVersion,
  subresource: write.subresource ?? '',
});

interface Conflict {
  readonly manager: Manager;
  readonly path: string;
}

/** What a write takes from the others: fields that it changes (conflicts) and fields that it removes. */
function takeFrom(
  managers: Managers,
  self: string,
  change: Comparison,
): { readonly managers: Map<string, Manager>; readonly conflicts: Conflict[] } {
  const conflicts: Conflict[] = [];
  const rest = new Map<string, Manager>();
  const changed = change.modified.union(change.added);
  for (const [key, manager] of [...managers].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    if (key === self) {
      rest.set(key, manager);
      continue;
    }
    const lost = manager.fields.intersection(changed);
    for (const path of lost.paths()) conflicts.push({ manager, path: pathText(path) });
    const fields = manager.fields.difference(lost).difference(change.removed);
    if (!fields.isEmpty()) rest.set(key, { ...manager, fields });
  }
  return { managers: rest, conflicts };
}

function filtered(change: Comparison, reset: FieldSet): Comparison {
  return {
    added: change.added.without(reset),
    modified: change.modified.without(reset),
    removed: change.removed.without(reset),
  };
}

function managerText({ manager, operation, apiVersion, subresource }: Manager): string {
  const name = `${JSON.stringify(manager)}${subresource === '' ? '' : ` with subresource ${JSON.stringify(subresource)}`}`;
  return operation === 'Update' ? `${name} using ${apiVersion}` : name;
}

function conflictError(conflicts: readonly Conflict[]): StatusError {
  const causes = conflicts.map(({ manager, path }) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with ${managerText(manager)}`,
    field: path,
  }));
  const [first] = conflicts;
  if (conflicts.length === 1 && first !== undefined) {
    return statusError(
      'Conflict',
      `Apply failed with 1 conflict: conflict with ${managerText(first.manager)}: ${first.path}`,
      { causes },
    );
  }
  const lines: string[] = [];
  for (const manager of new Set(conflicts.map((conflict) => conflict.manager))) {
    lines.push(`conflicts with ${managerText(manager)}:`);
    for (const conflict of conflicts) if (conflict.manager === manager) lines.push(`- ${conflict.path}`);
  }
  return statusError('Conflict', `Apply failed with ${conflicts.length} conflicts: ${lines.join('\n')}`, { causes });
}

/** kube-apiserver answers a configuration that does not fit its type with a bare 500. */
function typeError(config: JsonObject, faults: readonly string[]): StatusError {
  const metadata = member(config, 'metadata');
  const of = (key: string): string => String((isObject(metadata) ? member(metadata, key) : undefined) ?? '');
  const apiVersion = String(member(config, 'apiVersion') ?? '');
  const version = apiVersion.includes('/') ? apiVersion : `/${apiVersion}`;
  const what = `${of('namespace')}/${of('name')}; ${version}, Kind=${String(member(config, 'kind') ?? '')}`;
  const list = faults.length === 1 ? faults[0] : ['errors:', ...faults.map((fault) => `  ${fault}`)].join('\n');
  return bareError(`failed to create typed patch object (${what}): ${list}`);
}

function checkConfig({ config, schema, apiVersion }: ApplyOptions): void {
  const given = String(member(config, 'apiVersion') ?? '');
  if (given !== apiVersion) {
    const version = given.includes('/') ? given : `/${given}`;
    throw statusError('BadRequest', `invalid object type: ${version}, Kind=${String(member(config, 'kind') ?? '')}`);
  }
  const metadata = member(config, 'metadata');
  const entries = isObject(metadata) ? member(metadata, 'managedFields') : undefined;
  if (entries !== undefined && entries !== null) throw statusError('BadRequest', 'metadata.managedFields must be nil');
  const faults = typedFaults(config, schema);
  if (faults.length > 0) throw typeError(config, faults);
}

/** Takes out of `merged` what the manager applied before and does not any more, unless somebody else owns it. */
function pruneOwned(merged: JsonObject, last: FieldSet, managers: Managers, schema: Schema): JsonObject {
  if (last.isEmpty()) return merged;
  const parents = (set: FieldSet): FieldSet => withParents(set, schema);
  const before = parents(last);
  const pruned = removeFields(merged, before, schema);
  let owned = new FieldSet();
  for (const manager of managers.values()) owned = owned.union(manager.fields);
  const all = parents(fieldsOf(merged, schema));
  const keep = parents(fieldsOf(pruned, schema)).union(parents(owned));
  const kept = removeFields(merged, all.difference(keep), schema);
  // Items that nobody owns but that were never this manager's stay.
  const gone = all.difference(parents(fieldsOf(kept, schema))).intersection(before);
  return removeFields(merged, gone, schema);
}

function existingManagers(options: ApplyOptions, live: JsonObject): Managers {
  const managers = readManagers(managedFieldsOf(options.live));
  if (managers.size > 0 || options.live === undefined) return managers;
  // What was there before the first apply belongs to one manager, so that it is not lost.
  const who = ownIdentity(options, 'Update', firstApply);
  const { added, modified } = filtered(
    compareFields(zeroObject(options.schema), live, options.schema),
    resetOf(options),
  );
  const fields = added.union(modified).difference(stripped);
  return fields.isEmpty() ? managers : new Map([[identity(who), { ...who, time: options.now, fields }]]);
}

function decoded(options: ApplyOptions, live: JsonObject): Managers {
  try {
    return existingManagers(options, live);
  } catch (error) {
    throw statusError(
      'InternalError',
      `failed to decode managed fields: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** The same entries but for their times: then the write changed nothing, and the old times stay. */
function sameButTimes(a: readonly JsonObject[], b: readonly JsonObject[]): boolean {
  const strip = ({ time: _time, ...rest }: JsonObject): string => JSON.stringify(rest);
  const key = (entries: readonly JsonObject[]): JsonValue => entries.map(strip).toSorted();
  return equalJson(key(a), key(b));
}

function finished(object: JsonObject, managers: Managers, live: JsonObject | undefined): JsonObject {
  const entries = writeManagers(managers);
  const before = managedFieldsOf(live) ?? [];
  const same =
    live !== undefined && sameButTimes(entries, before) && equalJson(withEntries(object, []), withEntries(live, []));
  return withEntries(object, same ? before : entries);
}

/**
 * The object after applying `config`, with managedFields. Throws Conflict with one cause a field that another manager
 * owns, BadRequest and (code 500, as kube-apiserver) an error without reason for a configuration that is not well formed.
 * Defaults of the kind are the caller's to fill in afterwards.
 */
export function applyConfiguration(options: ApplyOptions): JsonObject {
  const { schema, config } = options;
  checkConfig(options);
  const live = options.live === undefined ? {} : withEntries(options.live, []);
  const who = ownIdentity(options, 'Apply');
  const self = identity(who);
  const known = decoded(options, live);
  const last = known.get(self);
  const own = fieldsOf(config, schema).without(resetOf(options));
  const mine: Manager = { ...who, time: last?.time, fields: own };
  const managers = new Map(known).set(self, mine);
  const merged = pruneOwned(mergeObjects(live, config, schema), last?.fields ?? new FieldSet(), managers, schema);
  const change = filtered(compareFields(live, merged, schema), resetOf(options));
  const taken = takeFrom(managers, self, change);
  const conflicts = options.force ? [] : withoutForgiven(taken.conflicts, options, live);
  if (conflicts.length > 0) throw conflictError(conflicts);
  const fields = own.difference(stripped);
  if (fields.isEmpty()) taken.managers.delete(self);
  else taken.managers.set(self, { ...mine, fields, time: equalJson(live, merged) ? last?.time : options.now });
  const result = options.manager === 'kubectl' ? withLastApplied(merged, config) : merged;
  return finished(result, taken.managers, options.live);
}

/** For the manager `kubectl`, fields that client-side apply set and that nobody changed since are no conflicts, if these are all. */
function withoutForgiven(conflicts: readonly Conflict[], options: ApplyOptions, live: JsonObject): readonly Conflict[] {
  if (conflicts.length === 0 || options.manager !== 'kubectl') return conflicts;
  const forgiven = new Set(forgivenByLastApplied(live, options.schema, options.apiVersion).paths().map(pathText));
  return conflicts.filter((conflict) => !forgiven.has(conflict.path));
}

/** Too many updaters: the oldest of each version share one entry. */
function capped(managers: Map<string, Manager>): Map<string, Manager> {
  const updaters = [...managers].filter(([, manager]) => manager.operation === 'Update');
  let count = updaters.length;
  if (count <= mostUpdaters) return managers;
  updaters.sort(([a, left], [b, right]) =>
    (left.time ?? '') === (right.time ?? '') ? (a < b ? -1 : 1) : (left.time ?? '') < (right.time ?? '') ? -1 : 1,
  );
  const result = new Map(managers);
  const first = new Map<string, string>();
  for (const [key, manager] of updaters) {
    if (count <= mostUpdaters) break;
    const { apiVersion } = manager;
    const known = first.get(apiVersion);
    if (known === undefined) {
      first.set(apiVersion, key);
      continue;
    }
    const who = { manager: oldUpdates, operation: 'Update', apiVersion, subresource: '' } as const;
    const bucket = identity(who);
    const before = result.get(bucket) ?? result.get(known);
    result.delete(known);
    result.delete(key);
    result.set(bucket, {
      ...who,
      time: manager.time,
      fields: before === undefined ? manager.fields : before.fields.union(manager.fields),
    });
    count -= 1;
  }
  return result;
}

/** Whether the client asks to forget all managers: `[]` or `[{}]`. */
function isReset(entries: readonly JsonObject[] | undefined): boolean {
  const [first, second] = entries ?? [];
  return entries !== undefined && second === undefined && (first === undefined || Object.keys(first).length === 0);
}

/** The managers that a client sent, or else those of the object before. What cannot be read counts as nothing. */
function startingManagers({ before, after, subresource }: TrackOptions): Managers {
  const readable = (entries: readonly JsonObject[] | undefined): Managers => {
    try {
      return readManagers(entries);
    } catch {
      return new Map();
    }
  };
  const sent = managedFieldsOf(after);
  if (subresource === undefined && isReset(sent)) return new Map();
  const given = subresource === undefined ? readable(sent) : new Map<string, Manager>();
  return given.size > 0 ? given : readable(managedFieldsOf(before));
}

/** `after` with managedFields that say what this update changed. Objects that were never tracked stay untracked. */
export function trackUpdate(options: TrackOptions): JsonObject {
  const { before, after, schema } = options;
  const start = startingManagers(options);
  if (start.size === 0 && before !== undefined) return withEntries(after, []);
  const change = filtered(
    compareFields(withEntries(before ?? zeroObject(schema), []), withEntries(after, []), schema),
    resetOf(options),
  );
  const { managers } = takeFrom(start, '', change);
  const who = ownIdentity(options, 'Update');
  const self = identity(who);
  const fields = change.added.union(change.modified).difference(stripped);
  if (!fields.isEmpty()) {
    const previous = managers.get(self)?.fields ?? new FieldSet();
    managers.set(self, { ...who, time: options.now, fields: fields.union(previous) });
  }
  return finished(after, capped(managers), before);
}
