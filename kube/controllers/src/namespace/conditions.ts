/** What a namespace in deletion tells its user (kube-controller-manager's namespace/deletion). */
import type { Condition } from '@polyanthus/kube-objects/meta';
import { setCondition } from '@polyanthus/kube-runtime/conditions';

/** What one sweep through a namespace found. */
export interface Sweep {
  /** Group versions whose content is unknown. */
  readonly undiscovered: readonly string[];
  /** Deletions that were refused. */
  readonly failures: readonly string[];
  /** Objects left, by `<resource>.<group>`. */
  readonly remaining: ReadonlyMap<string, number>;
  /** Objects left, by finalizer. */
  readonly finalizers: ReadonlyMap<string, number>;
  /** Pods left: they need their grace period. */
  readonly podGraceSeconds: number;
}

interface Finding {
  readonly type: string;
  readonly good: readonly [reason: string, message: string];
  readonly bad: (sweep: Sweep) => readonly [reason: string, message: string] | undefined;
}

const listed = (counts: ReadonlyMap<string, number>, word: string): string =>
  [...counts]
    .map(([name, count]) => `${name} ${word} ${count} resource instances`)
    .sort()
    .join(', ');

const findings: readonly Finding[] = [
  {
    type: 'NamespaceDeletionDiscoveryFailure',
    good: ['ResourcesDiscovered', 'All resources successfully discovered'],
    bad: ({ undiscovered }) =>
      undiscovered.length === 0
        ? undefined
        : [
            'DiscoveryFailed',
            `Discovery failed for some groups, ${undiscovered.length} failing: ${undiscovered.join(', ')}`,
          ],
  },
  {
    type: 'NamespaceDeletionGroupVersionParsingFailure',
    good: ['ParsedGroupVersions', 'All legacy kube types successfully parsed'],
    bad: () => undefined,
  },
  {
    type: 'NamespaceDeletionContentFailure',
    good: ['ContentDeleted', 'All content successfully deleted, may be waiting on finalization'],
    bad: ({ failures }) =>
      failures.length === 0
        ? undefined
        : [
            'ContentDeletionFailed',
            `Failed to delete all resource types, ${failures.length} remaining: ${[...failures].sort().join(', ')}`,
          ],
  },
  {
    type: 'NamespaceContentRemaining',
    good: ['ContentRemoved', 'All content successfully removed'],
    bad: ({ remaining }) =>
      remaining.size === 0
        ? undefined
        : ['SomeResourcesRemain', `Some resources are remaining: ${listed(remaining, 'has')}`],
  },
  {
    type: 'NamespaceFinalizersRemaining',
    good: ['ContentHasNoFinalizers', 'All content-preserving finalizers finished'],
    bad: ({ finalizers }) =>
      finalizers.size === 0
        ? undefined
        : [
            'SomeFinalizersRemain',
            `Some content in the namespace has finalizers remaining: ${listed(finalizers, 'in')}`,
          ],
  },
];

/** The conditions after a sweep; times change only where a status does. */
export function namespaceConditions(
  before: readonly Condition[] | undefined,
  sweep: Sweep,
  nowMs: number,
): readonly Condition[] {
  let conditions: readonly Condition[] = before ?? [];
  for (const { type, good, bad } of findings) {
    const trouble = bad(sweep);
    const [reason, message] = trouble ?? good;
    conditions = setCondition(
      conditions,
      { type, status: trouble === undefined ? 'False' : 'True', reason, message },
      nowMs,
    );
  }
  return conditions;
}

/** Whether nothing is left and nothing is unknown. */
export function isSwept(sweep: Sweep): boolean {
  return sweep.undiscovered.length === 0 && sweep.failures.length === 0 && sweep.remaining.size === 0;
}
