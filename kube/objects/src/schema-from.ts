/** Schemas from what the API serves and takes. */
import { readOpenApi } from './schema-openapi.ts';
import { readStructural } from './schema-structural.ts';
import type { Definitions, Schema } from './schema.ts';

/**
 * Reads `spec.versions[].schema.openAPIV3Schema` of a CRD. It does not refuse anything:
 * `structuralErrors` (structural-errors.ts) does, before.
 * An absent schema is an object that keeps unknown fields. `apiVersion`, `kind`, `metadata` of the root are added.
 */
export function schemaFromCrd(json: unknown): Schema {
  return readStructural(json);
}

/**
 * The type `ref` of OpenAPI definitions, read lazily: `$ref`s are followed on first use, once each, so that recursive
 * types (JSONSchemaProps) are fine. Throws Error when `ref` is not among the definitions.
 */
export function schemaFromOpenApi(definitions: Definitions, ref: string): Schema {
  return readOpenApi(definitions, ref);
}
