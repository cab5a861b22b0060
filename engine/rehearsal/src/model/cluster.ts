/** A snapshot as the planner needs it: nodes, pods, workloads and budgets, each known to the others by reference. */
import type { Snapshot } from '@polyanthus/engine-sandbox/snapshot';
import type { Node, Pod } from '@polyanthus/kube-kinds/core';
import { isServing } from '@polyanthus/kube-kinds/ready';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { labelSelectorMatcher } from '@polyanthus/kube-objects/selectors';
import { BudgetState } from './budget.ts';
import { NodeState } from './node.ts';
import { keyOf, objectsOf, type Budget } from './objects.ts';
import { isFinished, PodState } from './pod.ts';
import { NodeOrder } from './placement.ts';
import { RuleBook } from './rule-book.ts';
import { SelectorIndex } from './selector-index.ts';
import { WorkloadBook } from './workload-book.ts';
import type { Workload } from './workload.ts';

/** A cluster while the plan runs. */
export class Cluster {
  readonly snapshot: Snapshot;
  readonly nodes: readonly NodeState<PodState>[];
  readonly nodesByName: ReadonlyMap<string, NodeState<PodState>>;
  readonly order: NodeOrder;
  readonly budgets: readonly BudgetState[];
  readonly rules: RuleBook;
  readonly workloads: WorkloadBook;
  /** `namespace/name` of the DaemonSets that are there. */
  readonly daemonSets: ReadonlySet<string>;
  /** Pods of the snapshot that wait for a node. */
  readonly waiting: readonly PodState[];

  constructor(snapshot: Snapshot) {
    this.snapshot = snapshot;
    this.nodes = objectsOf<Node>(snapshot, '', 'Node').map((node, index) => new NodeState(index, node));
    this.nodesByName = new Map(this.nodes.map((node) => [node.name, node]));
    this.budgets = objectsOf<Budget>(snapshot, 'policy', 'PodDisruptionBudget').map((one) => new BudgetState(one));
    this.daemonSets = new Set(objectsOf<KubeObject>(snapshot, 'apps', 'DaemonSet').map(keyOf));
    this.workloads = new WorkloadBook(snapshot);
    this.rules = new RuleBook(snapshot, this.nodes, budgetIndex(this.budgets));
    const pods = objectsOf<Pod>(snapshot, '', 'Pod').filter((pod) => !isFinished(pod));
    // Rules first: a term has to be known before the pods that it means are counted.
    for (const pod of pods) this.rules.register(pod);
    const states = pods.map((pod) => this.#stateOf(pod));
    this.order = new NodeOrder(this.nodes);
    this.waiting = states.filter((pod) => pod.node === undefined);
    for (const budget of this.budgets) budget.settle((uid) => this.workloads.scaleOf(uid));
  }

  #stateOf(object: Pod): PodState {
    const workload = this.workloads.ofPod(object);
    const pod = new PodState(object, this.rules.of(object), workload);
    const node = this.nodesByName.get(object.spec.nodeName ?? '');
    const ending = object.metadata.deletionTimestamp !== undefined;
    for (const budget of pod.rules.budgets) budget.pods.add(pod);
    if (node !== undefined) occupy(pod, node);
    pod.phase = ending
      ? 'terminating'
      : node === undefined
        ? 'pending'
        : object.status?.phase === 'Pending'
          ? 'starting'
          : 'running';
    if (ending) return pod;
    workload?.members.add(pod);
    if (isServing(object)) setReady(pod, true);
    return pod;
  }
}

function budgetIndex(budgets: readonly BudgetState[]): SelectorIndex<BudgetState> {
  const index = new SelectorIndex<BudgetState>();
  for (const budget of budgets)
    index.add(budget.object.metadata.namespace ?? '', labelSelectorMatcher(budget.object.spec?.selector), budget);
  return index;
}

/** Puts a pod on a node; the caller keeps the order of nodes. */
export function occupy(pod: PodState, node: NodeState<PodState>): void {
  pod.node = node;
  node.take(pod);
  for (const counter of pod.rules.counted) counter.count('meant', node, 1);
  for (const counter of pod.rules.antiAffinity) counter.count('holders', node, 1);
  if (pod.object.metadata.deletionTimestamp === undefined || pod.predecessor !== undefined)
    for (const group of pod.rules.spreadCounted) group.count(node, 1);
}

/** A pod that ends no longer counts for the spread. */
export function leaveSpread(pod: PodState): void {
  if (pod.node !== undefined) for (const group of pod.rules.spreadCounted) group.count(pod.node, -1);
}

/** Takes a pod that has ended off its node; the caller keeps the order of nodes. */
export function vacate(pod: PodState): void {
  const { node } = pod;
  if (node === undefined) return;
  node.release(pod);
  for (const counter of pod.rules.counted) counter.count('meant', node, -1);
  for (const counter of pod.rules.antiAffinity) counter.count('holders', node, -1);
}

/** Keeps the counts of budgets and workload. */
export function setReady(pod: PodState, ready: boolean): void {
  if (pod.ready === ready) return;
  pod.ready = ready;
  const step = ready ? 1 : -1;
  for (const budget of pod.rules.budgets) budget.healthy += step;
  const workload: Workload<PodState> | undefined = pod.workload;
  if (workload !== undefined) workload.ready += step;
}
