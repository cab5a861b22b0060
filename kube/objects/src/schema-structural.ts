/** CRD schemas: reading into `Schema`. Whether one is structural at all is the question of structural-errors.ts. */
import { isObject } from './json-value.ts';
import { objectMetaSchema, typeMetaProperties } from './meta-schema.ts';
import type { JsonObject, JsonValue } from './meta.ts';
import { children, ownFacts } from './schema-read.ts';
import type { Schema } from './schema.ts';

const withMetadata = (schema: Schema): Schema => ({
  ...schema,
  properties: { ...typeMetaProperties, ...schema.properties, metadata: objectMetaSchema },
});

function read(node: JsonObject): Schema {
  const schema: Record<string, unknown> = ownFacts(node);
  for (const [key, child] of Object.entries(children(node, read))) schema[key] = child();
  const result = schema as unknown as Schema;
  return result.embeddedResource === true ? withMetadata(result) : result;
}

/** Reads an openAPIV3Schema; see `schemaFromCrd`. */
export function readStructural(json: unknown): Schema {
  const node = json as JsonValue | undefined;
  return withMetadata(isObject(node) ? read(node) : { type: 'object', preserveUnknownFields: true });
}
