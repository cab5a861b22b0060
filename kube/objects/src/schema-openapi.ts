/** Reads types of OpenAPI documents, following `$ref`s lazily: types like JSONSchemaProps contain themselves. */
import { isList, isObject, member, type Draft } from './json-value.ts';
import type { JsonObject, JsonValue } from './meta.ts';
import { children, ownFacts } from './schema-read.ts';
import type { Definitions, Schema } from './schema.ts';

/** The definition that a node points to by `$ref` or by an `allOf` of one `$ref`, as OpenAPI v3 of Kubernetes does. */
function reference(node: JsonObject): string | undefined {
  const direct = member(node, '$ref');
  if (typeof direct === 'string') return direct.slice(direct.lastIndexOf('/') + 1);
  const all = member(node, 'allOf');
  if (isList(all) && all.length === 1 && isObject(all[0])) return reference(all[0]);
  return undefined;
}

/** The generator writes Go's zero values of required fields as defaults; the API has no such default. */
function isGoZero(value: JsonValue | undefined): boolean {
  if (isObject(value)) return Object.keys(value).length === 0;
  return value === '' || value === 0 || value === false;
}

/** Carries a property's zero value from its parent, which knows what is required, to its own node. */
const zeroKey = 'x-zero';

/**
 * What Go writes for a property that nobody set: structs always, scalars and lists when they are required (they have no
 * omitempty then).
 */
function zeroOf(property: JsonObject, required: boolean): JsonValue | undefined {
  const fallback = member(property, 'default');
  if (isObject(fallback) && reference(property) !== undefined) return {};
  if (!required) return undefined;
  if (isGoZero(fallback)) return fallback;
  const isMap = member(property, 'additionalProperties') !== undefined;
  return member(property, 'type') === 'array' || isMap ? null : undefined;
}

function withZeros(node: JsonObject): JsonObject {
  const properties = member(node, 'properties');
  if (!isObject(properties)) return node;
  const required = member(node, 'required');
  const marked: Draft = {};
  for (const [name, property] of Object.entries(properties)) {
    if (!isObject(property)) continue;
    const zero = zeroOf(property, isList(required) && required.includes(name));
    marked[name] = zero === undefined ? property : { ...property, [zeroKey]: zero };
  }
  return { ...node, properties: marked };
}

function siblings(node: JsonObject): Draft {
  const rest: Draft = { ...node };
  delete rest['$ref'];
  if (reference(node) !== undefined) delete rest['allOf'];
  if (isGoZero(rest['default'])) delete rest['default'];
  return rest;
}

const isIntOrString = (node: JsonObject): boolean => member(node, 'format') === 'int-or-string';

/** Quantity and the like: `oneOf` a string or a number. */
const isUnion = (node: JsonObject): boolean => isList(member(node, 'oneOf'));

/** Types without known members take anything: RawExtension, FieldsV1, JSON. */
function isFree(node: JsonObject): boolean {
  const type = member(node, 'type');
  if (type !== undefined && type !== 'object') return false;
  return !['properties', 'additionalProperties', 'items'].some((key) => member(node, key) !== undefined);
}

function factsOf(node: JsonObject): Draft {
  const facts: Draft = { ...ownFacts(node), native: true, nullable: true };
  const zero = member(node, zeroKey);
  if (zero !== undefined) facts['zero'] = zero;
  if (isIntOrString(node) || isUnion(node)) {
    // The Go types say what is allowed; here a scalar of either kind passes.
    delete facts['type'];
    if (isIntOrString(node)) facts['intOrString'] = true;
    return { ...facts, preserveUnknownFields: true };
  }
  return isFree(node) ? { ...facts, preserveUnknownFields: true } : facts;
}

/** The struct's name is the last part of the type's. */
const goName = (ref: string): JsonObject => ({ 'x-go-name': ref.slice(ref.lastIndexOf('.') + 1) });

class Reader {
  readonly #definitions: Definitions;
  readonly #known = new Map<string, Schema>();

  constructor(definitions: Definitions) {
    this.#definitions = definitions;
  }

  definition(ref: string): Schema {
    const known = this.#known.get(ref);
    if (known !== undefined) return known;
    const node = Object.hasOwn(this.#definitions, ref) ? this.#definitions[ref] : undefined;
    if (node === undefined) throw new Error(`the OpenAPI definitions have no type ${ref}`);
    const schema = this.#build({ ...node, ...goName(ref) });
    const named: Schema = ref.endsWith('.resource.Quantity') ? { ...schema, format: 'quantity' } : schema;
    this.#known.set(ref, named);
    return named;
  }

  read = (node: JsonObject): Schema => {
    const ref = reference(node);
    if (ref === undefined) return this.#build(node);
    const rest = siblings(node);
    const facts = ownFacts(rest);
    delete facts['description'];
    if (Object.keys(facts).length === 0 && rest[zeroKey] === undefined) return this.definition(ref);
    const target = this.#definitions[ref];
    if (target === undefined) throw new Error(`the OpenAPI definitions have no type ${ref}`);
    const key = `${ref} ${JSON.stringify(rest)}`;
    const known = this.#known.get(key) ?? this.#build({ ...target, ...rest, ...goName(ref) });
    this.#known.set(key, known);
    return known;
  };

  /** Children are getters that turn into plain values on first use. */
  #build(node: JsonObject): Schema {
    const facts = factsOf(siblings(node));
    if (facts['preserveUnknownFields'] === true) return facts as unknown as Schema;
    const marked = withZeros(node);
    for (const [key, child] of Object.entries(children(marked, this.read))) {
      Object.defineProperty(facts, key, {
        enumerable: true,
        configurable: true,
        get: () => {
          const value = child() as JsonValue;
          Object.defineProperty(facts, key, { value, enumerable: true, configurable: true });
          return value;
        },
      });
    }
    return facts as unknown as Schema;
  }
}

const readers = new WeakMap<Definitions, Reader>();

export function readOpenApi(definitions: Definitions, ref: string): Schema {
  let reader = readers.get(definitions);
  if (reader === undefined) {
    reader = new Reader(definitions);
    readers.set(definitions, reader);
  }
  return reader.definition(ref);
}
