/** The rolling update of a DaemonSet (daemon/update.go): old pods go within maxUnavailable, or new ones come within maxSurge. */
import type { Pod } from '@polyanthus/kube-kinds/core';
import type { DaemonSet } from '@polyanthus/kube-kinds/workloads';
import { scaledCount } from '../counts.ts';
import { fitOf, isUpdated } from './placement.ts';
import { isAvailable, isTerminating, type Changes, type Round } from './round.ts';

const rolling = (set: DaemonSet) =>
  set.spec.updateStrategy?.type === 'OnDelete' ? undefined : (set.spec.updateStrategy?.rollingUpdate ?? {});

/** Nodes that may have two pods at once during an update. */
export function surgeOf(set: DaemonSet, wanted: number): number {
  return scaledCount(rolling(set)?.maxSurge ?? 0, wanted, Math.ceil);
}

/** What the update asks for next. */
export function rolloutChanges(round: Round): Changes {
  if (round.set.spec.updateStrategy?.type === 'OnDelete') return { nodes: [], remove: [] };
  const wanted = round.scope.nodeCache.list().filter((node) => fitOf(round.set, node).run);
  const places = new Map<string, readonly Pod[]>(round.byNode);
  for (const { metadata } of wanted) if (!places.has(metadata.name ?? '')) places.set(metadata.name ?? '', []);
  const maxSurge = surgeOf(round.set, wanted.length);
  if (maxSurge > 0) return surging(round, places, maxSurge, wanted.length);
  const unavailable = scaledCount(rolling(round.set)?.maxUnavailable ?? 1, wanted.length, Math.ceil);
  return replacing(round, places, unavailable === 0 ? 1 : unavailable);
}

/** The pods of one node, when there is at most one of each; undefined when there are more, which others clean up. */
function pair(
  { set, hash }: Round,
  pods: readonly Pod[],
): { readonly old: Pod | undefined; readonly fresh: Pod | undefined } | undefined {
  const living = pods.filter((pod) => !isTerminating(pod));
  const fresh = living.filter((pod) => isUpdated(set, pod, hash));
  const old = living.filter((pod) => !isUpdated(set, pod, hash));
  return fresh.length > 1 || old.length > 1 ? undefined : { old: old[0], fresh: fresh[0] };
}

function replacing(round: Round, places: ReadonlyMap<string, readonly Pod[]>, maxUnavailable: number): Changes {
  let away = 0;
  const atOnce: Pod[] = [];
  const candidates: Pod[] = [];
  for (const pods of places.values()) {
    const { old, fresh } = pair(round, pods) ?? {};
    if ((old === undefined) === (fresh === undefined)) away += 1;
    else if (fresh !== undefined) away += isAvailable(round, fresh) ? 0 : 1;
    else if (old !== undefined && isAvailable(round, old)) candidates.push(old);
    else if (old !== undefined) {
      // It serves nobody: replacing it costs nothing.
      atOnce.push(old);
      away += 1;
    }
  }
  return { nodes: [], remove: [...atOnce, ...candidates.slice(0, Math.max(0, maxUnavailable - away))] };
}

/** What a look at all nodes gave, for an update with surge. */
interface Surge {
  surging: number;
  available: number;
  readonly remove: Pod[];
  readonly misplaced: Pod[];
  readonly atOnce: string[];
  readonly candidates: string[];
}

function surging(round: Round, places: ReadonlyMap<string, readonly Pod[]>, maxSurge: number, wanted: number): Changes {
  const seen: Surge = { surging: 0, available: 0, remove: [], misplaced: [], atOnce: [], candidates: [] };
  for (const [node, pods] of places) look(round, seen, node, pods);
  // Pods on nodes that are no longer wanted serve until enough others do.
  const spare = Math.max(0, seen.available - wanted);
  return {
    nodes: [...seen.atOnce, ...seen.candidates.slice(0, Math.max(0, maxSurge - seen.surging))],
    remove: [...seen.remove, ...seen.misplaced.slice(0, spare)],
  };
}

function look(round: Round, seen: Surge, name: string, pods: readonly Pod[]): void {
  const both = pair(round, pods);
  if (both === undefined) {
    seen.surging += 1;
    return;
  }
  const { old, fresh } = both;
  const serving = old ?? fresh;
  if (serving !== undefined && isAvailable(round, serving)) seen.available += 1;
  if (old === undefined) return;
  if (fresh !== undefined) {
    if (isAvailable(round, fresh)) seen.remove.push(old);
    else seen.surging += 1;
    return;
  }
  const node = round.scope.nodeCache.get(name);
  const wanted = node !== undefined && fitOf(round.set, node).run;
  const serves = isAvailable(round, old);
  if (!wanted) (serves ? seen.misplaced : seen.remove).push(old);
  else (serves ? seen.candidates : seen.atOnce).push(name);
}
