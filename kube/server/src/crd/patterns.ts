/** Patterns and rules of a CRD's schema that do not compile (apiextensions validation.go, in its words). */
import { compileExpression } from '@polyanthus/ground-cel/expression';
import { checkTypes, type CelType } from '@polyanthus/ground-cel/type-check';
import { compilePattern } from '@polyanthus/ground-cel/pattern';
import { invalidValue, requiredValue } from '@polyanthus/kube-objects/field-errors';
import { isList, isObject, member } from '@polyanthus/kube-objects/json-value';
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import type { Faults } from '../api-object.ts';
import { ruleType } from './rule-types.ts';

/**
 * One fault a rule that is no expression, whose types cannot be right, or that this server cannot evaluate: a rule that is taken
 * is kept. `known`: texts of rules that the kind has already, which stay as they are.
 */
export function expressionFaults(
  schema: JsonValue | undefined,
  path: string,
  known: ReadonlySet<string> = new Set(),
  root = true,
): Faults {
  if (!isObject(schema)) return [];
  const rules = member(schema, 'x-kubernetes-validations');
  const own = (isList(rules) ? rules : []).flatMap((rule, index) =>
    isObject(rule) ? ruleFault(rule, `${path}.x-kubernetes-validations[${index}]`, ruleType(schema, root), known) : [],
  );
  return [...own, ...children(schema, path).flatMap(([child, at]) => expressionFaults(child, at, known, false))];
}

/** Every rule and message of a schema, as texts. */
export function rulesIn(schema: JsonValue | undefined): readonly string[] {
  if (!isObject(schema)) return [];
  const rules = member(schema, 'x-kubernetes-validations');
  const own = (isList(rules) ? rules : []).flatMap((rule) =>
    isObject(rule) ? [member(rule, 'rule'), member(rule, 'messageExpression')] : [],
  );
  return [
    ...own.filter((one) => typeof one === 'string'),
    ...children(schema, '').flatMap(([child]) => rulesIn(child)),
  ];
}

function ruleFault(rule: JsonObject, path: string, type: CelType, known: ReadonlySet<string>): Faults {
  const text = member(rule, 'rule');
  if (typeof text !== 'string' || text.trim() === '') return [requiredValue(`${path}.rule`, 'rule is not specified')];
  if (member(rule, 'optionalOldSelf') === true && !known.has(text))
    return [invalidValue(`${path}.optionalOldSelf`, true, notHere('optionalOldSelf'))];
  return (['rule', 'messageExpression'] as const).flatMap((key) => {
    const expression = member(rule, key);
    if (typeof expression !== 'string' || expression.trim() === '' || known.has(expression)) return [];
    try {
      const { lacks } = compileExpression(expression, ['self', 'oldSelf']);
      if (lacks !== undefined) return [invalidValue(`${path}.${key}`, rule, `compilation failed: ${notHere(lacks)}`)];
      checkTypes(expression, { self: type, oldSelf: type }, key === 'rule' ? 'bool' : 'string');
      return [];
    } catch (error) {
      return [invalidValue(`${path}.${key}`, rule, (error as Error).message)];
    }
  });
}

const notHere = (what: string): string =>
  `${what} is not evaluated by this API server, though kube-apiserver knows it: leave the rule out here, or write it without`;

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
