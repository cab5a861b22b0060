/** Which fields a value has, and how two values differ (structured-merge-diff typed/tofieldset.go, compare.go). */
import { atomOf, deduced, indexItems, itemType, memberType, type Atom } from './field-atoms.ts';
import { FieldSet, fieldElement, type FieldPath, type PathElement } from './field-set.ts';
import { equalJson, isList, isObject } from './json-value.ts';
import type { JsonObject, JsonValue } from './meta.ts';
import type { Schema } from './schema.ts';

const listOf = (value: JsonValue | undefined): readonly JsonValue[] => (isList(value) ? value : []);
const mapOf = (value: JsonValue | undefined): JsonObject => (isObject(value) ? value : {});
const keysOf = (value: JsonObject): string[] => Object.keys(value).filter((key) => value[key] !== undefined);

/** Nothing to walk into: no items, no members. */
function isEmpty(value: JsonValue | undefined, atom: Atom): boolean {
  if (atom.kind === 'list') return !isList(value) || value.length === 0;
  return !isObject(value) || keysOf(value).length === 0;
}

function grouped(items: readonly [PathElement, JsonValue][]): Map<PathElement, JsonValue[]> {
  const groups = new Map<PathElement, JsonValue[]>();
  for (const [element, item] of items) {
    const group = groups.get(element);
    if (group === undefined) groups.set(element, [item]);
    else group.push(item);
  }
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

/** Where a comparison is: a chain to the root, made into a path only where something differs. */
interface Place {
  readonly above: Place | undefined;
  readonly name: string;
  /** A member's name, or already an element. */
  readonly isName: boolean;
}

function pathOf(place: Place | undefined): FieldPath {
  const path: PathElement[] = [];
  for (let at = place; at !== undefined; at = at.above) path.push(at.isName ? fieldElement(at.name) : at.name);
  return path.reverse();
}

const own = (side: JsonObject, name: string): Side => (Object.hasOwn(side, name) ? side[name] : undefined);

class Comparing implements Comparison {
  readonly added = new FieldSet();
  readonly modified = new FieldSet();
  readonly removed = new FieldSet();

  compare(left: Side, right: Side, schema: Schema, place: Place | undefined): void {
    // Most of an object is not touched by a write, and shared with what it was.
    if (left === right) return;
    const a = left === undefined ? undefined : atomOf(schema, left);
    const b = right === undefined ? undefined : atomOf(schema, right);
    // A value that changed its kind is compared as both.
    const changed = a !== undefined && b !== undefined && a.kind !== b.kind;
    if (changed) this.#visit(a, left, right, schema, place);
    const atom = b ?? a;
    if (atom === undefined || this.#visit(atom, left, right, schema, place)) return;
    if (left === undefined) this.added.insert(pathOf(place));
    else if (right === undefined) this.removed.insert(pathOf(place));
  }

  /** Whether the value was compared as a whole. */
  #visit(atom: Atom, left: Side, right: Side, schema: Schema, place: Place | undefined): boolean {
    if (atom.atomic || (isEmpty(left, atom) && isEmpty(right, atom))) {
      this.#leaf(left, right, place);
      return true;
    }
    if (atom.kind === 'list') this.#items(listOf(left), listOf(right), schema, place);
    else this.#members(mapOf(left), mapOf(right), schema, place);
    return false;
  }

  #leaf(left: Side, right: Side, place: Place | undefined): void {
    if (left === undefined) this.added.insert(pathOf(place));
    else if (right === undefined) this.removed.insert(pathOf(place));
    else if (!equalJson(left, right)) this.modified.insert(pathOf(place));
  }

  #member(left: Side, right: Side, schema: Schema, above: Place | undefined, name: string): void {
    if (left === right) return;
    this.compare(left, right, memberType(schema, name)?.schema ?? deduced, { above, name, isName: true });
  }

  #members(left: JsonObject, right: JsonObject, schema: Schema, place: Place | undefined): void {
    for (const name of Object.keys(left)) this.#member(left[name], own(right, name), schema, place, name);
    for (const name of Object.keys(right)) {
      if (own(left, name) === undefined) this.#member(undefined, right[name], schema, place, name);
    }
  }

  #items(left: readonly JsonValue[], right: readonly JsonValue[], schema: Schema, above: Place | undefined): void {
    const [before, after] = [grouped(indexItems(schema, left)), grouped(indexItems(schema, right))];
    for (const element of new Set([...before.keys(), ...after.keys()])) {
      const place = { above, name: element, isName: false };
      this.#group(before.get(element) ?? [], after.get(element) ?? [], itemType(schema), place);
    }
  }

  /** Items of one identity. Several of them are duplicates, which count as one value. */
  #group(before: readonly JsonValue[], after: readonly JsonValue[], schema: Schema, place: Place): void {
    if (before.length <= 1 && after.length <= 1) this.compare(before[0], after[0], schema, place);
    else if (before.length >= 2 && after.length >= 2) {
      if (!equalJson(before, after)) this.modified.insert(pathOf(place));
    } else if (before.length >= 2) {
      if (after.length > 0) this.compare(undefined, after[0], schema, place);
      this.removed.insert(pathOf(place));
    } else {
      if (before.length > 0) this.compare(before[0], undefined, schema, place);
      this.added.insert(pathOf(place));
    }
  }
}

/** What is added, modified and removed between two objects. */
export function compareFields(left: JsonObject, right: JsonObject, schema: Schema): Comparison {
  const comparing = new Comparing();
  comparing.compare(left, right, schema, undefined);
  return comparing;
}
