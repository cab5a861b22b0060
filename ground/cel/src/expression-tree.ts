/** The tree of an expression: what it names, and its loops. */
import { parse } from '@bufbuild/cel';

/** A node of the tree. */
export type Expr = ReturnType<typeof parse>['expr'];

/** A name and where it stands. */
export interface Named {
  readonly id: bigint;
  readonly name: string;
}

/** A comprehension: `all`, `exists`, `map` and the like are written as one. */
export interface Loop {
  /** Its own variables. */
  readonly names: readonly string[];
  /** Makes every step ask a function first, which ends the loop when it says false. */
  readonly count: (functionName: string) => void;
}

function childrenOf({ exprKind }: Expr): readonly (Expr | undefined)[] {
  if (exprKind.case === 'selectExpr') return [exprKind.value.operand];
  if (exprKind.case === 'callExpr') return [exprKind.value.target, ...exprKind.value.args];
  if (exprKind.case === 'listExpr') return exprKind.value.elements;
  if (exprKind.case === 'structExpr')
    return exprKind.value.entries.flatMap((entry) => [
      entry.keyKind.case === 'mapKey' ? entry.keyKind.value : undefined,
      entry.value,
    ]);
  if (exprKind.case !== 'comprehensionExpr') return [];
  const { iterRange, accuInit, loopCondition, loopStep, result } = exprKind.value;
  return [iterRange, accuInit, loopCondition, loopStep, result];
}

/** Every node, the root first. */
function* nodes(root: Expr): Generator<Expr> {
  const open: Expr[] = [root];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    yield node;
    for (const child of childrenOf(node)) if (child !== undefined) open.push(child);
  }
}

/** Every variable or type that is named. */
export function identifiersOf(root: Expr): readonly Named[] {
  return [...nodes(root)].flatMap(({ id, exprKind }) =>
    exprKind.case === 'identExpr' ? [{ id, name: exprKind.value.name }] : [],
  );
}

/** Every function and operator that is called. */
export function functionsOf(root: Expr): readonly Named[] {
  return [...nodes(root)].flatMap(({ id, exprKind }) =>
    exprKind.case === 'callExpr' ? [{ id, name: exprKind.value.function }] : [],
  );
}

/** Every loop. */
export function loopsOf(root: Expr): readonly Loop[] {
  return [...nodes(root)].flatMap(({ exprKind }) => {
    if (exprKind.case !== 'comprehensionExpr') return [];
    const loop = exprKind.value;
    const count = (functionName: string): void => {
      // The tree of `f() && true`, with the loop's own condition in the second place.
      const asked = parse(`${functionName}() && true`).expr;
      if (asked.exprKind.case === 'callExpr' && loop.loopCondition !== undefined)
        asked.exprKind.value.args[1] = loop.loopCondition;
      loop.loopCondition = asked;
    };
    return [{ names: [loop.iterVar, loop.iterVar2, loop.accuVar], count }];
  });
}
