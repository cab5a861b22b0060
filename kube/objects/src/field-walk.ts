/** Which fields a value has, and how two values differ (structured-merge-diff typed/tofieldset.go, compare.go). */
import { atomOf, deduced, indexItems, itemType, memberType } from './field-atoms.ts';
import { FieldSet, fieldElement, type FieldPath, type PathElement } from './field-set.ts';
import { equalJson, isList, isObject } from './json-value.ts';
import type { JsonObject, JsonValue } from './meta.ts';
import type { Schema } from './schema.ts';

const listOf = (value: JsonValue | undefined): readonly JsonValue[] => (isList(value) ? value : []);
const mapOf = (value: JsonValue | undefined): JsonObject => (isObject(value) ? value : {});
const keysOf = (value: JsonObject): string[] => Object.keys(value).filter((key) => value[key] !== undefined);

function grouped(items: readonly [PathElement, JsonValue][]): Map<PathElement, JsonValue[]> {
  const groups = new Map<PathElement, JsonValue[]>();
  for (const [element, item] of items) groups.set(element, [...(groups.get(element) ?? []), item]);
  return groups;
}

function collect(value: JsonValue, schema: Schema, path: FieldPath, set: FieldSet): void {
  const atom = atomOf(schema, value);
  if (atom.atomic) {
    set.insert(path);
    return;
  }
  if (atom.kind === 'list') {
    for (const [element, items] of grouped(indexItems(schema, listOf(value)))) {
      const [first] = items;
      // Of duplicates only the item itself is owned: nobody can say which of them a field would belong to.
      if (items.length === 1 && first !== undefined) collect(first, itemType(schema), [...path, element], set);
      set.insert([...path, element]);
    }
    return;
  }
  for (const [name, item] of Object.entries(mapOf(value))) {
    if (item === undefined) continue;
    const type = memberType(schema, name);
    const inside = [...path, fieldElement(name)];
    collect(item, type?.schema ?? deduced, inside, set);
    const nothing = item === null || (isObject(item) && keysOf(item).length === 0);
    if (nothing || type?.declared !== true) set.insert(inside);
  }
}

/** The fields that a value sets. */
export function fieldsOf(value: JsonObject, schema: Schema): FieldSet {
  const set = new FieldSet();
  collect(value, schema, [], set);
  return set;
}

export interface Comparison {
  readonly added: FieldSet;
  readonly modified: FieldSet;
  readonly removed: FieldSet;
}

type Side = JsonValue | undefined;

class Comparing implements Comparison {
  readonly added = new FieldSet();
  readonly modified = new FieldSet();
  readonly removed = new FieldSet();

  compare(left: Side, right: Side, schema: Schema, path: FieldPath): void {
    const a = left === undefined ? undefined : atomOf(schema, left);
    const b = right === undefined ? undefined : atomOf(schema, right);
    // A value that changed its kind is compared as both.
    const atoms = a === undefined || b === undefined || a.kind === b.kind ? [b ?? a] : [a, b];
    let leaf = false;
    for (const atom of atoms) {
      if (atom === undefined) continue;
      leaf = this.#visit(atom, left, right, schema, path);
    }
    if (leaf) return;
    if (left === undefined) this.added.insert(path);
    else if (right === undefined) this.removed.insert(path);
  }

  /** Whether the value was compared as a whole. */
  #visit(
    atom: { readonly kind: string; readonly atomic: boolean },
    left: Side,
    right: Side,
    schema: Schema,
    path: FieldPath,
  ): boolean {
    const list = atom.kind === 'list';
    const empty = list
      ? listOf(left).length === 0 && listOf(right).length === 0
      : keysOf(mapOf(left)).length === 0 && keysOf(mapOf(right)).length === 0;
    if (atom.atomic || empty) {
      this.#leaf(left, right, path);
      return true;
    }
    if (list) this.#items(listOf(left), listOf(right), schema, path);
    else this.#members(mapOf(left), mapOf(right), schema, path);
    return false;
  }

  #leaf(left: Side, right: Side, path: FieldPath): void {
    if (left === undefined) this.added.insert(path);
    else if (right === undefined) this.removed.insert(path);
    else if (!equalJson(left, right)) this.modified.insert(path);
  }

  #members(left: JsonObject, right: JsonObject, schema: Schema, path: FieldPath): void {
    for (const name of new Set([...keysOf(left), ...keysOf(right)])) {
      const own = (side: JsonObject): Side => (Object.hasOwn(side, name) ? side[name] : undefined);
      this.compare(own(left), own(right), memberType(schema, name)?.schema ?? deduced, [...path, fieldElement(name)]);
    }
  }

  #items(left: readonly JsonValue[], right: readonly JsonValue[], schema: Schema, path: FieldPath): void {
    const [before, after] = [grouped(indexItems(schema, left)), grouped(indexItems(schema, right))];
    for (const element of new Set([...before.keys(), ...after.keys()])) {
      this.#group(before.get(element) ?? [], after.get(element) ?? [], itemType(schema), [...path, element]);
    }
  }

  /** Items of one identity. Several of them are duplicates, which count as one value. */
  #group(before: readonly JsonValue[], after: readonly JsonValue[], schema: Schema, path: FieldPath): void {
    if (before.length <= 1 && after.length <= 1) this.compare(before[0], after[0], schema, path);
    else if (before.length >= 2 && after.length >= 2) {
      if (!equalJson(before, after)) this.modified.insert(path);
    } else if (before.length >= 2) {
      if (after.length > 0) this.compare(undefined, after[0], schema, path);
      this.removed.insert(path);
    } else {
      if (before.length > 0) this.compare(before[0], undefined, schema, path);
      this.added.insert(path);
    }
  }
}

/** What is added, modified and removed between two objects. */
export function compareFields(left: JsonObject, right: JsonObject, schema: Schema): Comparison {
  const comparing = new Comparing();
  comparing.compare(left, right, schema, []);
  return comparing;
}
