/** What a drain leaves in its RunStep: how many pods it evicted, what kept it, what it took down. Small, whatever the node had. */
import type { DrainEvent } from '@polyanthus/engine-drain/drain';
import type { KubeletWord } from '@polyanthus/engine-drain/pod-endings';
import type { DrainMark } from '@polyanthus/engine-runbook/effects';
import type { StepScope } from '@polyanthus/engine-runbook/runbook';

/** Names that are kept of a kind; more of them are not told apart. */
const namesMax = 20;

/** What `node-maintenance` leaves besides what reports read. */
export interface LifeMark extends DrainMark {
  /** The last word of the kubelet, to the executor of this epoch, by its monotonic clock. */
  readonly word?: KubeletWord & { readonly epoch: number };
}

/** Counts as the drain goes on, from where an earlier attempt left off. */
export class DrainTally {
  readonly #scope: StepScope;
  #mark: LifeMark;

  constructor(scope: StepScope) {
    this.#scope = scope;
    const before = scope.mark as LifeMark | undefined;
    const more = scope.identity.attempt > 1 && before === undefined;
    // An executor that was killed in a drain has told nobody what it evicted.
    this.#mark = before ?? { evicted: 0, blockedTimes: 0, ...(more ? { atLeast: true as const } : {}) };
    this.#keep({});
  }

  see({ kind, pod, message = '' }: DrainEvent): void {
    const { evicted, blockedTimes, blockedBy = [] } = this.#mark;
    if (kind === 'evicted' || kind === 'overruled') this.#keep({ evicted: evicted + 1 });
    if (kind !== 'blocked') return;
    const budget = /disruption budget (\S+) needs/.exec(message)?.[1];
    const name = budget === undefined ? undefined : `${pod.split('/')[0] ?? ''}/${budget}`;
    this.#keep({ blockedTimes: blockedTimes + 1, ...added('blockedBy', blockedBy, name === undefined ? [] : [name]) });
  }

  /** `Kind namespace/name` of controllers without a ready pod. */
  down(controllers: readonly string[]): void {
    this.#keep(added('down', this.#mark.down ?? [], controllers));
  }

  hear(word: KubeletWord): void {
    this.#keep({ word: { ...word, epoch: this.#scope.identity.epoch } });
  }

  #keep(change: Partial<LifeMark>): void {
    this.#mark = { ...this.#mark, ...change };
    this.#scope.leave(this.#mark);
  }
}

function added<K extends string>(
  key: K,
  known: readonly string[],
  more: readonly string[],
): { [P in K]?: readonly string[] } {
  const all = [...new Set([...known, ...more])].slice(0, namesMax);
  return (all.length === 0 ? {} : { [key]: all }) as unknown as { [P in K]?: readonly string[] };
}
