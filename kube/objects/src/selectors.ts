/** Label and field selectors: texts of `?labelSelector=` and `?fieldSelector=`, and LabelSelector objects (apimachinery labels, fields). */

export type LabelOperator = '=' | '!=' | 'in' | 'notin' | 'exists' | '!' | 'gt' | 'lt';
export interface LabelRequirement {
  readonly key: string;
  readonly operator: LabelOperator;
  readonly values: readonly string[];
}
export interface LabelSelectorMatcher {
  matches(labels: Readonly<Record<string, string>> | undefined): boolean;
  /** Sorted by key. Empty: everything matches (unless the selector is "nothing"). */
  readonly requirements: readonly LabelRequirement[];
  /** Canonical text, as `labels.Selector.String()`. */
  toString(): string;
}

export interface FieldRequirement {
  readonly field: string;
  readonly operator: '=' | '!=';
  readonly value: string;
}
export interface FieldSelectorMatcher {
  /** Absent fields count as empty. */
  matches(fields: Readonly<Record<string, string>>): boolean;
  readonly requirements: readonly FieldRequirement[];
  toString(): string;
}

/** The shape of metav1.LabelSelector. */
export interface LabelSelectorObject {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}

/** Parses `a=b,c in (d,e),!f`. Empty text matches everything. Throws BadRequest. */
export function parseLabelSelector(_text: string): LabelSelectorMatcher {
  throw new Error('not built yet');
}

/** A LabelSelector object; `undefined` or null matches nothing, `{}` everything (metav1.LabelSelectorAsSelector). Throws BadRequest. */
export function labelSelectorMatcher(_selector: LabelSelectorObject | null | undefined): LabelSelectorMatcher {
  throw new Error('not built yet');
}

/** Parses `metadata.name=x,status.phase!=Running`. Throws BadRequest. Which fields a kind has is the caller's check. */
export function parseFieldSelector(_text: string): FieldSelectorMatcher {
  throw new Error('not built yet');
}
