/**
 * x-kubernetes-validations of custom kinds (apiextensions schema/cel/validation.go, in its words): rules over `self` and,
 * for what was there before, `oldSelf`. What an unchanged part breaks is forgiven, but for rules that look at both.
 */
import type { CostBudget } from '@polyanthus/ground-cel/charged';
import { compileExpression, type Expression } from '@polyanthus/ground-cel/expression';
import { equalJson, isList, isObject, member } from '@polyanthus/kube-objects/json-value';
import { pairs } from '@polyanthus/kube-objects/list-types';
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import type { Schema, ValidationRule } from '@polyanthus/kube-objects/schema';
import type { StatusCause } from '@polyanthus/kube-objects/status';
import { ruleValue } from './rule-values.ts';

/** What the rules of one write may cost together, in steps of loops: about half a second of this thread. */
const costMax = 400_000;
const messageBytesMax = 5_120;
const variables = ['self', 'oldSelf'];

interface CompiledRule {
  readonly rule: ValidationRule;
  readonly expression: Expression;
  readonly message: Expression | undefined;
}

/** Compiled with a schema's first use. One that does not compile was refused with its CRD, so that it is left out here. */
const compiled = new WeakMap<Schema, readonly CompiledRule[]>();
const ruled = new WeakMap<Schema, boolean>();

function rulesOf(schema: Schema): readonly CompiledRule[] {
  const known = compiled.get(schema);
  if (known !== undefined) return known;
  const made = (schema.validations ?? []).flatMap((rule): CompiledRule[] => {
    const expression = compileRule(rule.rule);
    if (expression === undefined || expression.lacks !== undefined || rule.optionalOldSelf === true) return [];
    const message = compileRule(rule.messageExpression ?? '');
    return [{ rule, expression, message: message?.lacks === undefined ? message : undefined }];
  });
  compiled.set(schema, made);
  return made;
}

/** Undefined for one that is no expression. */
function compileRule(text: string): Expression | undefined {
  if (text.trim() === '') return undefined;
  try {
    return compileExpression(text, variables);
  } catch {
    return undefined;
  }
}

/** Whether the schema has rules anywhere. */
export function hasRules(schema: Schema): boolean {
  const known = ruled.get(schema);
  if (known !== undefined) return known;
  const found =
    (schema.validations ?? []).length > 0 ||
    Object.values(schema.properties ?? {}).some(hasRules) ||
    (schema.items !== undefined && hasRules(schema.items)) ||
    (typeof schema.additionalProperties === 'object' && hasRules(schema.additionalProperties));
  ruled.set(schema, found);
  return found;
}

/** Faults that leave a value of which rules could say nothing sensible. */
const blocking: ReadonlySet<string> = new Set([
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
  'FieldValueNotSupported',
]);

/** What the rules say of an object; `schemaFaults` are those that its schema found before. */
export function ruleFaults(
  object: JsonValue,
  schema: Schema,
  before: JsonValue | undefined,
  schemaFaults: readonly StatusCause[],
): readonly StatusCause[] {
  if (!hasRules(schema)) return [];
  if (schemaFaults.some(({ reason = '' }) => blocking.has(reason)))
    return [
      invalid(
        '<nil>',
        'null',
        'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
      ),
    ];
  const check = new RuleCheck();
  check.node({ value: object, schema, path: '', before, root: true }, false);
  return check.faults;
}

interface Node {
  readonly value: JsonValue;
  readonly schema: Schema;
  readonly path: string;
  /** What it was, where that can be told. */
  readonly before: JsonValue | undefined;
  readonly root?: boolean;
}

class RuleCheck {
  readonly faults: StatusCause[] = [];
  readonly #budget: CostBudget = { left: costMax };
  #over = false;

  node(node: Node, parentUnchanged: boolean): void {
    const { value, schema, path, before } = node;
    if (this.#over || value === null || !hasRules(schema)) return;
    const unchanged = before === undefined ? parentUnchanged : equalJson(value, before);
    this.#rules(node, unchanged);
    if (isList(value) && schema.items !== undefined) {
      const { items } = schema;
      const previous = pairs(value, schema, before);
      value.forEach((item, index) =>
        this.node({ value: item, schema: items, path: `${path}[${index}]`, before: previous[index] }, unchanged),
      );
    }
    if (isObject(value)) this.#fields(value, node, unchanged);
  }

  #fields(object: JsonObject, { schema, path, before }: Node, unchanged: boolean): void {
    const { properties = {}, additionalProperties } = schema;
    for (const [key, value] of Object.entries(object)) {
      if (value === undefined) continue;
      const own = Object.hasOwn(properties, key) ? properties[key] : undefined;
      const inner = own ?? (typeof additionalProperties === 'object' ? additionalProperties : undefined);
      if (inner === undefined) continue;
      const at = own === undefined ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`;
      const previous = isObject(before) ? member(before, key) : undefined;
      this.node({ value, schema: inner, path: at, before: previous }, unchanged);
    }
  }

  #rules(node: Node, unchanged: boolean): void {
    const rules = rulesOf(node.schema);
    if (rules.length === 0) return;
    const { value, schema, before = null } = node;
    const resource = node.root === true || schema.embeddedResource === true;
    const self = ruleValue(value, schema, resource);
    const bindings = before === null ? { self } : { self, oldSelf: ruleValue(before, schema, resource) };
    for (const one of rules) {
      const usesOld = one.expression.uses('oldSelf');
      if (usesOld && before === null) continue;
      const fault = this.#evaluate(one, bindings, node);
      if (fault !== undefined && (usesOld || !unchanged || fault.always)) this.faults.push(fault.cause);
      if (this.#over) return;
    }
  }

  #evaluate(
    { rule, expression, message }: CompiledRule,
    bindings: Parameters<Expression['evaluate']>[0],
    { value, schema, path }: Node,
  ): { readonly cause: StatusCause; readonly always: boolean } | undefined {
    const at = path === '' ? '<nil>' : path;
    const type = JSON.stringify(schema.type ?? '');
    const broken = (words: string) => ({ cause: invalid(at, type, words), always: true });
    const outcome = expression.evaluate(bindings, this.#budget);
    if (outcome.kind === 'costly') {
      this.#over = true;
      return broken(
        `'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: ${named(rule)}`,
      );
    }
    if (outcome.kind === 'failed')
      return broken(
        outcome.message.startsWith('no such overload')
          ? `'${outcome.message}': call arguments did not match a supported operator, function or macro signature for rule: ${named(rule)}`
          : `${outcome.message} evaluating rule: ${named(rule)}`,
      );
    if (outcome.value === true) return undefined;
    const said = message?.evaluate(bindings, this.#budget);
    const text = said?.kind === 'value' && typeof said.value === 'string' ? said.value.trim() : '';
    const good = text !== '' && !text.includes('\n') && Buffer.byteLength(text) <= messageBytesMax;
    const detail = good ? text : (rule.message ?? '').trim() || `failed rule: ${named(rule)}`;
    const shown = typeof value === 'object' ? undefined : JSON.stringify(value);
    return { cause: cause(rule, childPath(path, rule.fieldPath ?? ''), shown, detail), always: false };
  }
}

/** A rule's own words for itself. */
const named = (rule: ValidationRule): string => ((rule.message ?? '') === '' ? rule.rule : (rule.message ?? '')).trim();

/** `.a.b` or `['a']` below a path. */
function childPath(path: string, fieldPath: string): string {
  const below = fieldPath.replaceAll(/\['((?:[^'\\]|\\.)*)'\]/g, '.$1');
  const joined = path === '' ? below.replace(/^\./, '') : path + below;
  return joined === '' ? '<nil>' : joined;
}

function invalid(field: string, shown: string | undefined, detail: string): StatusCause {
  const value = shown === undefined ? '' : `: ${shown}`;
  return { reason: 'FieldValueInvalid', message: `Invalid value${value}: ${detail}`, field };
}

function cause(rule: ValidationRule, field: string, shown: string | undefined, detail: string): StatusCause {
  const { reason } = rule;
  if (reason === 'FieldValueForbidden') return { reason, message: `Forbidden: ${detail}`, field };
  if (reason === 'FieldValueRequired') return { reason, message: `Required value: ${detail}`, field };
  if (reason === 'FieldValueDuplicate')
    return { reason, message: shown === undefined ? 'Duplicate value' : `Duplicate value: ${shown}`, field };
  return invalid(field, shown, detail);
}
