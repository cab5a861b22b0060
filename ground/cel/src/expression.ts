/**
 * Expressions of users (CEL): compiled once, evaluated often, and never without a bound: every step of a loop
 * and every function takes from a budget that its caller shares out; where it ends the evaluation ends.
 */
import { celEnv, celFunc, CelScalar, isCelError, parse, plan, type CelEnv, type CelResult } from '@bufbuild/cel';
import { charged, chargedPattern, spend, spendingFrom, type CostBudget } from './charged.ts';
import { celErrors } from './errors.ts';
import { functionsOf, identifiersOf, loopsOf, type Expr } from './expression-tree.ts';
import { notEvaluated, ownFunctions } from './functions.ts';
import type { ExpressionValue } from './values.ts';

/** What became of one evaluation. `failed` is worded as cel-go words it. */
export type Outcome =
  | { readonly kind: 'value'; readonly value: boolean | string | bigint | number | null | object }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'costly' };

/** A compiled expression. */
export interface Expression {
  /** Whether it names this variable. */
  readonly uses: (variable: string) => boolean;
  /** A function, macro or operator of Kubernetes' that this room does not have: the expression cannot be evaluated. */
  readonly lacks: string | undefined;
  /** Never throws. */
  readonly evaluate: (variables: Readonly<Record<string, ExpressionValue>>, budget: CostBudget) => Outcome;
}

const lengthMax = 100_000;
const depthMax = 250;
/** No user's expression has it: its name is unknown to them. */
const tick = 'step__of__a__loop';

const environments = new Map<string, CelEnv>();

function environmentOf(variables: readonly string[]): CelEnv {
  const key = variables.join();
  const known = environments.get(key);
  if (known !== undefined) return known;
  const options = {
    variables: Object.fromEntries(variables.map((name) => [name, CelScalar.DYN])),
    re2: { compile: chargedPattern },
  };
  const { funcs } = celEnv({ ...options, funcs: [...ownFunctions] });
  const made = celEnv({
    ...options,
    funcs: [...[...funcs].map(charged), celFunc(tick, [], CelScalar.BOOL, () => spend(1))],
  });
  environments.set(key, made as CelEnv);
  return made as CelEnv;
}

/** Compiles an expression over these variables. Throws ExpressionInvalid, worded as cel-go words it. */
export function compileExpression(text: string, variables: readonly string[]): Expression {
  if (text.length > lengthMax)
    throw celErrors.error(
      'ExpressionInvalid',
      `compilation failed: the expression is longer than ${lengthMax} characters`,
    );
  const environment = environmentOf(variables);
  const syntax = lackedSyntax(text);
  if (syntax !== undefined) return lacking(text, syntax);
  const parsed = parsedOf(text);
  const missing = functionsOf(parsed.expr).find(({ name }) => !isKnown(environment, name) && notEvaluated.has(name));
  const unknown = unknownNames(environment, parsed.expr, variables);
  if (unknown !== undefined && missing === undefined)
    throw compilation(text, parsed.sourceInfo?.positions[String(unknown.id)] ?? 0, unknown.words);
  if (missing !== undefined) return lacking(text, missing.name);
  for (const loop of loopsOf(parsed.expr)) loop.count(tick);
  const run = plan(environment, parsed) as (bindings: Readonly<Record<string, ExpressionValue>>) => CelResult;
  const named = new Set(identifiersOf(parsed.expr).map(({ name }) => name));
  return {
    uses: (variable) => named.has(variable),
    lacks: undefined,
    evaluate: (bindings, budget) => evaluate(run, bindings, budget),
  };
}

function evaluate(
  run: (bindings: Readonly<Record<string, ExpressionValue>>) => CelResult,
  bindings: Readonly<Record<string, ExpressionValue>>,
  budget: CostBudget,
): Outcome {
  try {
    const result = spendingFrom(budget, () => (spend(1) ? run(bindings) : undefined));
    if (result === undefined || budget.left < 0) return { kind: 'costly' };
    return isCelError(result)
      ? { kind: 'failed', message: inGoWords(result.message) }
      : { kind: 'value', value: result };
  } catch (error) {
    return { kind: 'failed', message: inGoWords(error instanceof Error ? error.message : String(error)) };
  }
}

function lacking(text: string, what: string): Expression {
  return {
    uses: (variable) => new RegExp(`\\b${variable}\\b`).test(text),
    lacks: what,
    evaluate: () => ({ kind: 'failed', message: `${what} is not evaluated here` }),
  };
}

/** Optional fields and entries, and names in back quotes: texts in quotes are left out of the search. */
function lackedSyntax(text: string): string | undefined {
  const bare = text.replaceAll(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/g, '""');
  return /\.\?|\[\?|\{\s*\?/.test(bare) ? 'optional syntax' : bare.includes('`') ? 'quoted identifiers' : undefined;
}

/** The tree. Throws ExpressionInvalid. */
export function parsedOf(text: string): ReturnType<typeof parse> {
  if (nesting(text) > depthMax) throw compilation(text, 0, `Syntax error: expressions nest deeper than ${depthMax}`);
  try {
    return parse(text);
  } catch (error) {
    const { message, location } = error as Error & {
      readonly location?: { readonly start: { readonly offset: number } };
    };
    throw compilation(text, location?.start.offset ?? 0, `Syntax error: ${message.replace(/^<input>:\d+:\d+: /, '')}`);
  }
}

/** How deep brackets nest, those in texts counted too: an upper bound is enough. */
function nesting(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (const character of text) {
    if ('([{?!-'.includes(character)) deepest = Math.max(deepest, ++depth);
    else if (')]}:'.includes(character)) depth--;
  }
  return deepest;
}

/** cel-go's form of a compile error: place, words, the line and a caret. */
export function compilation(text: string, offset: number, words: string): Error {
  const before = text.slice(0, offset).split('\n');
  const column = (before.at(-1) ?? '').length;
  const line = text.split('\n')[before.length - 1] ?? '';
  const place = `ERROR: <input>:${before.length}:${column + 1}: ${words}`;
  return celErrors.error('ExpressionInvalid', `compilation failed: ${place}\n | ${line}\n | ${'.'.repeat(column)}^`);
}

const operator = /^[_@!-]|^\?/;
const isKnown = (environment: CelEnv, name: string): boolean =>
  name !== tick && (operator.test(name) || environment.funcs.find(name) !== undefined);

const typeNames: ReadonlySet<string> = new Set(
  'int uint double bool string bytes list map null_type type dyn google optional cel math sets ip cidr'.split(' '),
);

/** The first name that means nothing. */
function unknownNames(
  environment: CelEnv,
  expr: Expr,
  variables: readonly string[],
): { readonly id: bigint; readonly words: string } | undefined {
  const declared = new Set([...variables, ...loopsOf(expr).flatMap((loop) => loop.names)]);
  const names = [
    ...identifiersOf(expr).filter(({ name }) => !declared.has(name) && !typeNames.has(name)),
    ...functionsOf(expr).filter(({ name }) => !isKnown(environment, name) && !notEvaluated.has(name)),
  ];
  const [first] = names;
  return first === undefined
    ? undefined
    : { id: first.id, words: `undeclared reference to '${first.name}' (in container '')` };
}

const wordings: readonly (readonly [pattern: RegExp, words: string])[] = [
  [/^field not found: (.*)$/, 'no such key: $1'],
  [/^key not found: (.*)$/, 'no such key: $1'],
  [/^index (-?\d+) out of bounds.*$/, 'index out of bounds: $1'],
  [/^\w+ divide by zero$/, 'division by zero'],
  [/^\w+ modulus by zero$/, 'modulus by zero'],
  [/^\w+ overflow during .*$/, 'integer overflow'],
  [/^found no matching overload.*$/, 'no such overload'],
];

function inGoWords(message: string): string {
  const found = wordings.find(([pattern]) => pattern.test(message));
  return found === undefined ? message : message.replace(found[0], found[1]);
}
