/** Validates a value by its type, worded as kube-apiserver does. */
import type { JsonValue } from './meta.ts';
import type { Schema } from './schema.ts';
import type { StatusCause } from './status.ts';

export interface ValidateOptions {
  /** Whether a user's pattern matches somewhere in the text (RE2). Absent: patterns are not checked. */
  readonly matches?: (pattern: string, text: string) => boolean;
  /** Path of the value itself; empty for a whole object. */
  readonly path?: string;
}

/** All faults of `value`. With `previous`, faults of parts that did not change are forgiven (validation ratcheting). */
export function validate(
  _value: JsonValue,
  _schema: Schema,
  _previous?: JsonValue,
  _options?: ValidateOptions,
): StatusCause[] {
  throw new Error('not built yet');
}
