/** The resources that a logical cluster serves: the shared built-in ones and its own custom ones. */
import type { ResourceDefinition } from './definition.ts';

const keyOf = (group: string, version: string, resource: string): string => `${group}/${version}/${resource}`;

/** A copy-on-write view: built-in definitions are shared, custom ones belong to the cluster. */
export class Registry {
  readonly #builtin: ReadonlyMap<string, ResourceDefinition>;
  readonly #custom = new Map<string, ResourceDefinition>();
  #generation = 0;

  constructor(builtin: ReadonlyMap<string, ResourceDefinition>) {
    this.#builtin = builtin;
  }

  /** Grows with every change, so that discovery and OpenAPI documents can be cached by it. */
  get generation(): number {
    return this.#generation;
  }

  find(group: string, version: string, resource: string): ResourceDefinition | undefined {
    const key = keyOf(group, version, resource);
    return this.#builtin.get(key) ?? this.#custom.get(key);
  }

  /** Any served version of a resource. */
  findAny(group: string, resource: string): ResourceDefinition | undefined {
    return this.all().find(({ type }) => type.group === group && type.resource === resource);
  }

  /** Whether a built-in kind has this name. */
  isBuiltin(group: string, resource: string): boolean {
    return [...this.#builtin.values()].some(({ type }) => type.group === group && type.resource === resource);
  }

  /** Any served resource of a kind. */
  findKind(group: string, kind: string): ResourceDefinition | undefined {
    return this.all().find(({ type }) => type.group === group && type.kind === kind);
  }

  all(): readonly ResourceDefinition[] {
    return [...this.#builtin.values(), ...this.#custom.values()];
  }

  /** Replaces all versions of a custom resource; an empty list removes it. */
  setCustom(group: string, resource: string, definitions: readonly ResourceDefinition[]): void {
    for (const [key, { type }] of this.#custom)
      if (type.group === group && type.resource === resource) this.#custom.delete(key);
    for (const definition of definitions) {
      const { type } = definition;
      this.#custom.set(keyOf(type.group, type.version, type.resource), definition);
    }
    this.#generation += 1;
  }
}

/** Indexes definitions for `Registry`. */
export function indexDefinitions(definitions: readonly ResourceDefinition[]): ReadonlyMap<string, ResourceDefinition> {
  return new Map(definitions.map((one) => [keyOf(one.type.group, one.type.version, one.type.resource), one]));
}
