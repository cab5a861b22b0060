/** Merges an applied configuration into an object, and takes fields out (structured-merge-diff typed/merge.go, remove.go). */
import { atomOf, deduced, indexItems, itemElement, itemType, memberType } from './field-atoms.ts';
import { fieldElement, fieldName, type FieldSet, type PathElement } from './field-set.ts';
import { isList, isObject, member, setMember, type Draft } from './json-value.ts';
import type { JsonObject, JsonValue } from './meta.ts';
import type { Schema } from './schema.ts';

type Side = JsonValue | undefined;
const listOf = (value: Side): readonly JsonValue[] => (isList(value) ? value : []);
const mapOf = (value: Side): JsonObject => (isObject(value) ? value : {});
const isEmpty = (value: Side): boolean => (!isList(value) && !isObject(value) ? true : Object.keys(value).length === 0);

function mergeValue(left: Side, right: Side, schema: Schema): Side {
  const whole = right ?? left;
  if (whole === undefined) return undefined;
  const atom = atomOf(schema, right === undefined ? whole : right);
  if (atom.atomic || (isEmpty(left) && isEmpty(right))) return right === undefined ? left : right;
  if (atom.kind === 'map') return mergeMaps(mapOf(left), mapOf(right), schema);
  return mergeLists(listOf(left), listOf(right), schema);
}

function mergeMaps(left: JsonObject, right: JsonObject, schema: Schema): JsonObject {
  const result: Draft = {};
  for (const name of new Set([...Object.keys(left), ...Object.keys(right)])) {
    const type = memberType(schema, name)?.schema ?? deduced;
    const merged = mergeValue(member(left, name), member(right, name), type);
    if (merged !== undefined) setMember(result, name, merged);
  }
  return result;
}

/** By identity; undefined where duplicates make it unclear which item is meant. */
function byElement(items: readonly [PathElement, JsonValue][]): Map<PathElement, Side> {
  const found = new Map<PathElement, Side>();
  for (const [element, item] of items) found.set(element, found.has(element) ? undefined : item);
  return found;
}

/**
 * The order of two lists woven together: items that both have follow the right one, the left one's own keep their
 * place between them.
 */
class Weaving {
  readonly result: JsonValue[] = [];
  readonly #left: readonly [PathElement, JsonValue][];
  readonly #right: readonly [PathElement, JsonValue][];
  readonly #inLeft: Map<PathElement, Side>;
  readonly #inRight: Map<PathElement, Side>;
  readonly #merged = new Set<PathElement>();
  readonly #item: Schema;
  /** Shared items in the right one's order, the next to come first. */
  readonly #shared: PathElement[];

  constructor(left: readonly JsonValue[], right: readonly JsonValue[], schema: Schema) {
    this.#left = indexItems(schema, left);
    this.#right = indexItems(schema, right);
    this.#inLeft = byElement(this.#left);
    this.#inRight = byElement(this.#right);
    this.#item = itemType(schema);
    this.#shared = this.#right.map(([element]) => element).filter((element) => this.#inLeft.has(element));
  }

  #take(left: Side, right: Side): void {
    const merged = mergeValue(left, right, this.#item);
    if (merged !== undefined) this.result.push(merged);
  }

  #takeRight(element: PathElement): void {
    this.#merged.add(element);
    this.#take(this.#inLeft.get(element), this.#inRight.get(element));
    if (this.#shared[0] === element) this.#shared.shift();
  }

  /** Whether the left item is shared, but another one has to come first. */
  #waits(element: PathElement): boolean {
    const [next] = this.#shared;
    return next !== undefined && next !== element && this.#inRight.has(element);
  }

  weave(): JsonValue[] {
    let [l, r] = [0, 0];
    while (l < this.#left.length || r < this.#right.length) {
      const mine = this.#left[l];
      const theirs = this.#right[r]?.[0];
      if (mine !== undefined && theirs !== undefined) {
        if (mine[0] === theirs) {
          this.#takeRight(theirs);
          [l, r] = [l + 1, r + 1];
          continue;
        }
        if (this.#waits(mine[0])) {
          l += 1;
          continue;
        }
      }
      if (mine !== undefined && !this.#inRight.has(mine[0])) {
        this.#take(mine[1], undefined);
        l += 1;
        continue;
      }
      if (mine !== undefined && this.#merged.has(mine[0])) l += 1;
      if (theirs !== undefined) this.#takeRight(theirs);
      r += 1;
    }
    return this.result;
  }
}

function mergeLists(left: readonly JsonValue[], right: readonly JsonValue[], schema: Schema): JsonValue[] {
  return new Weaving(left, right, schema).weave();
}

/** `config` merged into `live`; neither is changed. */
export function mergeObjects(live: JsonObject, config: JsonObject, schema: Schema): JsonObject {
  return mergeMaps(live, config, schema);
}

/** An emptied list or map stays as an empty one: whoever owns it, if anybody, decides when it goes. */
function removeFrom(value: JsonValue, gone: FieldSet, schema: Schema): Side {
  const atom = atomOf(schema, value);
  if (atom.kind === 'scalar') return value;
  if (atom.atomic) return undefined;
  if (isList(value)) {
    const kept = value.flatMap((item) => {
      const found = itemElement(schema, item);
      if (!('element' in found)) return [item];
      if (gone.has([found.element])) return [];
      const below = gone.below(found.element);
      const rest = below.isEmpty() ? item : removeFrom(item, below, itemType(schema));
      return rest === undefined ? [] : [rest];
    });
    return kept;
  }
  if (!isObject(value)) return value;
  return removeMembers(value, gone, schema);
}

function removeMembers(value: JsonObject, gone: FieldSet, schema: Schema): JsonObject {
  const kept: Draft = {};
  for (const [name, item] of Object.entries(value)) {
    const element = fieldElement(name);
    if (item === undefined || gone.has([element])) continue;
    const below = gone.below(element);
    const rest = below.isEmpty() ? item : removeFrom(item, below, memberType(schema, name)?.schema ?? deduced);
    if (rest !== undefined) setMember(kept, name, rest);
  }
  return kept;
}

/** The object without the fields of a set. */
export const removeFields = (object: JsonObject, gone: FieldSet, schema: Schema): JsonObject =>
  removeMembers(object, gone, schema);

/** The set with the named fields on the way to its paths as members of their own, so that an emptied parent goes too. */
export function withParents(set: FieldSet, schema: Schema): FieldSet {
  return set.map((element, isMember, below) => {
    const name = fieldName(element);
    const type = name === undefined ? { schema: itemType(schema), declared: false } : memberType(schema, name);
    return { member: isMember || type?.declared === true, below: withParents(below, type?.schema ?? deduced) };
  });
}
