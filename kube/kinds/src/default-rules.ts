/** How defaults that Go code sets are written down as data, and the one that applies them. */
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';

/** A value, or one that depends on the object around it; undefined leaves the field alone. */
export type DefaultValue = JsonValue | ((around: JsonObject) => JsonValue | undefined);

export interface DefaultRules {
  /** Fields that are set when they are missing, null, empty text or (as numbers) zero where Go cannot tell. In this order. */
  readonly set?: Readonly<Record<string, DefaultValue>>;
  /** Rules of objects inside, where there are such. After `set`. */
  readonly inside?: Readonly<Record<string, DefaultRules>>;
  /** Rules of each item of the lists inside. */
  readonly items?: Readonly<Record<string, DefaultRules>>;
}

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const missing = (value: JsonValue | undefined): boolean => value === undefined || value === null || value === '';

/** The object with the rules applied; the same object when nothing was missing. */
export function applyRules(object: JsonObject, rules: DefaultRules): JsonObject {
  let result = object;
  const put = (key: string, value: JsonValue): void => {
    if (value !== result[key]) result = { ...result, [key]: value };
  };
  for (const [key, rule] of Object.entries(rules.set ?? {})) {
    if (!missing(result[key])) continue;
    const value = typeof rule === 'function' ? rule(result) : rule;
    if (value !== undefined) put(key, value);
  }
  for (const [key, inner] of Object.entries(rules.inside ?? {})) {
    const value = result[key];
    if (isObject(value)) put(key, applyRules(value, inner));
  }
  for (const [key, inner] of Object.entries(rules.items ?? {})) {
    const value = result[key];
    if (!Array.isArray(value)) continue;
    const list = value as readonly JsonValue[];
    const next = list.map((item) => (isObject(item) ? applyRules(item, inner) : item));
    if (next.some((item, index) => item !== list[index])) put(key, next);
  }
  return result;
}
