/** Parameters of a runbook: a small schema, values from a Run's spec or from texts of a command line. */
import { didYouMean } from '@polyanthus/ground-cli-kit/suggest';
import { runbookErrors } from './errors.ts';

/** One parameter. Durations are milliseconds. */
export interface ParameterSpec {
  readonly name: string;
  readonly type: 'text' | 'integer' | 'boolean' | 'duration' | 'list';
  readonly help: string;
  readonly required?: boolean;
  readonly default?: ParameterValue;
  readonly choices?: readonly string[];
  /** Characters of a text, or of each entry of a list, at most; 1024 where absent. */
  readonly maximumLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** A value; `list` is of texts. */
export type ParameterValue = string | number | boolean | readonly string[];

/** By name, defaults filled in. */
export type ParameterValues = Readonly<Record<string, ParameterValue>>;

/** Entries of a list parameter at most. */
const listMax = 5000;
const lengthMax = 1024;
/** Problems that a message names. */
const problemsMax = 20;

/** Checks `given` against the schema and fills in defaults. Throws RunParameterInvalid, which names all that is wrong. */
export function readParameters(
  runbook: string,
  schema: readonly ParameterSpec[],
  given: Readonly<Record<string, unknown>>,
): ParameterValues {
  const known = new Set(schema.map((one) => one.name));
  const problems = Object.keys(given)
    .filter((name) => !known.has(name))
    .map((name) => `${name.slice(0, 64)}: there is no such parameter${didYouMean(name, [...known])}`);
  const values: Record<string, ParameterValue> = {};
  for (const spec of schema) {
    const value = given[spec.name] ?? spec.default;
    if (value === undefined) {
      if (spec.required === true) problems.push(`${spec.name}: is required`);
      continue;
    }
    const problem = problemOf(spec, value);
    if (problem === undefined) values[spec.name] = value as ParameterValue;
    else problems.push(`${spec.name}: ${problem}`);
  }
  if (problems.length > 0)
    throw runbookErrors.error(
      'RunParameterInvalid',
      `runbook ${runbook}: ${problems.slice(0, problemsMax).join('; ')}`,
      { next: `See its parameters with: polyanthus runbook explain ${runbook}` },
    );
  return values;
}

function problemOf(spec: ParameterSpec, value: unknown): string | undefined {
  switch (spec.type) {
    case 'text':
      if (typeof value !== 'string') return 'is no text';
      if (value.length > lengthOf(spec)) return `has more than ${lengthOf(spec)} characters`;
      return spec.choices === undefined || spec.choices.includes(value)
        ? undefined
        : `is none of ${spec.choices.join(', ')}`;
    case 'boolean':
      return typeof value === 'boolean' ? undefined : 'is neither true nor false';
    case 'list':
      if (!Array.isArray(value) || !value.every((one) => typeof one === 'string')) return 'is no list of texts';
      if (value.some((one: string) => one.length > lengthOf(spec)))
        return `has an entry of more than ${lengthOf(spec)} characters`;
      return value.length > listMax
        ? `has more than ${listMax} entries`
        : spec.required === true && value.length === 0
          ? 'is empty'
          : undefined;
    case 'integer':
    case 'duration':
      return numberProblem(spec, value);
    default:
      return spec.type satisfies never;
  }
}

const lengthOf = (spec: ParameterSpec): number => spec.maximumLength ?? lengthMax;

function numberProblem(spec: ParameterSpec, value: unknown): string | undefined {
  if (spec.type === 'duration' && typeof value === 'string') return 'is no duration such as 90s or 1h30m';
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) return 'is no whole number';
  const minimum = spec.minimum ?? (spec.type === 'duration' ? 0 : undefined);
  if (minimum !== undefined && value < minimum) return `is less than ${shown(spec, minimum)}`;
  return spec.maximum !== undefined && value > spec.maximum ? `is more than ${shown(spec, spec.maximum)}` : undefined;
}

const shown = (spec: ParameterSpec, value: number): string =>
  spec.type === 'duration' ? `${value} ms` : String(value);

/** Values from `NAME=VALUE` texts; lists are separated by commas or the name is repeated. Throws RunParameterInvalid. */
export function parametersFromTexts(
  runbook: string,
  schema: readonly ParameterSpec[],
  texts: readonly string[],
  durationMs: (text: string) => number | undefined,
): Readonly<Record<string, unknown>> {
  const out: Record<string, unknown> = {};
  for (const text of texts) {
    const at = text.indexOf('=');
    const name = at < 0 ? text : text.slice(0, at);
    const value = at < 0 ? 'true' : text.slice(at + 1);
    const spec = schema.find((one) => one.name === name);
    if (spec?.type === 'list')
      out[name] = [...((out[name] ?? []) as readonly string[]), ...value.split(',').filter((one) => one !== '')];
    else out[name] = spec === undefined ? value : valueOf(spec, value, durationMs);
  }
  return readParameters(runbook, schema, out);
}

/** What is not of the form stays a text, and the check of the schema says so. */
function valueOf(spec: ParameterSpec, text: string, durationMs: (text: string) => number | undefined): unknown {
  if (spec.type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  if (spec.type === 'integer') return /^-?\d{1,15}$/.test(text) ? Number(text) : text;
  return spec.type === 'duration' ? (durationMs(text) ?? text) : text;
}
