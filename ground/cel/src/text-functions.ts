/** The string extension of CEL, linear in the text: positions are those of code points. */
import { celMethod, CelScalar, listType, type CelFunc } from '@bufbuild/cel';

const { INT, STRING } = CelScalar;
const texts = listType(STRING);

interface Points {
  readonly length: number;
  slice(from: number, to?: number): string;
}

/** Code points; a text without surrogates is its own. */
function pointsOf(text: string): Points {
  if (!/[\ud800-\udfff]/.test(text)) return text;
  const points = Array.from(text);
  return { length: points.length, slice: (from, to) => points.slice(from, to).join('') };
}

/** The position in code points of one in UTF-16 units. */
const pointAt = (text: string, unit: number): bigint => BigInt(unit < 0 ? -1 : Array.from(text.slice(0, unit)).length);
const unitAt = (text: string, point: bigint): number => pointsOf(text).slice(0, position(text, point)).length;

function position(text: string, index: bigint): number {
  const { length } = pointsOf(text);
  if (index < 0n || index > BigInt(length)) throw new Error(`index out of range: ${index}`);
  return Number(index);
}

function part(text: string, from: bigint, to?: bigint): string {
  const start = position(text, from);
  const end = to === undefined ? undefined : position(text, to);
  if (end !== undefined && end < start) throw new Error(`invalid substring range. start: ${from}, end: ${to}`);
  return pointsOf(text).slice(start, end);
}

function replaced(text: string, from: string, to: string, most: bigint): string {
  if (most < 0n) return text.replaceAll(from, () => to);
  let left = most;
  return text.replaceAll(from, () => (left-- > 0n ? to : from));
}

function parts(text: string, separator: string, most: bigint): string[] {
  if (most === 0n) return [];
  const all = separator === '' ? Array.from(text) : text.split(separator);
  if (most < 0n || BigInt(all.length) <= most) return all;
  const kept = all.slice(0, Number(most) - 1);
  return [...kept, all.slice(kept.length).join(separator)];
}

const lower = (text: string): string => text.replaceAll(/[A-Z]+/g, (some) => some.toLowerCase());
const upper = (text: string): string => text.replaceAll(/[a-z]+/g, (some) => some.toUpperCase());

/** All of them. */
export const textFunctions: readonly CelFunc[] = [
  celMethod('charAt', STRING, [INT], STRING, function (index) {
    const at = position(this, index);
    return pointsOf(this).slice(at, at + 1);
  }),
  celMethod('indexOf', STRING, [STRING], INT, function (wanted) {
    return pointAt(this, this.indexOf(wanted));
  }),
  celMethod('indexOf', STRING, [STRING, INT], INT, function (wanted, from) {
    return pointAt(this, this.indexOf(wanted, unitAt(this, from)));
  }),
  celMethod('lastIndexOf', STRING, [STRING], INT, function (wanted) {
    return pointAt(this, this.lastIndexOf(wanted));
  }),
  celMethod('lastIndexOf', STRING, [STRING, INT], INT, function (wanted, from) {
    return pointAt(this, this.lastIndexOf(wanted, unitAt(this, from)));
  }),
  celMethod('join', texts, [], STRING, function () {
    return [...this.values()].join('');
  }),
  celMethod('join', texts, [STRING], STRING, function (separator) {
    return [...this.values()].join(separator);
  }),
  celMethod('lowerAscii', STRING, [], STRING, function () {
    return lower(this);
  }),
  celMethod('upperAscii', STRING, [], STRING, function () {
    return upper(this);
  }),
  celMethod('replace', STRING, [STRING, STRING], STRING, function (from, to) {
    return replaced(this, from, to, -1n);
  }),
  celMethod('replace', STRING, [STRING, STRING, INT], STRING, function (from, to, most) {
    return replaced(this, from, to, most);
  }),
  celMethod('split', STRING, [STRING], texts, function (separator) {
    return parts(this, separator, -1n);
  }),
  celMethod('split', STRING, [STRING, INT], texts, function (separator, most) {
    return parts(this, separator, most);
  }),
  celMethod('substring', STRING, [INT], STRING, function (from) {
    return part(this, from);
  }),
  celMethod('substring', STRING, [INT, INT], STRING, function (from, to) {
    return part(this, from, to);
  }),
  celMethod('trim', STRING, [], STRING, function () {
    return this.trim();
  }),
];
