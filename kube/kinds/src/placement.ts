/** Which nodes a pod's spec allows (component-helpers nodeaffinity and toleration): what scheduler and DaemonSets ask alike. */
import type { Node, PodSpec, Taint } from './core.ts';

interface Requirement {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[];
}

/** core/v1 NodeSelectorTerm. */
export interface NodeSelectorTerm {
  readonly matchExpressions?: readonly Requirement[];
  readonly matchFields?: readonly Requirement[];
}

/** core/v1 Affinity, as far as nodes are concerned; other members pass through. */
export interface Affinity {
  readonly nodeAffinity?: {
    readonly requiredDuringSchedulingIgnoredDuringExecution?: {
      readonly nodeSelectorTerms?: readonly NodeSelectorTerm[];
    };
    readonly [more: string]: unknown;
  };
  readonly [more: string]: unknown;
}

/** One toleration of a pod. */
export type Toleration = NonNullable<PodSpec['tolerations']>[number];

/** The terms of the required node affinity; undefined when there is none. */
export function requiredNodeTerms(spec: PodSpec): readonly NodeSelectorTerm[] | undefined {
  return (spec['affinity'] as Affinity | undefined)?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
    ?.nodeSelectorTerms;
}

/** Whether nodeSelector and required node affinity allow the node. One term is enough; an empty one matches nothing. */
export function selectsNode(spec: PodSpec, node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  if (!Object.entries(spec.nodeSelector ?? {}).every(([key, value]) => labels[key] === value)) return false;
  const terms = requiredNodeTerms(spec);
  return terms === undefined || terms.some((term) => termMatches(term, node));
}

function termMatches({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, node: Node): boolean {
  if (matchExpressions.length + matchFields.length === 0) return false;
  const fields = { 'metadata.name': node.metadata.name ?? '' };
  return (
    matchExpressions.every((each) => holds(each, node.metadata.labels ?? {})) &&
    matchFields.every((each) => holds(each, fields))
  );
}

const operators: Readonly<Record<string, (value: string | undefined, values: readonly string[]) => boolean>> = {
  In: (value, values) => value !== undefined && values.includes(value),
  NotIn: (value, values) => value === undefined || !values.includes(value),
  Exists: (value) => value !== undefined,
  DoesNotExist: (value) => value === undefined,
  Gt: (value, [bound]) => isInteger(value) && isInteger(bound) && BigInt(value) > BigInt(bound),
  Lt: (value, [bound]) => isInteger(value) && isInteger(bound) && BigInt(value) < BigInt(bound),
};

const isInteger = (text: string | undefined): text is string => text !== undefined && /^-?\d{1,19}$/.test(text);

function holds({ key, operator, values = [] }: Requirement, labels: Readonly<Record<string, string>>): boolean {
  return operators[operator]?.(Object.hasOwn(labels, key) ? labels[key] : undefined, values) ?? false;
}

/** Whether one toleration takes the taint. An empty key with Exists takes all; an empty effect takes every effect. */
export function toleratesTaint(toleration: Toleration, taint: Pick<Taint, 'key' | 'value' | 'effect'>): boolean {
  const { key = '', operator = '', value = '', effect = '' } = toleration;
  if (effect !== '' && effect !== taint.effect) return false;
  if (key !== '' && key !== taint.key) return false;
  const actual = taint.value ?? '';
  if (operator === '' || operator === 'Equal') return value === actual;
  return operators[operator]?.(actual, [value]) ?? false;
}

/** The first taint of one of `effects` that no toleration takes. */
export function untoleratedTaint(
  taints: readonly Taint[] | undefined,
  tolerations: readonly Toleration[] | undefined,
  effects: readonly Taint['effect'][],
): Taint | undefined {
  return (taints ?? []).find(
    (taint) =>
      effects.includes(taint.effect) && !(tolerations ?? []).some((toleration) => toleratesTaint(toleration, taint)),
  );
}
