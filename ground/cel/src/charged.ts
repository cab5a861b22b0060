/** Functions that cost as much as what they look at is large: a loop's steps are counted, and in a step may be anything. */
import { celError, isCelList, isCelMap, type CelFunc, type CelValue } from '@bufbuild/cel';
import { compilePattern } from './pattern.ts';

/** What evaluations may still cost together; below zero: it is used up. */
export interface CostBudget {
  left: number;
}

/** Where costs go while an expression is evaluated: evaluation is synchronous, and one at a time. */
let spending: CostBudget | undefined;

/** Charges what `fn` does to a budget. */
export function spendingFrom<T>(budget: CostBudget, fn: () => T): T {
  spending = budget;
  try {
    return fn();
  } finally {
    spending = undefined;
  }
}

/** Takes it; whether anything is left. */
export function spend(cost: number): boolean {
  if (spending === undefined) return true;
  spending.left -= cost;
  return spending.left >= 0;
}

const charactersOfUnit = 1_000;
/** Functions that make texts of texts take them apart by characters. */
const madeCharactersOfUnit = 10;
/** RE2 in JavaScript takes microseconds a character. */
const matchedCharactersOfUnit = 2;
const itemsOfUnit = 10;

/** They look at what is in lists of lists; all others at the outermost alone. */
const comparing: ReadonlySet<string> = new Set(['_==_', '_!=_', '@in', 'in', 'indexOf', 'lastIndexOf']);

const making: ReadonlySet<string> = new Set(
  'charAt format indexOf join lastIndexOf lowerAscii replace size split substring trim upperAscii'.split(' '),
);

/** The same function, charged after it has matched; it does nothing more once the budget is used up. */
export function charged(one: CelFunc): CelFunc {
  const deep = comparing.has(one.name);
  const characters = making.has(one.name) ? madeCharactersOfUnit : charactersOfUnit;
  const call: CelFunc['call'] = (id, target, args) => {
    if (!spend(0)) return celError('operation cancelled: actual cost limit exceeded', id);
    const result = one.call(id, target, args);
    if (result === undefined) return undefined;
    const values = target === undefined ? args : [target, ...args];
    spend(values.reduce<number>((sum, value) => sum + costOf(value, deep, characters), 0));
    return result;
  };
  return Object.create(one, { call: { value: call } }) as CelFunc;
}

/** A pattern of an expression, charged before it is matched. */
export function chargedPattern(pattern: string): { readonly test: (text: string) => boolean } {
  const compiled = compilePattern(pattern);
  return { test: (text) => spend(Math.ceil(text.length / matchedCharactersOfUnit)) && compiled.test(text) };
}

/** Lists and maps do not change; what is in them is counted once. */
const counted = new WeakMap<object, number>();

function costOf(value: CelValue, deep: boolean, characters: number): number {
  if (typeof value === 'string') return Math.floor(value.length / characters);
  if (!isCelList(value) && !isCelMap(value)) return 0;
  return Math.floor((deep ? itemsIn(value) : value.size) / itemsOfUnit);
}

function itemsIn(value: CelValue): number {
  if (typeof value === 'string') return 1 + value.length / charactersOfUnit;
  if (!isCelList(value) && !isCelMap(value)) return 1;
  const known = counted.get(value);
  if (known !== undefined) return known;
  let items = 1;
  for (const inner of value.values()) items += itemsIn(inner);
  counted.set(value, items);
  return items;
}
