/** Small readers and writers that the cells of built-in kinds share. */
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import { labelSelectorMatcher, type LabelSelectorObject } from '@polyanthus/kube-objects/selectors';
import { at, type Cell } from './columns.ts';
import { age } from './ages.ts';

export const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The objects of a list at a path; none where there is no list. */
export function objects(object: JsonObject, ...path: readonly string[]): readonly JsonObject[] {
  const value = at(object, ...path);
  return Array.isArray(value) ? (value as readonly JsonValue[]).filter(isObject) : [];
}

/** The texts of a list at a path. */
export function texts(object: JsonObject, ...path: readonly string[]): readonly string[] {
  const value = at(object, ...path);
  return Array.isArray(value) ? (value as readonly JsonValue[]).filter((item) => typeof item === 'string') : [];
}

export const text = (object: JsonObject, ...path: readonly string[]): string => {
  const value = at(object, ...path);
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
};

export const count = (object: JsonObject, ...path: readonly string[]): number => {
  const value = at(object, ...path);
  return typeof value === 'number' ? value : 0;
};

/** The text at a path, or a word for its absence. */
export const textCell =
  (path: string, absent = ''): Cell =>
  (object) =>
    text(object, ...path.split('.')) || absent;

export const countCell =
  (path: string): Cell =>
  (object) =>
    count(object, ...path.split('.'));

export const flagCell =
  (path: string): Cell =>
  (object) =>
    at(object, ...path.split('.')) === true;

/** How many items a list or a map has. */
export const sizeCell =
  (...paths: readonly string[]): Cell =>
  (object) =>
    paths.reduce((sum, path) => {
      const value = at(object, ...path.split('.'));
      return sum + (typeof value === 'object' && value !== null ? Object.keys(value).length : 0);
    }, 0);

/** `a=1,b=2`, or `<none>`. */
export function labelsText(value: JsonValue | undefined): string {
  const pairs = isObject(value) ? Object.entries(value).map(([key, item]) => `${key}=${String(item)}`) : [];
  return pairs.length === 0 ? '<none>' : pairs.toSorted().join(',');
}

export const labelsCell =
  (path: string): Cell =>
  (object) =>
    labelsText(at(object, ...path.split('.')));

/** A LabelSelector as text; `<none>` for one that takes all. */
export const selectorCell =
  (path: string, empty = '<none>'): Cell =>
  (object) => {
    const selector = at(object, ...path.split('.'));
    try {
      return (
        labelSelectorMatcher(isObject(selector) ? (selector as LabelSelectorObject) : undefined).toString() || empty
      );
    } catch {
      return '<invalid>';
    }
  };

export const ageCell =
  (path: string, absent = '<unknown>'): Cell =>
  (object, nowMs) => {
    const time = at(object, ...path.split('.'));
    return time === undefined || time === null ? absent : age(time, nowMs);
  };

/** The first three, and how many more. */
export function firstThree(all: readonly string[], total = all.length): string {
  if (all.length === 0) return '<none>';
  const shown = all.slice(0, 3).join(',');
  return all.length > 3 ? `${shown} + ${total - 3} more...` : shown;
}

/** The condition of a type at `status.conditions`. */
export function condition(object: JsonObject, type: string): JsonObject | undefined {
  return objects(object, 'status', 'conditions').find((one) => one['type'] === type);
}

export const isTrue = (object: JsonObject, type: string): boolean => condition(object, type)?.['status'] === 'True';

export const containerNames =
  (path: string): Cell =>
  (object) =>
    objects(object, ...path.split('.'))
      .map((container) => text(container, 'name'))
      .join(',');

export const containerImages =
  (path: string): Cell =>
  (object) =>
    objects(object, ...path.split('.'))
      .map((container) => text(container, 'image'))
      .join(',');
