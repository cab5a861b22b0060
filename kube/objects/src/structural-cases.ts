/** Schemas that are not structural, for structural-errors.test.ts and validate.real.test.ts. */
import type { JsonObject } from './meta.ts';

const object = (properties: JsonObject, more: JsonObject = {}): JsonObject => ({ type: 'object', properties, ...more });

export const badSchemas: Readonly<Record<string, JsonObject>> = {
  'has no type at the root': { properties: { a: { type: 'string' } } },
  'is no object at the root': { type: 'string' },
  'has a field without a type': object({ a: { description: 'x' } }),
  'has a list without items': object({ a: { type: 'array' } }),
  'has items without a type': object({ a: { type: 'array', items: { description: 'x' } } }),
  'has a map value without a type': object({ a: { type: 'object', additionalProperties: { description: 'x' } } }),
  'says a type in allOf': object({ a: { type: 'string', allOf: [{ type: 'string' }] } }),
  'says things in anyOf': object({ a: { type: 'string', anyOf: [{ description: 'x' }, { nullable: true }] } }),
  'names a field in not alone': object(
    { a: { type: 'object' } },
    { not: { properties: { a: { properties: { b: { minLength: 1 } } } } } },
  ),
  'names items in oneOf alone': object(
    { a: { type: 'object' } },
    { oneOf: [{ properties: { c: { items: { minLength: 1 } } } }] },
  ),
  'has an embedded text': object({ a: { type: 'string', 'x-kubernetes-embedded-resource': true } }),
  'has an embedded resource of nothing': object({ a: { type: 'object', 'x-kubernetes-embedded-resource': true } }),
  'restricts metadata': object({ metadata: { type: 'object', properties: { labels: { type: 'object' } } } }),
  'has a kind that is no text': object({ kind: { type: 'integer' } }),
  'mixes int-or-string and unknown fields': object({
    a: { 'x-kubernetes-int-or-string': true, 'x-kubernetes-preserve-unknown-fields': true },
  }),
};
