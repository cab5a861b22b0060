/** Functions beside CEL's own: the string extension, and those of Kubernetes for lists. */
import { celMethod, CelScalar, isCelList, listType, type CelFunc, type CelList, type CelValue } from '@bufbuild/cel';
import { textFunctions } from './text-functions.ts';

const list = listType(CelScalar.DYN);
const { BOOL, DYN, INT } = CelScalar;

/** -1, 0 or 1; throws for values of which neither is less. */
function compare(one: CelValue, other: CelValue): number {
  if (typeof one === 'string' && typeof other === 'string') return one === other ? 0 : one < other ? -1 : 1;
  const numeric = (value: CelValue): value is bigint | number => typeof value === 'bigint' || typeof value === 'number';
  if (numeric(one) && numeric(other)) return one === other ? 0 : one < other ? -1 : 1;
  throw new Error('no such overload');
}

const itemsOf = (value: CelList): readonly CelValue[] => [...value.values()];

function extreme(value: CelList, sign: number, name: string): CelValue {
  const items = itemsOf(value);
  if (items.length === 0) throw new Error(`${name} called on empty list`);
  return items.reduce((best, item) => (compare(item, best) * sign > 0 ? item : best));
}

function sum(value: CelList): CelValue {
  const items = itemsOf(value);
  if (items.every((item) => typeof item === 'bigint')) return items.reduce((total, item) => total + item, 0n);
  if (items.every((item) => typeof item === 'number')) return items.reduce((total, item) => total + item, 0);
  throw new Error('no such overload');
}

const same = (one: CelValue, other: CelValue): boolean =>
  !isCelList(one) && typeof one === typeof other && one === other;

/** All of them, for the environment of expressions. */
export const ownFunctions: readonly CelFunc[] = [
  ...textFunctions,
  celMethod('isSorted', list, [], BOOL, function () {
    return itemsOf(this).every((item, index, all) => index === 0 || compare(all[index - 1] ?? null, item) <= 0);
  }),
  celMethod('min', list, [], DYN, function () {
    return extreme(this, -1, 'min');
  }),
  celMethod('max', list, [], DYN, function () {
    return extreme(this, 1, 'max');
  }),
  celMethod('sum', list, [], DYN, function () {
    return sum(this);
  }),
  celMethod('indexOf', list, [DYN], INT, function (wanted) {
    return BigInt(itemsOf(this).findIndex((item) => same(item, wanted)));
  }),
  celMethod('lastIndexOf', list, [DYN], INT, function (wanted) {
    return BigInt(itemsOf(this).findLastIndex((item) => same(item, wanted)));
  }),
];

/** Functions, macros and namespaces that Kubernetes has and this room does not: an expression with one is not evaluated. */
export const notEvaluated: ReadonlySet<string> = new Set(
  (
    'quantity isQuantity asInteger asApproximateFloat isInteger isGreaterThan isLessThan compareTo sign add sub ' +
    'url isURL getScheme getHost getHostname getPort getEscapedPath getQuery ip isIP isCanonical cidr isCIDR ' +
    'containsIP containsCIDR family isUnspecified isLoopback isLinkLocalMulticast isLinkLocalUnicast ' +
    'isGlobalUnicast masked prefixLength semver isSemver major minor patch validate named find findAll ' +
    'format orValue hasValue value or of ofNonZeroValue none optMap optFlatMap bind transformList transformMap ' +
    'transformMapEntry all exists exists_one existsOne intersects equivalent reverse replaceAll range flatten distinct'
  ).split(' '),
);
