/** Bounds of numbers (kube-openapi numberValidator). Exact for bigint. */
import { invalidValue } from './field-errors.ts';
import type { Schema } from './schema.ts';
import type { StatusCause } from './status.ts';

const widths: Readonly<Record<string, number>> = { int32: 32, int64: 64 };

function rangeFault(value: number | bigint, schema: Schema, path: string): StatusCause | undefined {
  if (schema.type !== 'integer') return undefined;
  const bits = widths[schema.format ?? ''];
  const whole = typeof value === 'bigint' || Number.isInteger(value);
  if (whole && BigInt.asIntN(bits ?? 64, BigInt(value)) === BigInt(value)) return undefined;
  const format = bits === undefined ? '(default format)' : `with format ${schema.format}`;
  return invalidValue('<nil>', '', `Checked value must be of type integer ${format} in ${path}`);
}

function isMultiple(value: number | bigint, factor: number): boolean {
  if (typeof value === 'bigint') return Number.isInteger(factor) && value % BigInt(factor) === 0n;
  const ratio = factor < 1 ? (1 / factor) * value : value / factor;
  return Math.abs(ratio - Math.round(ratio)) <= 1e-9 * Math.max(1, Math.abs(ratio));
}

export function numberFaults(value: number | bigint, schema: Schema, path: string): StatusCause[] {
  const faults: StatusCause[] = [];
  const add = (words: string): void => {
    faults.push(invalidValue(path, value, `${path} in body should be ${words}`));
  };
  const range = rangeFault(value, schema, path);
  if (range !== undefined) faults.push(range);
  const { multipleOf, minimum, maximum, exclusiveMinimum = false, exclusiveMaximum = false } = schema;
  // For an integer Go makes the factor an integer first.
  const whole = typeof value === 'bigint' || Number.isInteger(value);
  const factor = multipleOf !== undefined && whole && schema.type !== 'integer' ? Math.trunc(multipleOf) : multipleOf;
  if (factor !== undefined && factor <= 0) {
    faults.push(invalidValue(path, factor, `factor MultipleOf declared for ${path} must be positive: ${factor}`));
  } else if (factor !== undefined && !isMultiple(value, factor)) add(`a multiple of ${factor}`);
  if (minimum !== undefined && (value < minimum || (exclusiveMinimum && value <= minimum))) {
    add(`greater than ${exclusiveMinimum ? '' : 'or equal to '}${minimum}`);
  }
  if (maximum !== undefined && (value > maximum || (exclusiveMaximum && value >= maximum))) {
    add(`less than ${exclusiveMaximum ? '' : 'or equal to '}${maximum}`);
  }
  return faults;
}
