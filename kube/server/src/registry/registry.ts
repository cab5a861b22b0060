/** The resources that a logical cluster serves: the shared built-in ones and its own custom ones. */
import { createHash } from 'node:crypto';
import type { ResourceDefinition } from './definition.ts';

const keyOf = (group: string, version: string, resource: string): string => `${group}/${version}/${resource}`;

/** A copy-on-write view: built-in definitions are shared, custom ones belong to the cluster. */
export class Registry {
  readonly #builtin: ReadonlyMap<string, ResourceDefinition>;
  readonly #custom = new Map<string, ResourceDefinition>();
  #fingerprint: string | undefined;

  constructor(builtin: ReadonlyMap<string, ResourceDefinition>) {
    this.#builtin = builtin;
  }

  /** Hash of the custom kinds: registries that serve the same have the same, so that they share discovery and OpenAPI. */
  get fingerprint(): string {
    if (this.#fingerprint === undefined) {
      const hash = createHash('sha256');
      for (const [key, definition] of [...this.#custom].toSorted(([a], [b]) => (a < b ? -1 : 1)))
        hash.update(`${key}\n${hashOf(definition)}\n`);
      this.#fingerprint = hash.digest('base64');
    }
    return this.#fingerprint;
  }

  /** One that serves the same until one of both changes. */
  clone(): Registry {
    const copy = new Registry(this.#builtin);
    for (const [key, definition] of this.#custom) copy.#custom.set(key, definition);
    copy.#fingerprint = this.#fingerprint;
    return copy;
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
    this.#fingerprint = undefined;
  }
}

const hashes = new WeakMap<ResourceDefinition, string>();

/** Of everything that documents show of a custom kind. */
function hashOf(definition: ResourceDefinition): string {
  const known = hashes.get(definition);
  if (known !== undefined) return known;
  const { schema: _schema, strategy: _strategy, conversion: _conversion, subresources, ...shown } = definition;
  const text = JSON.stringify({ ...shown, subresources: [...subresources.values()] });
  const hash = createHash('sha256').update(text).digest('base64');
  hashes.set(definition, hash);
  return hash;
}

/** Indexes definitions for `Registry`. */
export function indexDefinitions(definitions: readonly ResourceDefinition[]): ReadonlyMap<string, ResourceDefinition> {
  return new Map(definitions.map((one) => [keyOf(one.type.group, one.type.version, one.type.resource), one]));
}
