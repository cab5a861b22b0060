/**
 * What a plain scalar means to Kubernetes: sigs.k8s.io/yaml reads with go-yaml v2, that is YAML 1.1 for booleans and
 * octal numbers, no base 60, and timestamps stay strings (go.yaml.in/yaml/v2 resolve.go, decode.go).
 */

/** A scalar's value; `undefined` marks NaN and infinities, which JSON cannot carry. */
export type ScalarValue = null | boolean | number | bigint | string | undefined;

const named: ReadonlyMap<string, ScalarValue> = new Map<string, ScalarValue>([
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'].map((text) => [text, true] as const),
  ...['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'].map((text) => [text, false] as const),
  ...['', '~', 'null', 'Null', 'NULL'].map((text) => [text, null] as const),
  ...['.nan', '.NaN', '.NAN', '.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF', '-.inf', '-.Inf', '-.INF'].map(
    (text) => [text, undefined] as const,
  ),
]);

const integer = /^([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[oO]?([0-7]+)|0[bB]([01]+)|(0|[1-9][0-9]*))$/;
const float = /^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$/;
const int64Min = -(2n ** 63n);
const uint64Max = 2n ** 64n - 1n;

/** The value of a plain scalar without a tag. Integers beyond 2^53 are bigint, beyond 64 bits floats, as in Go. */
export function resolvePlain(text: string): ScalarValue {
  if (named.has(text)) return named.get(text);
  const first = text.charCodeAt(0);
  const numeric = (first >= 0x30 && first <= 0x39) || first === 0x2b || first === 0x2d || first === 0x2e;
  if (!numeric) return text;
  const plain = first === 0x2e ? text : text.replaceAll('_', '');
  const whole = first === 0x2e ? undefined : integerOf(plain);
  if (whole !== undefined) return whole;
  if (!float.test(plain)) return text;
  const value = Number(plain);
  // Go's ParseFloat refuses what overflows, and the scalar stays a string.
  return Number.isFinite(value) ? value : text;
}

/** Sexagesimals, dates and 1.2 octals: other readers of YAML take these for something else than a string. */
const otherReaders = /^[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?$|^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}|^0[oO]?[0-9]+$/;

/** Whether a string must be quoted to be read back as that string, by a YAML 1.1 or a 1.2 reader. */
export function isAmbiguous(text: string): boolean {
  return resolvePlain(text) !== text || otherReaders.test(text) || text === '<<' || text === '=';
}

/** A number as a key, from its text: integers in decimal, floats as Go formats a float32 (`%g`), by sigs.k8s.io/yaml. */
export function numberKey(text: string, value: number | bigint): string {
  if (typeof value === 'bigint' || integerOf(text.replaceAll('_', '')) !== undefined) return String(value);
  const single = Math.fround(value);
  if (!Number.isFinite(single)) return single > 0 ? '.inf' : '-.inf';
  let shortest = single.toExponential(8);
  for (let digits = 0; digits < 8; digits++) {
    const candidate = single.toExponential(digits);
    if (Math.fround(Number(candidate)) !== single) continue;
    shortest = candidate;
    break;
  }
  const [mantissa = '', exponent = '0'] = shortest.split('e');
  const power = Number(exponent);
  if (power >= -4 && power < goPrecision) return String(Number(shortest));
  return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}

/** Go's `%g` takes the exponent form from this power of ten on, when it chooses the shortest digits itself. */
const goPrecision = 6;

function integerOf(text: string): number | bigint | undefined {
  const match = integer.exec(text);
  if (match === null) return undefined;
  const [, sign, hex, octal, binary, decimal] = match;
  const digits =
    hex !== undefined
      ? `0x${hex}`
      : octal !== undefined
        ? `0o${octal}`
        : binary !== undefined
          ? `0b${binary}`
          : (decimal ?? '0');
  if (digits.length < 15) return (sign === '-' ? -1 : 1) * Number(digits) + 0;
  const value = sign === '-' ? -BigInt(digits) : BigInt(digits);
  if (value < int64Min || value > uint64Max) return undefined;
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}
