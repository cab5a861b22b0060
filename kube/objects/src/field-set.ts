/**
 * Sets of field paths (structured-merge-diff fieldpath), as managedFields keep them in FieldsV1. An element of a path is
 * its FieldsV1 text: `f:name`, `k:{"name":"a"}` (item of a list map), `v:"x"` (item of a set), `i:0`.
 */
import { canonicalText, isObject, setMember, type Draft } from './json-value.ts';
import type { JsonObject, JsonValue } from './meta.ts';

export type PathElement = string;
export type FieldPath = readonly PathElement[];

interface Node {
  /** Whether the path that ends here is in the set. */
  readonly member: boolean;
  readonly below: FieldSet;
}

export const fieldElement = (name: string): PathElement => `f:${name}`;
export const keyElement = (key: JsonObject): PathElement => `k:${canonicalText(key)}`;
export const valueElement = (value: JsonValue): PathElement => `v:${canonicalText(value)}`;

const kinds = 'fkvi';

/** Fields first, then keys, values, indices; within one kind by text. */
function order(a: PathElement, b: PathElement): number {
  const byKind = kinds.indexOf(a[0] ?? '') - kinds.indexOf(b[0] ?? '');
  if (byKind !== 0) return byKind;
  if (a.startsWith('i:')) return Number(a.slice(2)) - Number(b.slice(2));
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The element in one spelling, or Error when it is none. */
function readElement(text: string): PathElement {
  if (text.length < 2 || text[1] !== ':' || !kinds.includes(text[0] ?? ' '))
    throw new Error(`unknown path element ${JSON.stringify(text)}`);
  if (text.startsWith('f:') || text.startsWith('i:')) return text;
  return `${text.slice(0, 2)}${canonicalText(JSON.parse(text.slice(2)) as JsonValue)}`;
}

const shown = (value: JsonValue | undefined): string =>
  typeof value === 'string' ? JSON.stringify(value) : canonicalText(value ?? null);

function elementText(element: PathElement): string {
  const rest = element.slice(2);
  if (element.startsWith('f:')) return `.${rest}`;
  if (element.startsWith('i:')) return `[${rest}]`;
  const value = JSON.parse(rest) as JsonValue;
  if (element.startsWith('v:')) return `[=${shown(value)}]`;
  const keys = isObject(value) ? Object.keys(value).toSorted() : [];
  return `[${keys.map((key) => `${key}=${shown(isObject(value) ? value[key] : null)}`).join(',')}]`;
}

/** `.spec.containers[name="a"].image`. */
export const pathText = (path: FieldPath): string => path.map(elementText).join('');

/** A set of paths. Methods never change it; only `insert` does, while it is built. */
export class FieldSet {
  readonly #nodes = new Map<PathElement, Node>();

  static of(...paths: readonly FieldPath[]): FieldSet {
    const set = new FieldSet();
    for (const path of paths) set.insert(path);
    return set;
  }

  /** Reads FieldsV1. Throws Error when it is not well formed. */
  static fromFieldsV1(fields: JsonObject): FieldSet {
    const set = new FieldSet();
    for (const [key, value] of Object.entries(fields)) {
      if (key === '.') continue;
      if (!isObject(value)) throw new Error(`${JSON.stringify(key)} must be an object`);
      const keys = Object.keys(value);
      set.#nodes.set(readElement(key), {
        member: keys.length === 0 || Object.hasOwn(value, '.'),
        below: FieldSet.fromFieldsV1(value),
      });
    }
    return set;
  }

  toFieldsV1(): JsonObject {
    const fields: Draft = {};
    for (const [element, { member: isMember, below }] of [...this.#nodes].toSorted(([a], [b]) => order(a, b))) {
      const inner = below.toFieldsV1();
      setMember(fields, element, isMember && !below.isEmpty() ? { '.': {}, ...inner } : inner);
    }
    return fields;
  }

  insert(path: FieldPath): void {
    this.#insertFrom(path, 0);
  }

  #insertFrom(path: FieldPath, index: number): void {
    const element = path[index];
    if (element === undefined) return;
    const last = index === path.length - 1;
    let node = this.#nodes.get(element);
    if (node === undefined || (last && !node.member)) {
      node = { member: last, below: node?.below ?? new FieldSet() };
      this.#nodes.set(element, node);
    }
    node.below.#insertFrom(path, index + 1);
  }

  isEmpty(): boolean {
    return this.#nodes.size === 0;
  }

  has(path: FieldPath): boolean {
    const [element, ...rest] = path;
    const node = element === undefined ? undefined : this.#nodes.get(element);
    return node !== undefined && (rest.length === 0 ? node.member : node.below.has(rest));
  }

  /** What is below one element, without it. */
  below(element: PathElement): FieldSet {
    return this.#nodes.get(element)?.below ?? new FieldSet();
  }

  /** All paths, sorted. */
  paths(): FieldPath[] {
    return [...this.#nodes]
      .toSorted(([a], [b]) => order(a, b))
      .flatMap(([element, { member: isMember, below }]) => [
        ...(isMember ? [[element]] : []),
        ...below.paths().map((path) => [element, ...path]),
      ]);
  }

  /** The elements that begin a path here, and whether they end one. */
  elements(): [PathElement, boolean][] {
    return [...this.#nodes].map(([element, node]) => [element, node.member]);
  }

  #put(element: PathElement, isMember: boolean, below: FieldSet): void {
    if (isMember || !below.isEmpty()) this.#nodes.set(element, { member: isMember, below });
  }

  union(other: FieldSet): FieldSet {
    const result = new FieldSet();
    for (const [element, node] of this.#nodes) {
      const theirs = other.#nodes.get(element);
      result.#put(
        element,
        node.member || theirs?.member === true,
        theirs === undefined ? node.below : node.below.union(theirs.below),
      );
    }
    for (const [element, node] of other.#nodes) if (!this.#nodes.has(element)) result.#nodes.set(element, node);
    return result;
  }

  intersection(other: FieldSet): FieldSet {
    const result = new FieldSet();
    for (const [element, node] of this.#nodes) {
      const theirs = other.#nodes.get(element);
      if (theirs !== undefined)
        result.#put(element, node.member && theirs.member, node.below.intersection(theirs.below));
    }
    return result;
  }

  /** Without exactly the paths of `other`; what is below them stays. */
  difference(other: FieldSet): FieldSet {
    const result = new FieldSet();
    for (const [element, node] of this.#nodes) {
      const theirs = other.#nodes.get(element);
      if (theirs === undefined) result.#nodes.set(element, node);
      else result.#put(element, node.member && !theirs.member, node.below.difference(theirs.below));
    }
    return result;
  }

  /** Without the paths of `other` and all below them. */
  without(other: FieldSet): FieldSet {
    const result = new FieldSet();
    for (const [element, node] of this.#nodes) {
      const theirs = other.#nodes.get(element);
      if (theirs === undefined) result.#nodes.set(element, node);
      else if (!theirs.member) result.#put(element, node.member, node.below.without(theirs.below));
    }
    return result;
  }

  /** The set with, for each element, `member` and `below` as `change` says. */
  map(
    change: (element: PathElement, isMember: boolean, below: FieldSet) => { member: boolean; below: FieldSet },
  ): FieldSet {
    const result = new FieldSet();
    for (const [element, node] of this.#nodes) {
      const next = change(element, node.member, node.below);
      result.#put(element, next.member, next.below);
    }
    return result;
  }
}

/** The name in a field element. */
export const fieldName = (element: PathElement): string | undefined =>
  element.startsWith('f:') ? element.slice(2) : undefined;
