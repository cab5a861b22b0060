/** Strategic merge patch of built-in kinds (apimachinery util/strategicpatch, as kube-apiserver applies it). */
import { goText } from './go-text.ts';
import { isList, isObject, member, setMember, type Draft } from './json-value.ts';
import type { JsonObject, JsonValue } from './meta.ts';
import type { Schema } from './schema.ts';
import { bareError, statusError, type StatusError } from './status-errors.ts';
import { orderLike, type Identity } from './strategic-order.ts';

const directive = '$patch';
const retainKeys = '$retainKeys';
const deletePrefix = '$deleteFromPrimitiveList/';
const orderPrefix = '$setElementOrder/';

const refuse = (why: string): StatusError => statusError('BadRequest', why);
const badOrder = (): StatusError => refuse('invalid patch format of setElementOrder list');
const badRetainKeys = (): StatusError => refuse('invalid patch format of retainKeys');
const noMergeKey = (item: JsonValue, key: string): StatusError =>
  bareError(`map: ${goText(item)} does not contain declared merge key: ${key}`);

/** The type of a field, where it is known. */
function fieldSchema(schema: Schema | undefined, key: string): Schema | undefined {
  const { properties, additionalProperties } = schema ?? {};
  if (properties !== undefined && Object.hasOwn(properties, key)) return properties[key];
  return typeof additionalProperties === 'object' ? additionalProperties : undefined;
}

const strategyOf = (schema: Schema | undefined): string | undefined =>
  schema?.patchStrategy?.find((strategy) => strategy !== 'retainKeys');

const isDirective = (key: string): boolean =>
  key === retainKeys || key.startsWith(deletePrefix) || key.startsWith(orderPrefix);

/** A value that is new to the document: nulls and directives say nothing there. Undefined when it is a directive itself. */
function withoutDirectives(value: JsonValue): JsonValue | undefined {
  if (isList(value)) return value.map(withoutDirectives).filter((item) => item !== undefined);
  if (!isObject(value)) return value;
  if (member(value, directive) !== undefined) return undefined;
  const kept: Draft = {};
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined || item === null || isDirective(key)) continue;
    const inner = withoutDirectives(item);
    if (inner !== undefined) setMember(kept, key, inner);
  }
  return kept;
}

function put(draft: Draft, key: string, value: JsonValue | undefined): void {
  if (value === undefined) delete draft[key];
  else setMember(draft, key, value);
}

/** Elements must all be maps or all be scalars. Tells whether they are maps. */
function elementsAreMaps(...lists: readonly (readonly JsonValue[])[]): boolean {
  const all = lists.flat();
  if (all.some(isList)) {
    throw statusError('Invalid', 'the server rejected our request due to an error in our request', {
      causes: [{ message: 'lists of lists are not supported' }],
    });
  }
  const maps = all.filter(isObject).length;
  if (maps !== 0 && maps !== all.length) throw bareError(`list element types are not identical: ${goText(lists)}`);
  return maps > 0;
}

const identityOf =
  (mergeKey: string | undefined): Identity =>
  (item) =>
    mergeKey === undefined || !isObject(item) ? item : member(item, mergeKey);

/** `$patch` items of a list: deletes are done on `original`, replace empties it. */
function applyListDirectives(
  original: readonly JsonValue[],
  patch: readonly JsonObject[],
  mergeKey: string,
): JsonValue[] {
  let rest = [...original];
  let replace = false;
  for (const item of patch) {
    const kind = member(item, directive);
    if (kind === undefined) continue;
    if (kind === 'delete') {
      const value = member(item, mergeKey);
      if (value === undefined) throw noMergeKey(item, mergeKey);
      rest = rest.filter((other) => !isObject(other) || member(other, mergeKey) !== value);
    } else if (kind === 'replace') replace = true;
    else if (kind === 'merge') throw bareError('merging lists cannot yet be specified in the patch');
    else throw bareError(`unknown patch type: ${String(kind)} in map: ${goText(item)}`);
  }
  return replace ? [] : rest;
}

function mergeMaps(
  original: readonly JsonValue[],
  patch: readonly JsonObject[],
  schema: Schema | undefined,
): JsonValue[] {
  const mergeKey = schema?.patchMergeKey;
  if (mergeKey === undefined) throw bareError('cannot merge lists without merge key');
  const start = applyListDirectives(original, patch, mergeKey);
  const plain = patch.filter((item) => member(item, directive) === undefined);
  const merged = [...start];
  for (const item of plain) {
    const value = member(item, mergeKey);
    if (value === undefined) throw noMergeKey(item, mergeKey);
    const index = merged.findIndex((other) => isObject(other) && member(other, mergeKey) === value);
    const before = merged[index];
    if (isObject(before)) merged[index] = mergeObject(before, item, schema?.items);
    else merged.push(withoutDirectives(item) ?? {});
  }
  return orderLike(merged, plain, start, identityOf(mergeKey));
}

function mergeList(
  original: readonly JsonValue[],
  patch: readonly JsonValue[],
  schema: Schema | undefined,
): readonly JsonValue[] {
  if (original.length === 0 && patch.length === 0) return original;
  if (elementsAreMaps(original, patch)) return mergeMaps(original, patch.filter(isObject), schema);
  const merged = [...new Set([...original, ...patch])];
  return orderLike(merged, patch, original, identityOf(undefined));
}

function mergeField(
  original: JsonValue | undefined,
  patch: JsonValue,
  schema: Schema | undefined,
): JsonValue | undefined {
  if (isObject(original) && isObject(patch)) {
    return strategyOf(schema) === 'replace' ? patch : mergeObject(original, patch, schema);
  }
  if (isList(original) && isList(patch) && strategyOf(schema) === 'merge') return mergeList(original, patch, schema);
  return withoutDirectives(patch);
}

/** The patch's items must come in the order that `$setElementOrder` gives. */
function checkOrder(patch: readonly JsonValue[], order: readonly JsonValue[], identity: Identity): void {
  if (order.length === 0) return;
  const plain = patch.filter((item) => !isObject(item) || member(item, directive) === undefined);
  let at = 0;
  for (const item of order) {
    const next = plain[at];
    if (next !== undefined && identity(next) === identity(item)) at += 1;
  }
  if (at < plain.length) {
    const lists = [goText(patch), '$setElementOrder', goText(order)] as const;
    throw bareError(`The order in patch list:\n${lists[0]}\n doesn't match ${lists[1]} list:\n${lists[2]}\n`);
  }
}

function listOrNone(value: JsonValue | undefined): readonly JsonValue[] | undefined {
  if (value !== undefined && value !== null && !isList(value)) throw badOrder();
  return value ?? undefined;
}

/** Merges the lists that have a `$setElementOrder`, and returns their keys. */
function mergeOrdered(draft: Draft, patch: JsonObject, schema: Schema | undefined): Set<string> {
  const done = new Set<string>();
  for (const [directiveKey, order] of Object.entries(patch)) {
    if (!directiveKey.startsWith(orderPrefix)) continue;
    if (!isList(order)) throw badOrder();
    const key = directiveKey.slice(orderPrefix.length);
    const field = fieldSchema(schema, key);
    const identity = identityOf(field?.patchMergeKey);
    const before = listOrNone(member(draft, key));
    const change = listOrNone(member(patch, key));
    if (before === undefined && change === undefined) continue;
    if (change !== undefined) checkOrder(change, order, identity);
    const merged = change === undefined ? before : mergeField(before, change, field);
    if (isList(merged)) setMember(draft, key, orderLike(merged, order, before ?? [], identity));
    // An explicit null still deletes the list below.
    if (member(patch, key) !== null) done.add(key);
  }
  return done;
}

function applyRetainKeys(draft: Draft, patch: JsonObject): void {
  const keep = member(patch, retainKeys);
  if (keep === undefined) return;
  if (!isList(keep)) throw badRetainKeys();
  for (const [key, value] of Object.entries(patch)) {
    if (value !== null && value !== undefined && !isDirective(key) && !keep.includes(key)) throw badRetainKeys();
  }
  for (const key of Object.keys(draft)) if (!keep.includes(key)) delete draft[key];
}

function deleteFromList(draft: Draft, key: string, gone: JsonValue): void {
  if (!isList(gone)) throw refuse('invalid patch format of primitive list');
  const list = member(draft, key);
  if (isList(list))
    setMember(
      draft,
      key,
      list.filter((item) => !gone.includes(item)),
    );
}

function mergeObject(original: JsonObject, patch: JsonObject, schema: Schema | undefined): JsonObject {
  const kind = member(patch, directive);
  if (kind === 'delete') return {};
  if (kind === 'replace') {
    const replaced: Draft = { ...patch };
    delete replaced[directive];
    return (withoutDirectives(replaced as JsonObject) ?? {}) as JsonObject;
  }
  if (kind !== undefined) throw bareError(`unknown patch type: ${String(kind)} in map: ${goText(patch)}`);
  const draft: Draft = { ...original };
  applyRetainKeys(draft, patch);
  const done = mergeOrdered(draft, patch, schema);
  for (const [key, value] of Object.entries(patch)) {
    if (value === undefined || done.has(key) || key === retainKeys || key.startsWith(orderPrefix)) continue;
    if (key.startsWith(deletePrefix)) deleteFromList(draft, key.slice(deletePrefix.length), value);
    else if (value === null) delete draft[key];
    else put(draft, key, mergeField(member(draft, key), value, fieldSchema(schema, key)));
  }
  return draft;
}

/**
 * `doc` with `patch` merged in by the merge keys and strategies of `schema`: `$patch` (replace, delete, merge),
 * `$retainKeys`, `$deleteFromPrimitiveList/…`, `$setElementOrder/…`; null deletes. Neither argument is changed.
 * Throws BadRequest for
 * directives that are not well formed, Invalid for lists of lists, and (code 500, as kube-apiserver) an error without reason
 * for the other faults of a patch.
 */
export function applyStrategicPatch(doc: JsonObject, patch: JsonObject, schema: Schema): JsonObject {
  return mergeObject(doc, patch, schema);
}
