/** The subset of kubectl's JSONPath that columns and selectable fields use: `.spec.a`, `.items[0].b`, `.conditions[?(@.type=="Ready")].status`, `[*]`. */
import type { JsonValue } from './meta.ts';

export interface JsonPath {
  readonly text: string;
  /** All values found, in order. */
  find(value: JsonValue): JsonValue[];
}

/** Parses a path, with or without braces and the leading dot. Throws BadRequest. */
export function parseJsonPath(_text: string): JsonPath {
  throw new Error('not built yet');
}
