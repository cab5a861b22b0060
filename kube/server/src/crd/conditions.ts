/** Names and conditions of a CRD's status (apiextensions naming and establishing controllers). */
import type { CustomResourceDefinition } from '@polyanthus/kube-kinds/core';
import type { Condition } from '@polyanthus/kube-objects/meta';
import type { Registry } from '../registry/registry.ts';

type Names = CustomResourceDefinition['spec']['names'];
type Status = NonNullable<CustomResourceDefinition['status']>;

interface Conflict {
  readonly reason: string;
  readonly message: string;
}

/** The names of the CRD that another resource of its group has already; like kube-apiserver, the last one is told. */
function conflictOf(names: Names, taken: ReadonlySet<string>, kinds: ReadonlySet<string>): Conflict | undefined {
  const wanted: readonly (readonly [string, readonly string[], ReadonlySet<string>])[] = [
    ['PluralConflict', [names.plural], taken],
    ['SingularConflict', [names.singular ?? ''], taken],
    ['ShortNamesConflict', names.shortNames ?? [], taken],
    ['KindConflict', [names.kind], kinds],
    ['ListKindConflict', [names.listKind ?? ''], kinds],
  ];
  return wanted
    .flatMap(([reason, all, used]) =>
      all
        .filter((name) => name !== '' && used.has(name))
        .map((name) => ({ reason, message: `${JSON.stringify(name)} is already in use` })),
    )
    .at(-1);
}

/** The status that a CRD should have now: accepted names and conditions. */
export function desiredStatus(crd: CustomResourceDefinition, registry: Registry, now: string): Status {
  const { group, names } = crd.spec;
  const taken = new Set<string>();
  const kinds = new Set<string>();
  for (const other of registry.all()) {
    // The resource's own versions are no conflict, but a built-in one of the name is: both would be the same objects.
    if (other.type.group !== group || (other.custom && other.type.resource === names.plural)) continue;
    for (const name of [other.type.resource, other.singular, ...other.shortNames]) taken.add(name);
    kinds.add(other.type.kind);
    kinds.add(other.listKind);
  }
  const conflict = conflictOf(names, taken, kinds);
  const before = crd.status?.conditions ?? [];
  const was = before.find(({ type }) => type === 'Established')?.status === 'True';
  const accepted: Omit<Condition, 'lastTransitionTime'> =
    conflict === undefined
      ? { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' }
      : { type: 'NamesAccepted', status: 'False', ...conflict };
  const established: Omit<Condition, 'lastTransitionTime'> =
    was || conflict === undefined
      ? {
          type: 'Established',
          status: 'True',
          reason: 'InitialNamesAccepted',
          message: 'the initial names have been accepted',
        }
      : { type: 'Established', status: 'False', reason: 'NotAccepted', message: 'not all names are accepted' };
  const others = before.filter(({ type }) => type !== 'NamesAccepted' && type !== 'Established');
  return {
    ...crd.status,
    conditions: [...[accepted, established].map((one) => carried(one, before, now)), ...others],
    acceptedNames: conflict === undefined ? names : (crd.status?.acceptedNames ?? { plural: '', kind: '' }),
  };
}

/** Keeps the transition time while the status of the condition stays. */
function carried(one: Omit<Condition, 'lastTransitionTime'>, before: readonly Condition[], now: string): Condition {
  const same = before.find(({ type, status }) => type === one.type && status === one.status);
  return {
    lastTransitionTime: same?.lastTransitionTime ?? now,
    message: one.message,
    reason: one.reason,
    status: one.status,
    type: one.type,
  };
}
