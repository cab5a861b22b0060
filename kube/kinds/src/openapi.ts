/** Writes the compact facts back as the OpenAPI v3 schemas that Kubernetes serves. */
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import type { Definitions } from '@polyanthus/kube-objects/schema';

type Descriptions = Readonly<Record<string, Readonly<Record<string, string>>>>;

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

interface Writing {
  readonly definitions: Definitions;
  readonly descriptions: Descriptions;
  readonly pending: string[];
}

/** `$ref` with siblings goes into an `allOf`, because OpenAPI 3.0 ignores siblings of a `$ref`. */
function writeNode(node: JsonObject, writing: Writing): JsonObject {
  const result: Record<string, JsonValue | undefined> = {};
  for (const [key, value] of Object.entries(node)) {
    if (key === '$ref' && typeof value === 'string') {
      writing.pending.push(value);
      const target = { $ref: `#/components/schemas/${value}` };
      if (Object.keys(node).length === 1) return target;
      result['allOf'] = [target];
    } else if (isObject(value) && (key === 'items' || key === 'additionalProperties'))
      result[key] = writeNode(value, writing);
    else result[key] = value;
  }
  return result;
}

function writeType(name: string, writing: Writing): JsonObject {
  const node = writing.definitions[name] ?? {};
  const texts = writing.descriptions[name] ?? {};
  const own = writeNode(node, writing);
  const description = texts[''] === undefined || texts[''] === '' ? {} : { description: texts[''] };
  const { properties } = node;
  if (!isObject(properties)) return { ...description, ...own };
  const written = Object.entries(properties).map(([key, property]) => {
    const schema = isObject(property) ? property : {};
    const text = texts[key] ?? '';
    // Described first, so that a described `$ref` becomes an `allOf`.
    return [key, writeNode(text === '' ? schema : { description: text, ...schema }, writing)] as const;
  });
  return { ...description, ...own, properties: Object.fromEntries(written) };
}

/** The schemas of `names` and of every type that they reach. */
export function writeOpenApi(
  names: readonly string[],
  definitions: Definitions,
  descriptions: Descriptions,
): Record<string, JsonObject> {
  const writing: Writing = { definitions, descriptions, pending: [...names] };
  const written: Record<string, JsonObject> = {};
  for (let name = writing.pending.pop(); name !== undefined; name = writing.pending.pop()) {
    if (written[name] === undefined && definitions[name] !== undefined) written[name] = writeType(name, writing);
  }
  return written;
}
