/** 15 clusters, each with one seeded problem, and 5 sound ones, as data: what precision and recall are counted on. */
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { problemNames, rehearseFixture, type ClusterFixture } from './testing.ts';

/** One case. */
export interface SeededCase {
  readonly name: string;
  readonly cluster: ClusterFixture;
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly targetMinor?: number;
  /** Every problem (error or warning) that is to be found: `Code Kind namespace/name`. */
  readonly problems: readonly string[];
}

const three = [{ name: 'n1' }, { name: 'n2' }, { name: 'n3' }];
const web = { name: 'web', on: ['n1', 'n2', 'n3'] };
const one = { nodes: ['n1'] };
const spread = (topologyKey: string, maxSkew: number, app: string) => ({
  topologySpreadConstraints: [
    { maxSkew, topologyKey, whenUnsatisfiable: 'DoNotSchedule', labelSelector: { matchLabels: { app } } },
  ],
});
const apart = (app: string) => ({
  affinity: {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app } } },
      ],
    },
  },
});
const object = (value: object): KubeObject => value as KubeObject;

/** Seeded problems. */
export const problemCases: readonly SeededCase[] = [
  {
    name: 'a budget that allows nothing',
    cluster: { nodes: three, workloads: [web], budgets: [{ name: 'web', app: 'web', spec: { maxUnavailable: 0 } }] },
    parameters: one,
    problems: ['BudgetBlocks PodDisruptionBudget shop/web'],
  },
  {
    name: 'a budget that a pod that never becomes ready has used up',
    cluster: {
      nodes: three,
      workloads: [{ ...web, unready: [2] }],
      budgets: [{ name: 'web', app: 'web', spec: { minAvailable: 2 } }],
    },
    parameters: one,
    problems: ['BudgetBlocks PodDisruptionBudget shop/web'],
  },
  {
    name: 'two budgets over one pod',
    cluster: {
      nodes: three,
      workloads: [web],
      budgets: [
        { name: 'web', app: 'web', spec: { maxUnavailable: 1 } },
        { name: 'all', app: 'web', spec: { minAvailable: 1 } },
      ],
    },
    parameters: one,
    problems: ['BudgetsOverlap Pod shop/web-0'],
  },
  {
    name: 'a budget over pods whose controller has no scale',
    cluster: {
      nodes: three,
      workloads: [{ name: 'widget', kind: 'Custom', on: ['n1', 'n2'] }],
      budgets: [{ name: 'widget', app: 'widget', spec: { maxUnavailable: '50%' } }],
    },
    parameters: one,
    problems: ['BudgetBlocks PodDisruptionBudget shop/widget'],
  },
  {
    name: 'a single replica',
    cluster: { nodes: three, workloads: [web, { name: 'db', kind: 'StatefulSet', on: ['n1'] }] },
    parameters: one,
    problems: ['SingleReplica StatefulSet shop/db'],
  },
  {
    name: 'all replicas on the nodes of one window, without a budget',
    cluster: { nodes: three, workloads: [{ name: 'cache', on: ['n1', 'n2'] }] },
    parameters: { nodes: ['n1', 'n2'], window: 2 },
    problems: ['WorkloadDown Deployment shop/cache'],
  },
  {
    name: 'a pod that no controller brings back',
    cluster: { nodes: three, workloads: [web, { name: 'debug', kind: 'Pod', on: ['n1'] }] },
    parameters: one,
    problems: ['PodUnmanaged Pod shop/debug-0'],
  },
  {
    name: 'a pod with data in an emptyDir',
    cluster: { nodes: three, workloads: [{ ...web, spec: { volumes: [{ name: 'scratch', emptyDir: {} }] } }] },
    parameters: one,
    problems: ['PodLocalData Pod shop/web-0'],
  },
  {
    name: 'no room for what is evicted',
    cluster: { nodes: three.map((node) => ({ ...node, cpu: '1' })), workloads: [{ ...web, cpu: '700m' }] },
    parameters: one,
    problems: ['MissingCapacity Deployment shop/web'],
  },
  {
    name: 'a selector that only the drained node has',
    cluster: {
      nodes: [{ name: 'n1', labels: { disk: 'ssd' } }, { name: 'n2', labels: { disk: 'ssd' } }, { name: 'n3' }],
      workloads: [{ name: 'index', on: ['n1', 'n2'], spec: { nodeSelector: { disk: 'ssd' } } }],
    },
    parameters: { nodes: ['n1', 'n2'], window: 2 },
    problems: ['NoNodeFits Deployment shop/index', 'WorkloadDown Deployment shop/index'],
  },
  {
    name: 'anti-affinity with as many replicas as nodes',
    cluster: { nodes: three, workloads: [{ ...web, spec: apart('web') }] },
    parameters: one,
    problems: ['NoNodeFits Deployment shop/web'],
  },
  {
    name: 'topology spread that a cordoned node blocks',
    cluster: {
      nodes: [
        { name: 'n1', zone: 'a' },
        { name: 'n2', zone: 'b' },
        { name: 'n3', zone: 'c' },
      ],
      workloads: [{ ...web, spec: spread('topology.kubernetes.io/zone', 1, 'web') }],
    },
    parameters: one,
    problems: ['NoNodeFits Deployment shop/web'],
  },
  {
    name: 'a volume that lies on the drained node',
    cluster: {
      nodes: three,
      workloads: [
        {
          name: 'store',
          kind: 'StatefulSet',
          on: ['n1', 'n2'],
          spec: { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }] },
        },
      ],
      objects: [
        object({
          apiVersion: 'v1',
          kind: 'PersistentVolumeClaim',
          metadata: { namespace: 'shop', name: 'data' },
          spec: { volumeName: 'pv1' },
        }),
        object({
          apiVersion: 'v1',
          kind: 'PersistentVolume',
          metadata: { name: 'pv1' },
          spec: {
            local: { path: '/data' },
            nodeAffinity: {
              required: {
                nodeSelectorTerms: [
                  { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['n1'] }] },
                ],
              },
            },
          },
        }),
      ],
    },
    parameters: one,
    problems: ['VolumePinned StatefulSet shop/store'],
  },
  {
    name: 'a node that is not ready',
    cluster: {
      nodes: [{ name: 'n1', ready: false }, { name: 'n2' }, { name: 'n3' }],
      workloads: [{ name: 'web', on: ['n2', 'n3'] }],
    },
    parameters: one,
    problems: ['NodeNotReady Node n1'],
  },
  {
    name: 'an API version that the target no longer serves',
    cluster: {
      nodes: three,
      workloads: [web],
      objects: [
        object({
          apiVersion: 'networking.k8s.io/v1',
          kind: 'IPAddress',
          metadata: {
            name: '10.0.0.9',
            managedFields: [
              {
                manager: 'ipam',
                operation: 'Update',
                apiVersion: 'networking.k8s.io/v1beta1',
                time: '2026-01-01T00:00:00Z',
              },
            ],
          },
        }),
        object({
          apiVersion: 'apiextensions.k8s.io/v1',
          kind: 'CustomResourceDefinition',
          metadata: { name: 'widgets.example.com' },
          spec: {
            group: 'example.com',
            scope: 'Namespaced',
            names: { plural: 'widgets', kind: 'Widget' },
            versions: [
              { name: 'v1', served: true, storage: true },
              { name: 'v1alpha1', served: false, storage: false },
            ],
          },
          status: { storedVersions: ['v1alpha1', 'v1'] },
        }),
      ],
    },
    parameters: one,
    targetMinor: 37,
    problems: ['ApiRemoved IPAddress 10.0.0.9', 'CrdVersionUnserved CustomResourceDefinition widgets.example.com'],
  },
];

/** Clusters where nothing speaks against the plan, with what often looks like a problem and is none. */
export const soundCases: readonly SeededCase[] = [
  {
    name: 'three replicas, one at a time',
    cluster: { nodes: three, workloads: [web], budgets: [{ name: 'web', app: 'web', spec: { maxUnavailable: 1 } }] },
    problems: [],
  },
  {
    name: 'DaemonSets and mirror pods stay',
    cluster: {
      nodes: three,
      workloads: [
        web,
        { name: 'proxy', kind: 'DaemonSet', on: ['n1', 'n2', 'n3'] },
        { name: 'apiserver', kind: 'Mirror', on: ['n1'], spec: { volumes: [{ name: 'tmp', emptyDir: {} }] } },
      ],
    },
    problems: [],
  },
  {
    name: 'a window of three in a budget that allows it',
    cluster: {
      nodes: Array.from({ length: 8 }, (_, index) => ({ name: `m${index}`, zone: `z${index % 4}` })),
      workloads: [
        {
          name: 'api',
          on: ['m0', 'm1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7'],
          spec: spread('topology.kubernetes.io/zone', 2, 'api'),
        },
      ],
      budgets: [{ name: 'api', app: 'api', spec: { minAvailable: '75%' } }],
    },
    parameters: { window: 3 },
    problems: [],
  },
  {
    name: 'taints, tolerations and an anti-affinity that fit elsewhere',
    cluster: {
      nodes: [
        ...three,
        { name: 'n4' },
        { name: 'gpu1', taints: [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }] },
        { name: 'gpu2', taints: [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }] },
      ],
      workloads: [
        { ...web, spec: apart('web') },
        {
          name: 'train',
          on: ['gpu1', 'gpu2'],
          spec: { tolerations: [{ key: 'gpu', operator: 'Exists', effect: 'NoSchedule' }] },
        },
      ],
    },
    problems: [],
  },
  {
    name: 'removed API versions that nobody uses, ordered StatefulSets, Jobs',
    cluster: {
      nodes: three,
      workloads: [
        { name: 'queue', kind: 'StatefulSet', on: ['n1', 'n2', 'n3'] },
        { name: 'batch', kind: 'Job', on: ['n1'] },
      ],
      budgets: [{ name: 'queue', app: 'queue', spec: { maxUnavailable: 1 } }],
      objects: [
        object({
          apiVersion: 'networking.k8s.io/v1',
          kind: 'IPAddress',
          metadata: { name: '10.0.0.8', managedFields: [{ manager: 'ipam', apiVersion: 'networking.k8s.io/v1' }] },
        }),
      ],
    },
    targetMinor: 37,
    problems: [],
  },
];

/** Problems over all cases: found, wanted, and both. */
export function countOver(cases: readonly SeededCase[]): {
  readonly found: number;
  readonly wanted: number;
  readonly right: number;
} {
  let [found, wanted, right] = [0, 0, 0];
  for (const { cluster, parameters, targetMinor, problems } of cases) {
    const names = problemNames(rehearseFixture(cluster, parameters, { targetMinor }).findings);
    found += names.length;
    wanted += problems.length;
    right += names.filter((name) => problems.includes(name)).length;
  }
  return { found, wanted, right };
}
