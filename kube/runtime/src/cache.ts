/** The objects that an informer knows, with indexes. */
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { keyOf } from './keys.ts';

/** The values under which an object is found in an index. */
export type IndexFunction<T> = (object: T) => readonly string[];
/** Index functions by name. */
export type Indexes<T> = Readonly<Record<string, IndexFunction<T>>>;

/** Objects by key and by index value. Bounded by what the API server holds for the selector. */
export class ObjectCache<T extends KubeObject> {
  readonly #objects = new Map<string, T>();
  readonly #indexes: Indexes<T>;
  readonly #buckets = new Map<string, Map<string, Set<string>>>();

  constructor(indexes: Indexes<T>) {
    this.#indexes = indexes;
    for (const name of Object.keys(indexes)) this.#buckets.set(name, new Map());
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(): readonly T[] {
    return [...this.#objects.values()];
  }

  keys(): readonly string[] {
    return [...this.#objects.keys()];
  }

  /** Throws when no such index was declared: a programmer error. */
  byIndex(name: string, value: string): readonly T[] {
    const buckets = this.#buckets.get(name);
    if (buckets === undefined) throw new Error(`no index "${name}" was declared for this informer`);
    const found: T[] = [];
    for (const key of buckets.get(value) ?? []) {
      const object = this.#objects.get(key);
      if (object !== undefined) found.push(object);
    }
    return found;
  }

  put(object: T): void {
    const key = keyOf(object);
    const previous = this.#objects.get(key);
    this.#objects.set(key, object);
    for (const [name, valuesOf] of Object.entries(this.#indexes)) {
      const buckets = this.#buckets.get(name);
      const values = valuesOf(object);
      if (previous !== undefined) {
        // Most changes of an object leave it where it is found.
        const before = valuesOf(previous);
        if (before.length === values.length && before.every((value, at) => value === values[at])) continue;
        unindex(buckets, key, before);
      }
      for (const value of values) {
        const bucket = buckets?.get(value);
        if (bucket === undefined) buckets?.set(value, new Set([key]));
        else bucket.add(key);
      }
    }
  }

  remove(key: string): void {
    const previous = this.#objects.get(key);
    if (previous === undefined) return;
    this.#objects.delete(key);
    for (const [name, valuesOf] of Object.entries(this.#indexes))
      unindex(this.#buckets.get(name), key, valuesOf(previous));
  }
}

function unindex(buckets: Map<string, Set<string>> | undefined, key: string, values: readonly string[]): void {
  for (const value of values) {
    const bucket = buckets?.get(value);
    bucket?.delete(key);
    if (bucket?.size === 0) buckets?.delete(value);
  }
}
