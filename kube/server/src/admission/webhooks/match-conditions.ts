/** matchConditions: expressions over the write that decide whether a webhook is asked (apiserver webhook/matchconditions). */
import { compileExpression, type Expression } from '@polyanthus/ground-cel/expression';
import { listValue, mapValue, type ExpressionValue } from '@polyanthus/ground-cel/values';
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import { textAt } from '../../api-object.ts';

/** What all conditions of one webhook may cost together, in steps of loops (apiserver RuntimeCELCostBudgetMatchConditions). */
const costBudget = 2_500_000;
const variables = ['object', 'oldObject', 'request'];

/** A condition, compiled; or why it cannot be. */
export interface Condition {
  readonly text: string;
  readonly expression: Expression | undefined;
  readonly fault: string;
}

/** Why an expression is no condition; undefined when it is one. */
export function conditionFault(text: string): string | undefined {
  const { fault } = compiled(text);
  return fault === '' ? undefined : fault;
}

/** Compiles the conditions of a webhook. Never throws: what cannot be compiled fails when it is asked. */
export function compileConditions(conditions: readonly JsonObject[]): readonly Condition[] {
  return conditions.map((one) => compiled(textAt(one, 'expression').trim()));
}

function compiled(text: string): Condition {
  try {
    const expression = compileExpression(text, variables);
    const { lacks } = expression;
    return { text, expression, fault: lacks === undefined ? '' : `compilation failed: ${lacks} is not evaluated here` };
  } catch (error) {
    return { text, expression: undefined, fault: error instanceof Error ? error.message : String(error) };
  }
}

/** What the conditions say together; `error` when some failed and none said no. */
export type ConditionsResult = { readonly matches: boolean } | { readonly error: string };

/** Evaluates until one says no. `object` and `oldObject` are null where there is none. */
export function evaluateConditions(
  conditions: readonly Condition[],
  values: { readonly object: JsonValue; readonly oldObject: JsonValue; readonly request: JsonValue },
): ConditionsResult {
  const budget = { left: costBudget };
  const bindings = {
    object: expressionValue(values.object),
    oldObject: expressionValue(values.oldObject),
    request: expressionValue(values.request),
  };
  const errors: string[] = [];
  for (const { text, expression, fault } of conditions) {
    const outcome =
      expression === undefined || fault !== ''
        ? ({ kind: 'failed', message: fault } as const)
        : expression.evaluate(bindings, budget);
    if (outcome.kind === 'costly')
      return { error: 'validation failed due to running out of cost budget, no further validation rules will be run' };
    if (outcome.kind === 'failed') errors.push(`expression '${text}' resulted in error: ${outcome.message}`);
    else if (outcome.value === false) return { matches: false };
    else if (outcome.value !== true) errors.push(`expression '${text}' resulted in error: must evaluate to bool`);
  }
  if (errors.length === 0) return { matches: true };
  return { error: errors.length === 1 ? (errors[0] ?? '') : `[${errors.join(', ')}]` };
}

/** JSON as expressions see it: whole numbers are int, others double. */
function expressionValue(value: JsonValue | undefined): ExpressionValue {
  if (value === undefined || value === null) return null;
  if (Array.isArray(value)) return listValue((value as readonly JsonValue[]).map(expressionValue));
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value;
  if (typeof value !== 'object') return value;
  const entries = Object.entries(value as JsonObject).filter(([, inner]) => inner !== undefined);
  return mapValue(new Map(entries.map(([key, inner]) => [key, expressionValue(inner)])));
}
