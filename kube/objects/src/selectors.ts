/** Label and field selectors: texts of `?labelSelector=` and `?fieldSelector=`, and LabelSelector objects (apimachinery labels, fields). */
import { parseRequirements } from './label-selector-parser.ts';
import type { LabelOperator, LabelRequirement } from './label-requirement.ts';
import { invalidValue } from './field-errors.ts';
import { labelValue, qualifiedName } from './names.ts';
import { statusError, type StatusCause, type StatusError } from './status.ts';

/** A parsed label selector: asks labels, and says what it asks. */
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
/** A parsed field selector: asks field values, and says what it asks. */
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

const integerPattern = /^[-+]?\d+$/;

/** Order of numbers in labels (Gt, Lt), exact for any size that a label can hold. */
function ordered(operator: 'gt' | 'lt', value: string, bound: string): boolean {
  if (!integerPattern.test(value)) return false;
  const [left, right] = [BigInt(value.replace(/^\+/, '')), BigInt(bound.replace(/^\+/, ''))];
  return operator === 'gt' ? left > right : left < right;
}

interface OperatorRule {
  readonly satisfied: (value: string | undefined, values: readonly string[]) => boolean;
  readonly text: (key: string, values: string) => string;
  /** What is wrong with the number of values. */
  readonly fault: (count: number) => string | undefined;
}

const exact = (count: number): string | undefined =>
  count === 1 ? undefined : 'exact-match compatibility requires one single value';
const some = (count: number): string | undefined =>
  count > 0 ? undefined : "for 'in', 'notin' operators, values set can't be empty";
const none = (count: number): string | undefined =>
  count === 0 ? undefined : 'values set must be empty for exists and does not exist';
const single = (count: number): string | undefined =>
  count === 1 ? undefined : "for 'Gt', 'Lt' operators, exactly one value is required";

const within = (value: string | undefined, values: readonly string[]): boolean =>
  value !== undefined && values.includes(value);
const outside = (value: string | undefined, values: readonly string[]): boolean => !within(value, values);
const compared =
  (operator: 'gt' | 'lt') =>
  (value: string | undefined, values: readonly string[]): boolean =>
    value !== undefined && ordered(operator, value, values[0] ?? '0');

const operators: Readonly<Record<LabelOperator, OperatorRule>> = {
  '=': { satisfied: within, text: (key, values) => `${key}=${values}`, fault: exact },
  '!=': { satisfied: outside, text: (key, values) => `${key}!=${values}`, fault: exact },
  in: { satisfied: within, text: (key, values) => `${key} in (${values})`, fault: some },
  notin: { satisfied: outside, text: (key, values) => `${key} notin (${values})`, fault: some },
  exists: { satisfied: (value) => value !== undefined, text: (key) => key, fault: none },
  '!': { satisfied: (value) => value === undefined, text: (key) => `!${key}`, fault: none },
  gt: { satisfied: compared('gt'), text: (key, values) => `${key}>${values}`, fault: single },
  lt: { satisfied: compared('lt'), text: (key, values) => `${key}<${values}`, fault: single },
};

function satisfies({ key, operator, values }: LabelRequirement, labels: Readonly<Record<string, string>>): boolean {
  return operators[operator].satisfied(Object.hasOwn(labels, key) ? labels[key] : undefined, values);
}

function requirementText({ key, operator, values }: LabelRequirement): string {
  return operators[operator].text(key, values.toSorted().join(','));
}

function valuesFault({ operator, values }: LabelRequirement): StatusCause | undefined {
  const fault = operators[operator].fault(values.length);
  if (fault !== undefined) return invalidValue('values', values, fault);
  const [value = ''] = values;
  if ((operator !== 'gt' && operator !== 'lt') || integerPattern.test(value)) return undefined;
  return invalidValue('values[0]', value, "for 'Gt', 'Lt' operators, the value must be an integer");
}

/** Faults of one requirement (labels.NewRequirement). */
function requirementFaults(requirement: LabelRequirement): StatusCause[] {
  const faults: StatusCause[] = [];
  const keyFaults = qualifiedName(requirement.key);
  if (keyFaults.length > 0) faults.push(invalidValue('key', requirement.key, keyFaults.join('; ')));
  const set = valuesFault(requirement);
  if (set !== undefined) faults.push(set);
  requirement.values.forEach((value, index) => {
    const texts = labelValue(value);
    if (texts.length > 0) faults.push(invalidValue(`values[${index}][${requirement.key}]`, value, texts.join('; ')));
  });
  return faults;
}

function joined(causes: readonly StatusCause[]): string {
  const texts = causes.map((cause) => `${cause.field}: ${cause.message}`);
  return texts.length === 1 ? (texts[0] ?? '') : `[${texts.join(', ')}]`;
}

function refuse(text: string, why: string): StatusError {
  return statusError('BadRequest', `unable to parse selector ${JSON.stringify(text)}: ${why}`);
}

function matcher(requirements: readonly LabelRequirement[], nothing = false): LabelSelectorMatcher {
  const sorted = requirements.toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return {
    requirements: sorted,
    matches: (labels = {}) => !nothing && sorted.every((requirement) => satisfies(requirement, labels)),
    toString: () => sorted.map(requirementText).join(','),
  };
}

/** Parses `a=b,c in (d,e),!f`. Empty text matches everything. Throws BadRequest with apimachinery's words. */
export function parseLabelSelector(text: string): LabelSelectorMatcher {
  const parsed = parseRequirements(text);
  if ('fault' in parsed) throw statusError('BadRequest', parsed.fault);
  for (const requirement of parsed.requirements) {
    const faults = requirementFaults(requirement);
    if (faults.length > 0) throw statusError('BadRequest', `unable to parse requirement: ${joined(faults)}`);
  }
  return matcher(parsed.requirements);
}

const expressionOperators: Readonly<Record<string, LabelOperator>> = {
  In: 'in',
  NotIn: 'notin',
  Exists: 'exists',
  DoesNotExist: '!',
};

/** A LabelSelector object; `undefined` or null matches nothing, `{}` everything (metav1.LabelSelectorAsSelector). Throws BadRequest. */
export function labelSelectorMatcher(selector: LabelSelectorObject | null | undefined): LabelSelectorMatcher {
  if (selector === null || selector === undefined) return matcher([], true);
  const requirements: LabelRequirement[] = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => ({
    key,
    operator: '=',
    values: [value],
  }));
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    const known = Object.hasOwn(expressionOperators, operator) ? expressionOperators[operator] : undefined;
    if (known === undefined) throw refuse(operator, `"${operator}" is not a valid label selector operator`);
    requirements.push({ key, operator: known, values: values ?? [] });
  }
  for (const requirement of requirements) {
    const faults = requirementFaults(requirement);
    if (faults.length > 0) throw refuse(requirement.key, joined(faults));
  }
  return matcher(requirements);
}

/** Go's EscapeValue, undone. */
function unescapeValue(text: string): string {
  let value = '';
  for (let at = 0; at < text.length; at += 1) {
    const mark = text[at] ?? '';
    if (mark === '\\') {
      const next = text[at + 1] ?? '';
      if (next === '' || !'\\,='.includes(next)) {
        throw statusError('BadRequest', `invalid field selector: invalid escape sequence: \\${next}`);
      }
      value += next;
      at += 1;
    } else if (mark === ',' || mark === '=') {
      throw statusError('BadRequest', `invalid field selector: unescaped character in value: ${mark.charCodeAt(0)}`);
    } else value += mark;
  }
  return value;
}

/** Parts between commas that no backslash escapes. */
const splitTerms = (text: string): string[] => text.match(/(?:\\.|[^\\,]|\\$)+/gs) ?? [];

function fieldRequirement(term: string, whole: string): FieldRequirement {
  const found = /^(?<field>.*?)(?<operator>!=|==|=)(?<value>.*)$/s.exec(term)?.groups;
  if (found === undefined) throw statusError('BadRequest', `invalid selector: '${whole}'; can't understand '${term}'`);
  const { field = '', operator = '', value = '' } = found;
  return { field, operator: operator === '!=' ? '!=' : '=', value: unescapeValue(value) };
}

const escapeValue = (value: string): string => value.replaceAll(/[\\,=]/g, (mark) => `\\${mark}`);

/** Parses `metadata.name=x,status.phase!=Running`. Throws BadRequest. Which fields a kind has is the caller's check. */
export function parseFieldSelector(text: string): FieldSelectorMatcher {
  const requirements = splitTerms(text)
    .toSorted()
    .map((term) => fieldRequirement(term, text));
  return {
    requirements,
    matches: (fields) =>
      requirements.every(({ field, operator, value }) => {
        const found = Object.hasOwn(fields, field) ? (fields[field] ?? '') : '';
        return (found === value) === (operator === '=');
      }),
    toString: () =>
      requirements.map(({ field, operator, value }) => `${field}${operator}${escapeValue(value)}`).join(','),
  };
}
