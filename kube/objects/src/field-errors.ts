/** Causes of an Invalid answer, worded as apimachinery's util/validation/field does. */
import type { JsonValue } from './meta.ts';
import type { StatusCause } from './status.ts';

/** How Go prints the bad value: strings quoted, objects as JSON. */
function shown(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return 'null';
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'object')
    return JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? Number(inner) : inner));
  return String(value);
}

const withDetail = (text: string, detail: string): string => (detail === '' ? text : `${text}: ${detail}`);

/** `Invalid value: "x": must be …`. */
export function invalidValue(field: string, value: JsonValue | undefined, detail: string): StatusCause {
  return { reason: 'FieldValueInvalid', message: withDetail(`Invalid value: ${shown(value)}`, detail), field };
}

/** A value of the wrong type: the reason is FieldValueTypeInvalid, the words are those of `invalidValue`. */
export function typeInvalid(field: string, value: JsonValue | undefined, detail: string): StatusCause {
  return { reason: 'FieldValueTypeInvalid', message: withDetail(`Invalid value: ${shown(value)}`, detail), field };
}

/** `Required value: detail`. */
export function requiredValue(field: string, detail = ''): StatusCause {
  return { reason: 'FieldValueRequired', message: withDetail('Required value', detail), field };
}

/** `Duplicate value: "x"`. */
export function duplicateValue(field: string, value: JsonValue): StatusCause {
  return { reason: 'FieldValueDuplicate', message: `Duplicate value: ${shown(value)}`, field };
}

/** `Unsupported value: "x": supported values: "a", "b"`, in the order given. */
export function notSupported(field: string, value: JsonValue, supported: readonly string[]): StatusCause {
  const detail =
    supported.length === 0 ? '' : `supported values: ${supported.map((text) => JSON.stringify(text)).join(', ')}`;
  return { reason: 'FieldValueNotSupported', message: withDetail(`Unsupported value: ${shown(value)}`, detail), field };
}

/** `Forbidden: detail`. */
export function forbiddenValue(field: string, detail: string): StatusCause {
  return { reason: 'FieldValueForbidden', message: withDetail('Forbidden', detail), field };
}

/** `Too long: may not be more than 63 bytes`. */
export function tooLong(field: string, maxBytes: number): StatusCause {
  return { reason: 'FieldValueTooLong', message: `Too long: may not be more than ${maxBytes} bytes`, field };
}

/** `Too many: 5: must have at most 3 items`. */
export function tooMany(field: string, actual: number, most: number): StatusCause {
  return {
    reason: 'FieldValueTooMany',
    message: `Too many: ${actual}: must have at most ${most} ${most === 1 ? 'item' : 'items'}`,
    field,
  };
}
