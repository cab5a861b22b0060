/** Patterns of a CRD's schema that are no regular expressions (apiextensions validation.go, in its words). */
import { compilePattern } from '@polyanthus/ground-cel/pattern';
import { invalidValue } from '@polyanthus/kube-objects/field-errors';
import { isList, isObject, member } from '@polyanthus/kube-objects/json-value';
import type { JsonValue } from '@polyanthus/kube-objects/meta';
import type { Faults } from '../api-object.ts';

/** One fault a pattern; the schema's depth is bounded by that of the body. */
export function patternFaults(schema: JsonValue | undefined, path: string): Faults {
  if (!isObject(schema)) return [];
  const pattern = member(schema, 'pattern');
  const why = typeof pattern === 'string' && pattern !== '' ? fault(pattern) : undefined;
  const own =
    why === undefined
      ? []
      : [invalidValue(`${path}.pattern`, pattern ?? '', `must be a valid regular expression, but isn't: ${why}`)];
  return [...own, ...children(schema, path).flatMap(([child, at]) => patternFaults(child, at))];
}

function fault(pattern: string): string | undefined {
  try {
    compilePattern(pattern);
    return undefined;
  } catch (error) {
    const cause = (error as Error).cause;
    return cause instanceof Error ? cause.message : (error as Error).message;
  }
}

function children(schema: JsonValue, path: string): readonly (readonly [JsonValue | undefined, string])[] {
  if (!isObject(schema)) return [];
  const properties = member(schema, 'properties');
  const named = isObject(properties)
    ? Object.entries(properties).map(([name, child]) => [child, `${path}.properties[${name}]`] as const)
    : [];
  const single = ['items', 'additionalProperties', 'not'].map(
    (key) => [member(schema, key), `${path}.${key}`] as const,
  );
  const listed = ['allOf', 'anyOf', 'oneOf'].flatMap((key) => {
    const list = member(schema, key);
    return isList(list) ? list.map((child, index) => [child, `${path}.${key}[${index}]`] as const) : [];
  });
  return [...named, ...single, ...listed];
}
