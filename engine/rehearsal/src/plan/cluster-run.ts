/** The cluster while the plan runs: pods end, successors are made, placed and become ready, waiters are woken. */
import { isServing } from '@polyanthus/kube-kinds/ready';
import { answerTo, type BudgetState, type EvictionAnswer } from '../model/budget.ts';
import { leaveSpread, occupy, setReady, vacate, type Cluster } from '../model/cluster.ts';
import { NodeState } from '../model/node.ts';
import { placeFor } from '../model/placement.ts';
import { PodState } from '../model/pod.ts';
import { ordinalOf, type Workload } from '../model/workload.ts';
import { defaultTimes } from '../times.ts';
import type { Journal } from './journal.ts';
import type { EventLoop } from './loop.ts';

/** Times of pods. */
export interface PodTimes {
  /** Learnt: how long a pod takes to end at most; undefined: nothing is known. */
  readonly podEndMs?: number | undefined;
}

/** See the file's header. */
export class ClusterRun {
  readonly cluster: Cluster;
  readonly #loop: EventLoop;
  readonly #journal: Journal;
  readonly #times: PodTimes;
  /** Pods without a node, by workload: what does not fit once does not fit for its siblings. */
  readonly #pending = new Map<Workload | string, PodState[]>();
  readonly #goneWaiters = new Map<PodState, (() => void)[]>();
  readonly #budgetWaiters = new Map<BudgetState, Set<() => void>>();
  readonly #readyWaiters = new Map<Workload, Set<() => void>>();
  /** Whether a pod of this line was ever ready: one that never was will not be elsewhere. */
  readonly #hopeless = new Set<PodState>();
  #retryPlanned = false;
  #made = 0;

  constructor(cluster: Cluster, loop: EventLoop, journal: Journal, times: PodTimes) {
    this.cluster = cluster;
    this.#loop = loop;
    this.#journal = journal;
    this.#times = times;
    for (const node of cluster.nodes) for (const pod of node.pods) this.#adopt(pod);
    for (const pod of cluster.waiting) this.#wait(pod);
  }

  /** Pods of the snapshot that are in the middle of something. */
  #adopt(pod: PodState): void {
    if (pod.phase === 'terminating') this.#loop.after(this.#endMs(pod), () => this.#gone(pod));
    else if (pod.phase === 'running' && !isServing(pod.object)) this.#hopeless.add(pod);
    else if (pod.phase === 'starting') this.#start(pod, backsOff(pod));
  }

  /** All that are there, those that wait for a node included. */
  get pods(): readonly PodState[] {
    return [...this.cluster.nodes.flatMap((node) => [...node.pods]), ...[...this.#pending.values()].flat()];
  }

  cordon(node: NodeState<PodState>, cordoned: boolean): void {
    if (node.cordoned === cordoned) return;
    node.cordoned = cordoned;
    this.cluster.rules.spreads.cordonChanged();
    if (!cordoned) this.#retrySoon();
  }

  /** Asks the budgets; what is allowed begins to end. */
  evict(pod: PodState): EvictionAnswer {
    const answer = answerTo(pod);
    if (answer === 'allowed') this.remove(pod);
    return answer;
  }

  /** Begins to end a pod, whatever its budgets say. */
  remove(pod: PodState): void {
    if (pod.phase === 'terminating' || pod.phase === 'gone') return;
    const { workload } = pod;
    const wasReady = pod.ready;
    if (pod.phase === 'pending') this.#unwait(pod);
    pod.phase = 'terminating';
    setReady(pod, false);
    leaveSpread(pod);
    workload?.members.delete(pod);
    if (wasReady && workload?.facts.serves === true && workload.ready === 0)
      this.#journal.down(workload, pod, this.#loop.nowMs);
    this.#loop.after(this.#endMs(pod), () => this.#gone(pod));
    if (workload === undefined) return;
    if (workload.facts.replacement === 'when-gone') workload.missing.push(pod);
    else if (workload.lacks) this.#replace(pod, workload);
  }

  /** Calls when the pod is gone; at once when it is. */
  whenGone(pod: PodState, fn: () => void): void {
    if (pod.phase === 'gone') fn();
    else push(this.#goneWaiters, pod, fn);
  }

  /** Calls each time that a budget may allow more; answers how to stop it. */
  whenHealthier(budget: BudgetState, fn: () => void): () => void {
    return subscribe(this.#budgetWaiters, budget, fn);
  }

  /** Calls each time that a workload has one more ready pod; answers how to stop it. */
  whenReadier(workload: Workload<PodState>, fn: () => void): () => void {
    return subscribe(this.#readyWaiters, workload, fn);
  }

  #endMs(pod: PodState): number {
    const graceMs = (pod.object.spec.terminationGracePeriodSeconds ?? 30) * 1000;
    return Math.min(graceMs, this.#times.podEndMs ?? defaultTimes.podEndMs);
  }

  #gone(pod: PodState): void {
    const { node, workload } = pod;
    pod.phase = 'gone';
    if (node !== undefined) this.cluster.order.change(node, () => vacate(pod));
    for (const budget of pod.rules.budgets) budget.pods.delete(pod);
    for (const fn of this.#goneWaiters.get(pod) ?? []) fn();
    this.#goneWaiters.delete(pod);
    if (workload !== undefined && workload.facts.replacement === 'when-gone') this.#refill(workload);
    if (node !== undefined && (!node.cordoned || isSelective(pod))) this.#retrySoon();
  }

  /** Makes what is missing of a workload whose pods keep their names; in order where it starts one after the other. */
  #refill(workload: Workload<PodState>): void {
    workload.missing.sort((one, other) => ordinalOf(one) - ordinalOf(other));
    for (const pod of Array.from(workload.missing)) {
      if (pod.phase !== 'gone') {
        if (workload.facts.ordered) return;
        continue;
      }
      const before = [...workload.members].some((one) => ordinalOf(one) < ordinalOf(pod) && !one.ready);
      if (workload.facts.ordered && before) return;
      workload.missing.splice(workload.missing.indexOf(pod), 1);
      if (workload.lacks) this.#replace(pod, workload);
      if (workload.facts.ordered) return;
    }
  }

  #replace(pod: PodState, workload: Workload<PodState>): void {
    const key = workload.facts.replacement === 'when-gone' ? pod.key : `${pod.key}~${++this.#made}`;
    const successor = new PodState(pod.object, pod.rules, workload, { key, predecessor: pod });
    if (this.#hopeless.has(pod)) this.#hopeless.add(successor);
    workload.members.add(successor);
    for (const budget of successor.rules.budgets) budget.pods.add(successor);
    if (!this.#place(successor)) this.#wait(successor);
  }

  #place(pod: PodState): boolean {
    const found = placeFor(pod, this.cluster.order);
    if (!(found instanceof NodeState)) {
      if (pod.pendingSinceMs === undefined && pod.predecessor !== undefined)
        this.#journal.unplaced(pod, found, this.#loop.nowMs);
      return false;
    }
    this.cluster.order.change(found, () => occupy(pod, found));
    pod.phase = 'starting';
    this.#start(pod, this.#hopeless.has(pod));
    if (isSelective(pod)) this.#retrySoon();
    return true;
  }

  #start(pod: PodState, hopeless: boolean): void {
    this.#loop.after(pod.workload?.readyMs ?? defaultTimes.podReadyMs, () => {
      if (pod.phase !== 'starting') return;
      pod.phase = 'running';
      if (hopeless) this.#hopeless.add(pod);
      else this.#ready(pod);
    });
  }

  #ready(pod: PodState): void {
    const { workload } = pod;
    setReady(pod, true);
    for (const budget of pod.rules.budgets) for (const fn of Array.from(this.#budgetWaiters.get(budget) ?? [])) fn();
    if (workload === undefined) return;
    this.#journal.up(workload, this.#loop.nowMs);
    for (const fn of Array.from(this.#readyWaiters.get(workload) ?? [])) fn();
    if (workload.missing.length > 0) this.#refill(workload);
  }

  #wait(pod: PodState): void {
    pod.phase = 'pending';
    pod.pendingSinceMs ??= this.#loop.nowMs;
    push(this.#pending, pod.workload ?? pod.key, pod);
  }

  #unwait(pod: PodState): void {
    const group = this.#pending.get(pod.workload ?? pod.key) ?? [];
    const at = group.indexOf(pod);
    if (at >= 0) group.splice(at, 1);
    this.#settle(pod);
  }

  #settle(pod: PodState): void {
    if (pod.predecessor !== undefined && pod.pendingSinceMs !== undefined) this.#journal.placed(pod, this.#loop.nowMs);
    pod.pendingSinceMs = undefined;
  }

  /** Once for all that happens at the same time. */
  #retrySoon(): void {
    if (this.#retryPlanned || this.#pending.size === 0) return;
    this.#retryPlanned = true;
    this.#loop.after(0, () => {
      this.#retryPlanned = false;
      for (const [key, group] of Array.from(this.#pending)) {
        while (group[0] !== undefined && this.#place(group[0])) this.#settle(group.shift() as PodState);
        if (group.length === 0) this.#pending.delete(key);
      }
    });
  }
}

/** Whether other pods' places depend on where this one is. */
function isSelective({ rules }: PodState): boolean {
  return rules.counted.length > 0 || rules.spreadCounted.length > 0 || rules.antiAffinity.length > 0;
}

/** A container that cannot start now will not later. */
function backsOff({ object }: PodState): boolean {
  return (
    object.status?.containerStatuses?.some((one) =>
      /BackOff|^Err|^Create.*Error|^InvalidImage/.test(one.state?.waiting?.reason ?? ''),
    ) === true
  );
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, [value]);
  else known.push(value);
}

function subscribe<K>(map: Map<K, Set<() => void>>, key: K, fn: () => void): () => void {
  const known = map.get(key) ?? new Set();
  map.set(key, known.add(fn));
  return () => void known.delete(fn);
}
