/**
 * Types of an expression before it is evaluated, as far as they are known: fields that no object has, operands that never go
 * together, a result of the wrong type. What is not known for certain is let pass and found when it is evaluated.
 */
import type { Expr } from './expression-tree.ts';
import { celErrors } from './errors.ts';
import { compilation, parsedOf } from './expression.ts';

type SimpleKind = 'dyn' | 'int' | 'double' | 'string' | 'bool' | 'bytes' | 'timestamp' | 'duration';

/** A type; `dyn` for one that is not known. */
export type CelType =
  | { readonly kind: SimpleKind }
  | { readonly kind: 'list' | 'map'; readonly of: CelType }
  | { readonly kind: 'object'; readonly name: string; readonly field: (name: string) => CelType | undefined };

const dyn: CelType = { kind: 'dyn' };
const bool: CelType = { kind: 'bool' };
const int: CelType = { kind: 'int' };
const string: CelType = { kind: 'string' };

/**
 * Throws ExpressionInvalid, as compileExpression does, for an expression that cannot be right. `wanted` is the type of its
 * result.
 */
export function checkTypes(
  text: string,
  variables: Readonly<Record<string, CelType>>,
  wanted: 'bool' | 'string',
): void {
  const parsed = parsedOf(text);
  const checker = new Checker((expr, words) =>
    compilation(text, parsed.sourceInfo?.positions[String(expr.id)] ?? 0, words),
  );
  const type = checker.typeOf(parsed.expr, new Map(Object.entries(variables)));
  if (type.kind !== 'dyn' && type.kind !== wanted)
    throw celErrors.error('ExpressionInvalid', `cel expression must evaluate to a ${wanted}`);
}

type Scope = ReadonlyMap<string, CelType>;

/** Operators whose operands must be of one sort, and what they make of them. */
const sameSort: Readonly<Record<string, 'bool' | 'operand'>> = {
  '_==_': 'bool',
  '_!=_': 'bool',
  '_<_': 'bool',
  '_<=_': 'bool',
  '_>_': 'bool',
  '_>=_': 'bool',
  '_+_': 'operand',
  '_-_': 'operand',
  '_*_': 'operand',
  '_/_': 'operand',
  '_%_': 'operand',
};
const logical: ReadonlySet<string> = new Set(['_&&_', '_||_', '!_', '@not_strictly_false']);
/** Methods of texts, and what they answer. */
const textMethods: Readonly<Record<string, CelType>> = {
  startsWith: bool,
  endsWith: bool,
  matches: bool,
  lowerAscii: string,
  upperAscii: string,
  trim: string,
  charAt: string,
};
const sized: ReadonlySet<string> = new Set(['string', 'bytes', 'list', 'map', 'object', 'dyn']);
/** Sums and differences of times are of other types than their operands. */
const times: ReadonlySet<string> = new Set(['timestamp', 'duration']);
const numbers: ReadonlySet<string> = new Set(['int', 'double']);

class Checker {
  readonly #fault: (expr: Expr, words: string) => Error;

  constructor(fault: (expr: Expr, words: string) => Error) {
    this.#fault = fault;
  }

  typeOf(expr: Expr | undefined, scope: Scope): CelType {
    if (expr === undefined) return dyn;
    const { exprKind } = expr;
    switch (exprKind.case) {
      case 'identExpr':
        return scope.get(exprKind.value.name) ?? dyn;
      case 'constExpr':
        return constant(exprKind.value.constantKind.case);
      case 'selectExpr': {
        const of = this.#field(expr, this.typeOf(exprKind.value.operand, scope), exprKind.value.field);
        return exprKind.value.testOnly ? bool : of;
      }
      case 'callExpr':
        return this.#call(expr, exprKind.value, scope);
      case 'listExpr':
        return { kind: 'list', of: common(exprKind.value.elements.map((one) => this.typeOf(one, scope))) };
      case 'comprehensionExpr':
        return this.#loop(exprKind.value, scope);
      case 'structExpr':
      case undefined:
        break;
    }
    return dyn;
  }

  #field(expr: Expr, operand: CelType, name: string): CelType {
    if (operand.kind === 'dyn') return dyn;
    if (operand.kind === 'map') return operand.of;
    if (operand.kind !== 'object') throw this.#fault(expr, `type '${shown(operand)}' does not support field selection`);
    const field = operand.field(name);
    if (field === undefined) throw this.#fault(expr, `undefined field '${name}'`);
    return field;
  }

  #call(expr: Expr, call: Call, scope: Scope): CelType {
    const { function: name, target, args } = call;
    const types = args.map((one) => this.typeOf(one, scope));
    const receiver = target === undefined ? undefined : this.typeOf(target, scope);
    const all = receiver === undefined ? types : [receiver, ...types];
    const mismatch = (): Error => {
      const shapes = types.map(shown).join(', ');
      const on = receiver === undefined ? `(${shapes})` : `${shown(receiver)}.(${shapes})`;
      return this.#fault(expr, `found no matching overload for '${name}' applied to '${on}'`);
    };
    if (name === '_?_:_') {
      if (!isA(types[0], 'bool')) throw mismatch();
      return common(types.slice(1));
    }
    if (logical.has(name)) {
      const wrong = name === '!_' ? -1 : types.findIndex((one) => !isA(one, 'bool'));
      if (wrong !== -1)
        throw this.#fault(args[wrong] ?? expr, `expected type 'bool' but found '${shown(types[wrong] ?? dyn)}'`);
      if (!types.every((one) => isA(one, 'bool'))) throw mismatch();
      return bool;
    }
    const sort = sameSort[name];
    if (sort !== undefined) {
      if (!alike(types)) throw mismatch();
      return sort === 'bool' ? bool : operandOf(types);
    }
    if (name === '_[_]') return elementOf(types[0]);
    if (name === '@in' || name === '_in_') return bool;
    if (name === 'size' && all.length === 1) {
      if (!sized.has(all[0]?.kind ?? 'dyn')) throw mismatch();
      return int;
    }
    const answer = Object.hasOwn(textMethods, name) ? textMethods[name] : undefined;
    if (answer === undefined || receiver === undefined) return dyn;
    if (!isA(receiver, 'string')) throw mismatch();
    return answer;
  }

  #loop(loop: Comprehension, scope: Scope): CelType {
    const range = this.typeOf(loop.iterRange, scope);
    this.typeOf(loop.accuInit, scope);
    const item = range.kind === 'list' ? range.of : range.kind === 'map' ? string : dyn;
    const inside = new Map([...scope, [loop.accuVar, dyn], [loop.iterVar, loop.iterVar2 === '' ? item : dyn]]);
    if (loop.iterVar2 !== '') inside.set(loop.iterVar2, dyn);
    this.typeOf(loop.loopCondition, inside);
    this.typeOf(loop.loopStep, inside);
    return this.typeOf(loop.result, new Map([...scope, [loop.accuVar, dyn]]));
  }
}

type Kind<C> = Extract<Expr['exprKind'], { case: C }> extends { value: infer V } ? V : never;
type Call = Kind<'callExpr'>;
type Comprehension = Kind<'comprehensionExpr'>;

function constant(kind: string | undefined): CelType {
  if (kind === 'boolValue') return bool;
  if (kind === 'stringValue') return string;
  if (kind === 'int64Value') return int;
  return kind === 'doubleValue' ? { kind: 'double' } : dyn;
}

const isA = (type: CelType | undefined, kind: CelType['kind']): boolean =>
  type === undefined || type.kind === 'dyn' || type.kind === kind;

/** Numbers of all types count as one sort here: which of them go together is left to the evaluation. */
const sortOf = ({ kind }: CelType): string => (numbers.has(kind) ? 'number' : kind === 'object' ? 'map' : kind);

function alike(types: readonly CelType[]): boolean {
  const sorts = types.filter(({ kind }) => kind !== 'dyn' && !times.has(kind)).map(sortOf);
  return new Set(sorts).size <= 1;
}

function operandOf(types: readonly CelType[]): CelType {
  const simple = new Set(types.map(({ kind }) => kind));
  const [only = 'dyn'] = simple;
  return simple.size === 1 && (numbers.has(only) || only === 'string') ? (types[0] ?? dyn) : dyn;
}

const elementOf = (type: CelType | undefined): CelType =>
  type?.kind === 'list' || type?.kind === 'map' ? type.of : dyn;

/** The type of all; `dyn` where they differ, or are not simple. */
function common(types: readonly CelType[]): CelType {
  const [first = dyn] = types;
  return types.every((one) => one === first || (one.kind === first.kind && !('of' in one) && one.kind !== 'object'))
    ? first
    : dyn;
}

function shown(type: CelType): string {
  if (type.kind === 'list') return `list(${shown(type.of)})`;
  if (type.kind === 'map') return `map(string, ${shown(type.of)})`;
  if (type.kind === 'object') return type.name;
  return type.kind === 'timestamp' || type.kind === 'duration' ? `google.protobuf.${cap(type.kind)}` : type.kind;
}

const cap = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);
