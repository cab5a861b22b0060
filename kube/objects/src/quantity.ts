/** resource.Quantity: exact numbers with suffixes (`500m`, `2Gi`, `1e3`). */

/** How it was written, and is written again: powers of ten, of two, or an exponent. */
export type QuantityFormat = 'DecimalSI' | 'BinarySI' | 'DecimalExponent';
/** One quantity as read (apimachinery resource.Quantity). */
export interface Quantity {
  /** The value in nanounits: the finest that Kubernetes keeps. */
  readonly nano: bigint;
  readonly format: QuantityFormat;
}

const nanoPerUnit = 1_000_000_000n;

/** Suffix to power of ten. */
const decimal: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
/** Suffix to power of 1024. */
const binary: Readonly<Record<string, number>> = { Ki: 1, Mi: 2, Gi: 3, Ti: 4, Pi: 5, Ei: 6 };

const pattern =
  /^(?<sign>[-+]?)(?<whole>\d*)(?:\.(?<fraction>\d*))?(?<suffix>[numkMGTPE]?|[KMGTPE]i|[eE][-+]?\d{1,3})$/;

const regexMessage = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/** The largest that Go keeps: 2^63-1 units. */
const most = (2n ** 63n - 1n) * nanoPerUnit;

function scaleOf(suffix: string): { format: QuantityFormat; tens: number; factor: bigint } {
  const power = binary[suffix];
  if (power !== undefined) return { format: 'BinarySI', tens: 0, factor: 1024n ** BigInt(power) };
  if (Object.hasOwn(decimal, suffix)) return { format: 'DecimalSI', tens: decimal[suffix] ?? 0, factor: 1n };
  return { format: 'DecimalExponent', tens: Number(suffix.slice(1)), factor: 1n };
}

/** Rounds away from zero, as Quantity does with what is finer than nano. */
function divideUp(value: bigint, by: bigint): bigint {
  return value % by === 0n ? value / by : value / by + 1n;
}

/** Throws Error with apimachinery's words when the text is no quantity. Finer than nano rounds up; above 2^63-1 is capped. */
export function parseQuantity(text: string | number | bigint): Quantity {
  const groups = pattern.exec(String(text))?.groups;
  const { sign, whole = '', fraction = '', suffix = '' } = groups ?? {};
  if (groups === undefined || (whole === '' && fraction === '')) throw new Error(regexMessage);
  const { format, tens, factor } = scaleOf(suffix);
  const digits = BigInt(`${whole}${fraction}`) * factor;
  const exponent = tens - fraction.length + 9;
  const size = exponent >= 0 ? digits * 10n ** BigInt(exponent) : divideUp(digits, 10n ** BigInt(-exponent));
  const capped = size > most ? most : size;
  return { nano: sign === '-' ? -capped : capped, format };
}

function decimalText(nano: bigint, format: QuantityFormat): string {
  // The largest power of a thousand that leaves a whole number.
  let power = -9;
  let rest = nano;
  while (power < 18 && rest % 1000n === 0n) {
    rest /= 1000n;
    power += 3;
  }
  if (format === 'DecimalExponent') return power === 0 ? rest.toString() : `${rest}e${power}`;
  const suffix = Object.keys(decimal).find((key) => decimal[key] === power) ?? '';
  return `${rest}${suffix}`;
}

function binaryText(units: bigint): string {
  let power = 0;
  let rest = units;
  while (power < 6 && rest % 1024n === 0n) {
    rest /= 1024n;
    power += 1;
  }
  const suffix = Object.keys(binary).find((key) => binary[key] === power) ?? '';
  return `${rest}${suffix}`;
}

/** Canonical text: `1Gi` for `1024Mi`, `1500m` for `1.5`. */
export function formatQuantity(quantity: Quantity): string {
  const { nano, format } = quantity;
  if (nano === 0n) return '0';
  const size = nano < 0n ? -nano : nano;
  const whole = size % nanoPerUnit === 0n;
  // Below 1024, or with a fraction, a binary quantity is written as a decimal one.
  if (format === 'BinarySI' && whole && size >= 1024n * nanoPerUnit)
    return `${nano < 0n ? '-' : ''}${binaryText(size / nanoPerUnit)}`;
  return `${nano < 0n ? '-' : ''}${decimalText(size, format === 'BinarySI' ? 'DecimalSI' : format)}`;
}

/** Negative, 0 or positive. */
export function compareQuantities(a: Quantity, b: Quantity): number {
  return a.nano < b.nano ? -1 : a.nano > b.nano ? 1 : 0;
}

/** The sum, in the format of `a` (of `b` when `a` is zero). */
export function addQuantities(a: Quantity, b: Quantity): Quantity {
  return { nano: a.nano + b.nano, format: a.nano === 0n ? b.format : a.format };
}

/** The difference, in the format of `a` (of `b` when `a` is zero). */
export function subtractQuantities(a: Quantity, b: Quantity): Quantity {
  return { nano: a.nano - b.nano, format: a.nano === 0n ? b.format : a.format };
}
