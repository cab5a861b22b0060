/** The rolling update of a StatefulSet: highest ordinal first, down to the partition, within maxUnavailable. */
import type { Context } from '@polyanthus/ground-base/context';
import { scaledCount } from '../counts.ts';
import { desiredReplicas, isMonotonic, revisionOf } from './identity.ts';
import {
  deletePod,
  isAvailable,
  isTerminating,
  isUnavailable,
  type Member,
  type Progress,
  type Round,
} from './round.ts';

/** Deletes pods of earlier revisions, which the next rounds create anew. */
export async function replaceOutdated(ctx: Context, round: Round): Promise<Progress> {
  if (round.set.spec.updateStrategy?.type === 'OnDelete') return 'next';
  const away = round.members.filter(({ pod }) => isUnavailable(round, pod)).length;
  const room = maxUnavailable(round) - away;
  const outdated = round.members
    .slice(partition(round))
    .filter((member) => isOutdated(round, member))
    .toReversed();
  const chosen = isMonotonic(round.set) ? outdated.slice(0, Math.max(0, room)) : parallel(round, outdated, room);
  for (const { pod } of chosen) {
    if (pod === undefined) continue;
    await deletePod(ctx, round, pod);
    round.replaced += 1;
  }
  return 'next';
}

/** Those that serve nobody cost nothing and go at once; of the others as many as may be away. */
function parallel(round: Round, outdated: readonly Member[], room: number): readonly Member[] {
  const serves = ({ pod }: Member): boolean => pod !== undefined && isAvailable(round, pod);
  return [...outdated.filter((member) => !serves(member)), ...outdated.filter(serves).slice(0, Math.max(0, room))];
}

const isOutdated = ({ update }: Round, { pod }: Member): boolean =>
  pod !== undefined && revisionOf(pod) !== update.metadata.name && !isTerminating(pod);

/** Places below it keep the current revision. */
export const partition = ({ set }: Pick<Round, 'set'>): number =>
  set.spec.updateStrategy?.rollingUpdate?.partition ?? 0;

function maxUnavailable({ set }: Round): number {
  const value = set.spec.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1;
  return Math.max(1, scaledCount(value, desiredReplicas(set), Math.floor));
}
