/** JSON in and out without losing integers: those beyond 2^53 are bigint. */
import type { JsonValue } from './meta.ts';

/** Parses a body. Throws BadRequest for bad syntax, bad UTF-8 or a depth above `maxDepth`. */
export function parseJson(_bytes: Uint8Array, _options?: { readonly maxDepth?: number }): JsonValue {
  throw new Error('not built yet');
}

/** The text of a value; bigint is written as an integer. `undefined` members are left out. */
export function stringifyJson(_value: JsonValue): string {
  throw new Error('not built yet');
}

/** UTF-8 of `stringifyJson`. */
export function encodeJson(_value: JsonValue): Uint8Array {
  throw new Error('not built yet');
}
