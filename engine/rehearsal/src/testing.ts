/** Fixtures: snapshots made of few words, and a runbook that maintains nodes. */
import type { Snapshot, SnapshotResource } from '@polyanthus/engine-sandbox/snapshot';
import { readParameters } from '@polyanthus/engine-runbook/parameters';
import type { ActionStep, CheckStep, Runbook } from '@polyanthus/engine-runbook/runbook';
import type { RunTarget } from '@polyanthus/kube-kinds/own/runbook';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { Finding } from './finding.ts';
import { rehearse, type RehearsalInput } from './rehearse.ts';
import { LearntTimes } from './times.ts';
import type { Prediction } from './prediction.ts';

type Loose = Readonly<Record<string, unknown>>;

/** One node, 4 CPUs and 16 GiB where nothing else is said. */
export interface NodeFixture {
  readonly name: string;
  readonly zone?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly cpu?: string;
  readonly memory?: string;
  readonly pods?: string;
  readonly taints?: readonly Loose[];
  readonly cordoned?: boolean;
  readonly ready?: boolean;
}

/** A workload with one pod on each of `on`. */
export interface WorkloadFixture {
  readonly name: string;
  readonly kind?: 'Deployment' | 'StatefulSet' | 'DaemonSet' | 'Job' | 'Pod' | 'Mirror' | 'Custom';
  readonly namespace?: string;
  readonly on: readonly string[];
  /** As many as pods where nothing is said. */
  readonly replicas?: number;
  readonly cpu?: string;
  readonly memory?: string;
  /** Part of the pod's spec. */
  readonly spec?: Loose;
  /** Places of pods that are not ready. */
  readonly unready?: readonly number[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A cluster in few words. */
export interface ClusterFixture {
  readonly nodes: readonly NodeFixture[];
  readonly workloads?: readonly WorkloadFixture[];
  /** Budgets of namespace `shop`: selector `app`. */
  readonly budgets?: readonly { readonly name: string; readonly app: string; readonly spec: Loose }[];
  /** Anything else. */
  readonly objects?: readonly KubeObject[];
  readonly unread?: Snapshot['unread'];
}

const takenAt = '2026-01-02T03:04:05Z';
const plurals: Readonly<Record<string, string>> = {
  NetworkPolicy: 'networkpolicies',
  Ingress: 'ingresses',
  PriorityClass: 'priorityclasses',
  StorageClass: 'storageclasses',
};

/** The snapshot of a fixture. */
export function snapshotOf(fixture: ClusterFixture): Snapshot {
  const objects: KubeObject[] = [
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'shop', labels: { 'kubernetes.io/metadata.name': 'shop' } },
    },
    ...fixture.nodes.map(nodeOf),
    ...(fixture.workloads ?? []).flatMap(workloadObjects),
    ...(fixture.budgets ?? []).map(({ name, app, spec }) => ({
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { namespace: 'shop', name, uid: `pdb-${name}` },
      spec: { selector: { matchLabels: { app } }, ...spec },
    })),
    ...(fixture.objects ?? []),
  ];
  const resources = new Map<string, SnapshotResource & { readonly objects: KubeObject[] }>();
  for (const object of objects) {
    const [version = '', group = ''] = object.apiVersion.split('/').toReversed();
    const key = `${group}/${object.kind}`;
    const plural = plurals[object.kind] ?? `${object.kind.toLowerCase()}s`;
    const namespaced = object.metadata.namespace !== undefined;
    const known = resources.get(key) ?? { group, version, kind: object.kind, plural, namespaced, objects: [] };
    known.objects.push(object);
    resources.set(key, known);
  }
  return {
    formatVersion: 1,
    takenAt,
    server: { gitVersion: 'v1.36.3' },
    source: 'fixture',
    resources: [...resources.values()],
    unread: fixture.unread ?? [],
  };
}

function nodeOf(node: NodeFixture): KubeObject {
  const { name, zone, labels = {}, cpu = '4', memory = '16Gi', pods = '110', taints, cordoned, ready = true } = node;
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      uid: `node-${name}`,
      labels: {
        'kubernetes.io/hostname': name,
        ...(zone === undefined ? {} : { 'topology.kubernetes.io/zone': zone }),
        ...labels,
      },
    },
    spec: { ...(taints === undefined ? {} : { taints }), ...(cordoned === true ? { unschedulable: true } : {}) },
    status: {
      allocatable: { cpu, memory, pods },
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    },
  } as KubeObject;
}

const controllerKinds = {
  Deployment: 'ReplicaSet',
  StatefulSet: 'StatefulSet',
  DaemonSet: 'DaemonSet',
  Job: 'Job',
  Custom: 'Widget',
} as const;

function workloadObjects(workload: WorkloadFixture): readonly KubeObject[] {
  const { name, kind = 'Deployment', namespace = 'shop', on } = workload;
  const labels = { app: name, ...workload.labels };
  const replicas = workload.replicas ?? on.length;
  if (kind === 'Pod' || kind === 'Mirror')
    return on.map((node, index) => podOf(workload, labels, node, index, undefined));
  const controller = controllerKinds[kind];
  const selector = { matchLabels: { app: name } };
  const owner = { kind: controller, name: kind === 'Deployment' ? `${name}-1` : name, uid: `${controller}-${name}` };
  const pods = on.map((node, index) => podOf(workload, labels, node, index, owner));
  const above = { apiVersion: 'apps/v1', kind: 'Deployment', name, uid: `Deployment-${name}`, controller: true };
  const apiVersion = kind === 'Job' ? 'batch/v1' : kind === 'Custom' ? 'example.com/v1' : 'apps/v1';
  const metadata = {
    namespace,
    name: owner.name,
    uid: owner.uid,
    labels,
    ...(kind === 'Deployment' ? { ownerReferences: [above] } : {}),
  };
  const { nodeName: _, ...spec } = (pods[0]?.['spec' as keyof KubeObject] ?? {}) as Loose;
  const template = { metadata: { labels }, spec };
  // Pods of a fixture name no revision: a controller that updates them would make them all anew.
  const update = kind === 'StatefulSet' ? { updateStrategy: { type: 'OnDelete' } } : {};
  const set = {
    apiVersion,
    kind: controller,
    metadata,
    spec: { replicas, selector, template, ...update },
  } as KubeObject;
  if (kind !== 'Deployment') return [set, ...pods];
  const deployment = {
    apiVersion,
    kind,
    metadata: { namespace, name, uid: above.uid },
    spec: { replicas, selector, template },
  };
  return [deployment as KubeObject, set, ...pods];
}

interface Owner {
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

function podOf(
  workload: WorkloadFixture,
  labels: Readonly<Record<string, string>>,
  node: string,
  index: number,
  owner: Owner | undefined,
): KubeObject {
  const { name, kind, namespace = 'shop', cpu = '100m', memory = '64Mi', spec, unready = [] } = workload;
  const ready = unready.includes(index) ? 'False' : 'True';
  const apiVersion = owner?.kind === 'Job' ? 'batch/v1' : owner?.kind === 'Widget' ? 'example.com/v1' : 'apps/v1';
  const annotations = { ...(kind === 'Mirror' ? { 'kubernetes.io/config.mirror': 'x' } : {}), ...workload.annotations };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace,
      name: `${name}-${index}`,
      uid: `pod-${namespace}-${name}-${index}`,
      labels,
      annotations,
      ...(owner === undefined ? {} : { ownerReferences: [{ apiVersion, ...owner, controller: true }] }),
    },
    spec: {
      nodeName: node,
      containers: [{ name: 'c', image: 'app', resources: { requests: { cpu, memory } } }],
      ...spec,
    },
    status: {
      phase: 'Running',
      conditions: [
        { type: 'PodScheduled', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' },
        { type: 'Ready', status: ready, lastTransitionTime: '2026-01-01T00:00:08Z' },
      ],
    },
  } as KubeObject;
}

const never = (): Promise<never> => Promise.reject(new Error('a rehearsal calls no step'));
const allow = {
  force: 'force',
  ignoreDaemonSets: 'ignoreDaemonSets',
  deleteEmptyDirData: 'deleteEmptyDirData',
} as const;
const check = (id: string, effect: NonNullable<CheckStep['effect']>, deadlineMs: number): CheckStep => ({
  id,
  kind: 'check',
  title: id,
  effect,
  deadline: deadlineMs,
  proof: { sentence: id, observe: never },
});
const action = (
  id: string,
  effect: NonNullable<ActionStep['effect']>,
  deadline: ActionStep['deadline'],
): ActionStep => ({
  id,
  kind: 'action',
  title: id,
  touches: id,
  effect,
  deadline,
  attempts: id === 'drain' ? 2 : 5,
  repeat: 'safe',
  act: never,
  proof: { kind: 'happened', sentence: id, observe: never },
  undo: { nothing: 'a fixture' },
});

/** The steps of node-maintenance, as a rehearsal sees them; they cannot be carried out. */
export const maintenance: Runbook = {
  id: 'node-maintenance',
  version: '1',
  title: 'maintain nodes',
  parameters: [
    { name: 'nodes', type: 'list', required: true, help: 'nodes' },
    { name: 'window', type: 'integer', default: 1, help: 'at once' },
    { name: 'force', type: 'boolean', default: false, help: 'as kubectl drain' },
    { name: 'ignoreDaemonSets', type: 'boolean', default: true, help: 'as kubectl drain' },
    { name: 'deleteEmptyDirData', type: 'boolean', default: false, help: 'as kubectl drain' },
    { name: 'drainTimeout', type: 'duration', default: 3_600_000, help: 'of a drain' },
    { name: 'forceAfter', type: 'duration', help: 'overrules budgets' },
    { name: 'approve', type: 'boolean', default: false, help: 'waits for people' },
  ],
  targets: never,
  stages: [
    {
      id: 'look',
      title: 'Look',
      lanes: 'each-target',
      window: 8,
      steps: [check('look', { kind: 'judge-node', allow }, 60_000)],
    },
    {
      id: 'maintain',
      title: 'Maintain',
      lanes: 'each-target',
      window: { parameter: 'window' },
      steps: [
        action('cordon', { kind: 'cordon-node' }, 300_000),
        action(
          'drain',
          { kind: 'drain-node', allow, forceAfter: 'forceAfter', retryMs: 5000, marginMs: 10_000 },
          { parameter: 'drainTimeout' },
        ),
        { id: 'handover', kind: 'approval', title: 'handover', when: { parameter: 'approve', equals: true } },
        action('uncordon', { kind: 'restore-node' }, 300_000),
        check('ready', { kind: 'await-node', handsOn: ['approve'] }, 600_000),
        check('back', { kind: 'await-pods' }, 1_800_000),
      ],
    },
  ],
};

/** Targets of the fixture's nodes. */
export function nodeTargets(names: readonly string[]): readonly RunTarget[] {
  return names.map((name) => ({ apiVersion: 'v1', kind: 'Node', resource: 'nodes', name, uid: `node-${name}` }));
}

/** Rehearses the maintenance of nodes; the first `targets` of the fixture's where none are named. */
export function rehearseFixture(
  fixture: ClusterFixture,
  parameters: Readonly<Record<string, unknown>> = {},
  more: Partial<RehearsalInput> = {},
): Prediction {
  const nodes = (parameters['nodes'] as readonly string[] | undefined) ?? fixture.nodes.map((node) => node.name);
  return rehearse({
    snapshot: snapshotOf(fixture),
    runbook: maintenance,
    parameters: readParameters('node-maintenance', maintenance.parameters, { nodes, ...parameters }),
    targets: nodeTargets(nodes),
    times: new LearntTimes(),
    madeAt: takenAt,
    ...more,
  }).prediction;
}

/** `Code Kind namespace/name`, sorted: what tests compare. */
export function problemNames(findings: readonly Finding[]): readonly string[] {
  return findings
    .filter((one) => one.severity !== 'info')
    .map(
      ({ code, object }) =>
        `${code} ${object.kind} ${object.namespace === undefined ? '' : `${object.namespace}/`}${object.name}`,
    )
    .toSorted();
}
