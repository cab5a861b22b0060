/** A drain while the plan runs, as `engine/drain` does it: 32 pods at once, refused ones again when their budget allows it. */
import { judgePods, type DrainRules, type PodVerdict } from '@polyanthus/engine-drain/filters';
import type { BudgetState } from '../model/budget.ts';
import type { NodeState } from '../model/node.ts';
import type { PodState } from '../model/pod.ts';
import type { ClusterRun } from './cluster-run.ts';
import type { GivenUp, Journal } from './journal.ts';
import type { EventLoop } from './loop.ts';

/** Evictions under way at once, as in `engine/drain`. */
const parallelMax = 32;

/** What a drain may do. */
export interface DrainSetup {
  readonly node: NodeState<PodState>;
  readonly rules: DrainRules;
  /** All attempts together. */
  readonly timeoutMs: number;
  /** A pod that was refused for so long is deleted; absent: never. */
  readonly forceAfterMs: number | undefined;
  readonly retryMs: number;
  readonly step: string;
}

/** What became of it. */
export interface DrainOutcome {
  readonly ok: boolean;
  readonly evicted: number;
}

/** What the rules say of each pod of a node, with the pod's state. */
export function judgeStates(
  run: ClusterRun,
  node: NodeState<PodState>,
  rules: DrainRules,
): readonly (PodVerdict & { readonly state: PodState })[] {
  const states = [...node.pods];
  const verdicts = judgePods(
    states.map((state) => state.object),
    {
      allowed: rules,
      daemonSetExists: (namespace, name) => run.cluster.daemonSets.has(`${namespace}/${name}`),
      nowMs: Date.parse(run.cluster.snapshot.takenAt),
    },
  );
  return verdicts.flatMap((verdict, index) => {
    const state = states[index];
    return state === undefined ? [] : [{ ...verdict, state }];
  });
}

interface Refused {
  readonly pod: PodState;
  readonly budget: BudgetState;
  readonly sinceMs: number;
  readonly stop: () => void;
}

/** See the file's header; `done` is called once. */
export class DrainRun {
  readonly #run: ClusterRun;
  readonly #loop: EventLoop;
  readonly #journal: Journal;
  readonly #setup: DrainSetup;
  readonly #done: (outcome: DrainOutcome) => void;
  readonly #queue: PodState[];
  readonly #refused = new Map<PodState, Refused>();
  readonly #startMs: number;
  #busy = 0;
  #evicted = 0;
  /** Pods that never go: in two budgets. */
  #stuck = 0;
  #ended = false;

  constructor(
    parts: { readonly run: ClusterRun; readonly loop: EventLoop; readonly journal: Journal },
    setup: DrainSetup,
    done: (outcome: DrainOutcome) => void,
  ) {
    this.#run = parts.run;
    this.#loop = parts.loop;
    this.#journal = parts.journal;
    this.#setup = setup;
    this.#done = done;
    this.#startMs = this.#loop.nowMs;
    this.#queue = judgeStates(this.#run, setup.node, setup.rules)
      .filter((one) => one.evict)
      .map((one) => one.state);
    const giveUp = this.#loop.deadline(setup.timeoutMs, () => this.#giveUp());
    this.#cancelDeadline = giveUp;
    this.#next();
  }

  readonly #cancelDeadline: () => void;

  #next(): void {
    while (this.#busy < parallelMax) {
      const pod = this.#queue.shift();
      if (pod === undefined) break;
      this.#busy += 1;
      this.#try(pod, this.#loop.nowMs);
    }
    if (this.#busy === 0 && this.#queue.length === 0) this.#end(this.#stuck === 0);
  }

  #try(pod: PodState, sinceMs: number): void {
    if (this.#ended) return;
    const answer = pod.phase === 'terminating' || pod.phase === 'gone' ? 'allowed' : this.#run.evict(pod);
    if (answer === 'allowed') this.#goes(pod, sinceMs);
    else if (answer === 'overlap') this.#overlap(pod);
    else this.#waitFor(pod, sinceMs);
  }

  #goes(pod: PodState, sinceMs: number): void {
    this.#evicted += 1;
    const nowMs = this.#loop.nowMs;
    const [budget] = pod.rules.budgets;
    if (budget !== undefined && nowMs > sinceMs) this.#journal.waited(budget, pod, sinceMs, nowMs, budget.wants);
    this.#run.whenGone(pod, () => this.#loop.after(0, () => this.#free()));
  }

  #free(): void {
    if (this.#ended) return;
    this.#busy -= 1;
    this.#next();
  }

  #overlap(pod: PodState): void {
    this.#journal.overlap(pod, this.#setup.step);
    this.#stuck += 1;
    this.#free();
  }

  /** Tries again at once when the budget allows an eviction; at its own beat when something else about it has changed. */
  #waitFor(pod: PodState, sinceMs: number): void {
    const [budget] = pod.rules.budgets;
    if (budget === undefined) return;
    const { retryMs, forceAfterMs } = this.#setup;
    let unplan: (() => void) | undefined;
    const nextBeat = (fromMs: number): number => sinceMs + Math.ceil((fromMs - sinceMs) / retryMs) * retryMs;
    const again = (): void => {
      stop();
      if (this.#refused.delete(pod)) this.#try(pod, sinceMs);
    };
    const changed = (): void => {
      const nowMs = this.#loop.nowMs;
      if (budget.allowed > 0) again();
      else unplan ??= this.#loop.after(Math.max(0, nextBeat(nowMs + 1) - nowMs), again);
    };
    const unsubscribe = this.#run.whenHealthier(budget, changed);
    const unforce =
      forceAfterMs === undefined
        ? () => undefined
        : this.#loop.after(Math.max(0, nextBeat(sinceMs + forceAfterMs) - this.#loop.nowMs), () => {
            stop();
            if (this.#refused.delete(pod)) this.#force(pod, budget, sinceMs);
          });
    const stop = (): void => {
      unsubscribe();
      unplan?.();
      unforce();
    };
    this.#refused.set(pod, { pod, budget, sinceMs, stop });
  }

  #force(pod: PodState, budget: BudgetState, sinceMs: number): void {
    if (this.#ended) return;
    this.#journal.gaveUp(budget, [pod], 'forced', {
      nowMs: this.#loop.nowMs,
      step: this.#setup.step,
      afterMs: this.#loop.nowMs - sinceMs,
    });
    this.#run.remove(pod);
    this.#goes(pod, this.#loop.nowMs);
  }

  /** The deadline: what is refused stays. When nothing else was to come any more, it would stay for ever. */
  #giveUp(): void {
    const how: GivenUp = this.#loop.alive ? 'slow' : 'never';
    const byBudget = new Map<BudgetState, PodState[]>();
    for (const { pod, budget } of this.#refused.values()) byBudget.set(budget, [...(byBudget.get(budget) ?? []), pod]);
    for (const pod of this.#queue) for (const budget of pod.rules.budgets) byBudget.get(budget)?.push(pod);
    const at = { nowMs: this.#loop.nowMs, step: this.#setup.step, afterMs: this.#loop.nowMs - this.#startMs };
    for (const [budget, pods] of byBudget) this.#journal.gaveUp(budget, pods, how, at);
    this.#end(false);
  }

  #end(ok: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelDeadline();
    for (const { stop } of this.#refused.values()) stop();
    this.#done({ ok, evicted: this.#evicted });
  }
}
