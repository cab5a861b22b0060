/** The controllers of pods, found by uid: what they want, and how they replace a pod. */
import type { Snapshot } from '@polyanthus/engine-sandbox/snapshot';
import type { CustomResourceDefinition, Pod } from '@polyanthus/kube-kinds/core';
import { isServing } from '@polyanthus/kube-kinds/ready';
import type { KubeObject, OwnerReference } from '@polyanthus/kube-objects/meta';
import type { FindingObject } from '../finding.ts';
import type { ScaleOf } from './budget.ts';
import { controllerOf, objectsOf, type Scaled } from './objects.ts';
import { type PodState } from './pod.ts';
import { Workload } from './workload.ts';

/** Kinds whose number of pods the disruption controller reads itself. */
const scaledKinds = [
  ['apps', 'Deployment'],
  ['apps', 'ReplicaSet'],
  ['apps', 'StatefulSet'],
  ['', 'ReplicationController'],
] as const;
/** A pod that took longer than this to be ready has been unready in between. */
const readyMostMs = 15 * 60_000;

/** See the file's header. */
export class WorkloadBook {
  readonly #objects = new Map<string, Scaled>();
  readonly #replicas = new Map<string, number>();
  readonly #workloads = new Map<string, Workload<PodState>>();

  constructor(snapshot: Snapshot) {
    for (const [group, kind] of scaledKinds)
      for (const one of objectsOf<Scaled>(snapshot, group, kind)) this.#add(one, one.spec?.replicas ?? 1);
    for (const crd of objectsOf<CustomResourceDefinition>(snapshot, 'apiextensions.k8s.io', 'CustomResourceDefinition'))
      this.#addCustom(snapshot, crd);
    const times = new Map<string, number[]>();
    for (const pod of objectsOf<Pod>(snapshot, '', 'Pod')) observeReady(pod, times);
    this.#readyTimes = times;
  }

  readonly #readyTimes: ReadonlyMap<string, readonly number[]>;

  /** The workload of a pod; undefined when it has no controller. */
  ofPod(pod: Pod): Workload<PodState> | undefined {
    const owner = controllerOf(pod);
    if (owner === undefined) return undefined;
    const known = this.#workloads.get(owner.uid);
    if (known !== undefined) return known;
    const workload = this.#make(owner, pod.metadata.namespace ?? '');
    this.#workloads.set(owner.uid, workload);
    return workload;
  }

  /** For budgets: the Deployment of a ReplicaSet counts, once. */
  scaleOf: ScaleOf = (uid) => {
    const object = this.#objects.get(uid);
    const above = object === undefined ? undefined : controllerOf(object);
    const scaler = above !== undefined && this.#replicas.has(above.uid) ? above.uid : uid;
    const replicas = this.#replicas.get(scaler);
    return replicas === undefined ? undefined : { uid: scaler, replicas };
  };

  #add(object: Scaled, replicas: number | undefined): void {
    const { uid = '' } = object.metadata;
    this.#objects.set(uid, object);
    if (replicas !== undefined) this.#replicas.set(uid, replicas);
  }

  #addCustom(snapshot: Snapshot, crd: CustomResourceDefinition): void {
    const { group, names, versions } = crd.spec;
    const path = versions.find((version) => version.subresources?.scale !== undefined)?.subresources?.scale
      ?.specReplicasPath;
    if (path === undefined) return;
    for (const object of objectsOf<Scaled>(snapshot, group, names.kind)) this.#add(object, numberAt(object, path));
  }

  #make(owner: OwnerReference, namespace: string): Workload<PodState> {
    const object = this.#objects.get(owner.uid);
    const above = object === undefined ? undefined : controllerOf(object);
    const controller: FindingObject = { kind: owner.kind, namespace, name: owner.name };
    const builtIn = scaledKinds.some(([, kind]) => kind === owner.kind);
    const workload = new Workload<PodState>({
      uid: owner.uid,
      controller,
      shown: above === undefined ? controller : { kind: above.kind, namespace, name: above.name },
      wanted: this.#replicas.get(owner.uid),
      replacement: owner.kind === 'StatefulSet' || !(builtIn || owner.kind === 'Job') ? 'when-gone' : 'at-once',
      ordered: owner.kind === 'StatefulSet' && object?.spec?.podManagementPolicy !== 'Parallel',
      serves: owner.kind !== 'Job',
      awaited: builtIn && owner.kind !== 'Deployment',
    });
    workload.readyMs = median(this.#readyTimes.get(owner.uid) ?? []);
    return workload;
  }
}

function numberAt(object: KubeObject, path: string): number | undefined {
  let value: unknown = object;
  for (const key of path.split('.').filter((part) => part !== ''))
    value = typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[key] : undefined;
  return typeof value === 'number' ? value : undefined;
}

/** From being placed to being ready, of pods that were never restarted. */
function observeReady(pod: Pod, times: Map<string, number[]>): void {
  const owner = controllerOf(pod);
  const restarted = pod.status?.containerStatuses?.some((one) => one.restartCount > 0) === true;
  if (owner === undefined || restarted || !isServing(pod)) return;
  const at = (type: string): number =>
    Date.parse(pod.status?.conditions?.find((one) => one.type === type)?.lastTransitionTime ?? '');
  const tookMs = at('Ready') - at('PodScheduled');
  if (!(tookMs >= 0 && tookMs <= readyMostMs)) return;
  const known = times.get(owner.uid);
  if (known === undefined) times.set(owner.uid, [tookMs]);
  else known.push(tookMs);
}

/** Undefined of nothing. */
export function median(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}
