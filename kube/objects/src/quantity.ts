/** resource.Quantity: exact numbers with suffixes (`500m`, `2Gi`, `1e3`). */

export type QuantityFormat = 'DecimalSI' | 'BinarySI' | 'DecimalExponent';
export interface Quantity {
  /** The value in nanounits: the finest that Kubernetes keeps. */
  readonly nano: bigint;
  readonly format: QuantityFormat;
}

/** Throws Error with apimachinery's words when the text is no quantity. Finer than nano rounds up. */
export function parseQuantity(_text: string | number): Quantity {
  throw new Error('not built yet');
}

/** Canonical text: `1Gi` for `1024Mi`, `1500m` for `1.5`. */
export function formatQuantity(_quantity: Quantity): string {
  throw new Error('not built yet');
}

/** Negative, 0 or positive. */
export function compareQuantities(a: Quantity, b: Quantity): number {
  return a.nano < b.nano ? -1 : a.nano > b.nano ? 1 : 0;
}

/** The sum, in the format of `a` (of `b` when `a` is zero). */
export function addQuantities(a: Quantity, b: Quantity): Quantity {
  return { nano: a.nano + b.nano, format: a.nano === 0n ? b.format : a.format };
}

/** The difference, in the format of `a` (of `b` when `a` is zero). */
export function subtractQuantities(a: Quantity, b: Quantity): Quantity {
  return { nano: a.nano - b.nano, format: a.nano === 0n ? b.format : a.format };
}
