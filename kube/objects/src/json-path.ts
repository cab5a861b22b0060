/**
 * The subset of kubectl's JSONPath that columns and selectable fields use: `.spec.a`, `.items[0].b`, `['a.b']`, `\.` in
 * names, `[*]`, `[1:3]`, `..name`, `[?(@.type=="Ready")]`.
 */
import { isList, isObject, member } from './json-value.ts';
import type { JsonValue } from './meta.ts';
import { statusError, type StatusError } from './status.ts';

/** A parsed path, applied to many objects. */
export interface JsonPath {
  readonly text: string;
  /** All values found, in order. */
  find(value: JsonValue): JsonValue[];
}

type Step = (value: JsonValue) => JsonValue[];

const one = (value: JsonValue | undefined): JsonValue[] => (value === undefined ? [] : [value]);
const childrenOf = (value: JsonValue): JsonValue[] => {
  if (isList(value)) return [...value];
  return isObject(value) ? Object.values(value).filter((item) => item !== undefined) : [];
};

const field =
  (name: string): Step =>
  (value) =>
    isObject(value) ? one(member(value, name)) : [];
const everything: Step = childrenOf;

function descendants(value: JsonValue): JsonValue[] {
  return [value, ...childrenOf(value).flatMap(descendants)];
}

function slice(text: string): Step {
  const [start = '', end] = text.split(':');
  return (value) => {
    if (!isList(value)) return [];
    if (end === undefined) return one(value.at(Number(start)));
    return value.slice(start === '' ? 0 : Number(start), end === '' ? value.length : Number(end));
  };
}

const compare: Readonly<Record<string, (a: JsonValue, b: JsonValue) => boolean>> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': (a, b) => typeof a === typeof b && (a as number) < (b as number),
  '<=': (a, b) => typeof a === typeof b && (a as number) <= (b as number),
  '>': (a, b) => typeof a === typeof b && (a as number) > (b as number),
  '>=': (a, b) => typeof a === typeof b && (a as number) >= (b as number),
};

function literal(text: string): JsonValue | undefined {
  if (/^(["']).*\1$/s.test(text)) return text.slice(1, -1).replaceAll(/\\(.)/gs, '$1');
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : undefined;
}

/** One side of a filter: a path from `@`, or a literal. */
function operand(text: string): Step | undefined {
  if (text.startsWith('@')) return compile(text.slice(1));
  const value = literal(text);
  return value === undefined ? undefined : () => [value];
}

function filter(text: string): Step | undefined {
  const found = /^(?<left>.+?)\s*(?<sign>==|!=|<=|>=|<|>)\s*(?<right>.+)$/s.exec(text)?.groups;
  const left = operand((found?.['left'] ?? text).trim());
  if (left === undefined) return undefined;
  if (found === undefined) return (value) => childrenOf(value).filter((item) => left(item).length > 0);
  const right = operand((found['right'] ?? '').trim());
  const test = compare[found['sign'] ?? ''];
  if (right === undefined || test === undefined) return undefined;
  return (value) => childrenOf(value).filter((item) => left(item).some((a) => right(item).some((b) => test(a, b))));
}

function bracket(text: string): Step | undefined {
  if (text === '*') return everything;
  if (/^-?\d*(?::-?\d*)?$/.test(text) && text !== '') return slice(text);
  if (text.startsWith('?(') && text.endsWith(')')) return filter(text.slice(2, -1).trim());
  const name = literal(text);
  return typeof name === 'string' ? field(name) : undefined;
}

/** The end of the bracket that opens at `start`; quotes and parentheses inside count. */
function closing(text: string, start: number): number {
  let quote = '';
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    const mark = text[at] ?? '';
    if (quote !== '') {
      if (mark === '\\') at += 1;
      else if (mark === quote) quote = '';
    } else if (mark === '"' || mark === "'") quote = mark;
    else if (mark === '[') depth += 1;
    else if (mark === ']') {
      depth -= 1;
      if (depth === 0) return at;
    }
  }
  return -1;
}

const namePattern = /(?:\\.|[^.[\]\\{}()'" ])+/y;

/** Undefined when the text is no path. */
function compile(text: string): Step | undefined {
  const steps: Step[] = [];
  let at = 0;
  while (at < text.length) {
    if (text[at] === '[') {
      const end = closing(text, at);
      const step = end < 0 ? undefined : bracket(text.slice(at + 1, end).trim());
      if (step === undefined) return undefined;
      steps.push(step);
      at = end + 1;
      continue;
    }
    if (text[at] === '.') at += 1;
    else if (at > 0) return undefined;
    if (text[at] === '.') {
      steps.push(descendants);
      at += 1;
    }
    if (text[at] === '[') continue;
    namePattern.lastIndex = at;
    const name = namePattern.exec(text)?.[0];
    if (name === undefined) return at === text.length && steps.length === 0 ? (value) => [value] : undefined;
    steps.push(name === '*' ? everything : field(name.replaceAll(/\\(.)/g, '$1')));
    at += name.length;
  }
  return (value) => steps.reduce<JsonValue[]>((values, step) => values.flatMap(step), [value]);
}

const malformed = (text: string): StatusError =>
  statusError('BadRequest', `${JSON.stringify(text)} is not a valid JSONPath`);

/** Parses a path, with or without braces and the leading dot; at most 1,024 characters. Throws BadRequest. */
export function parseJsonPath(text: string): JsonPath {
  const bare = text.startsWith('{') && text.endsWith('}') ? text.slice(1, -1).trim() : text;
  if (bare.length > 1024 || bare === '') throw malformed(text);
  const find = compile(bare.startsWith('$') ? bare.slice(1) : bare);
  if (find === undefined) throw malformed(text);
  return { text, find };
}
