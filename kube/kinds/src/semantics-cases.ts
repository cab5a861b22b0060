/** Sequences of writes for semantics.real.test.ts: each starts with nothing there. */
import type { JsonValue } from '@polyanthus/kube-objects/meta';

export interface Step {
  readonly verb: 'create' | 'update' | 'strategic' | 'merge' | 'json' | 'apply';
  readonly body: JsonValue;
  /** Field manager; `tester` when absent. */
  readonly manager?: string;
  readonly force?: boolean;
  readonly subresource?: string;
}
export interface Sequence {
  readonly title: string;
  readonly group: string;
  readonly resource: string;
  readonly name: string;
  readonly steps: readonly Step[];
}

const configMap = (name: string, data: JsonValue, more: object = {}): JsonValue => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...more },
  data,
});

const labels = { app: 'web' };
/** Go writes null for times that are absent there, which the schema does not tell. */
const times = { lastProbeTime: '2026-01-01T00:00:00Z', lastTransitionTime: '2026-01-01T00:00:00Z' };
const deployment = (name: string, spec: object, containers: JsonValue): JsonValue => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, labels },
  spec: { selector: { matchLabels: labels }, ...spec, template: { metadata: { labels }, spec: { containers } } },
});

/** An applied part of a Deployment. */
const part = (name: string, spec: object): JsonValue => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: { ...spec } as JsonValue,
});

const ports = (...numbers: readonly number[]): JsonValue => numbers.map((containerPort) => ({ containerPort }));
const web = {
  name: 'web',
  image: 'nginx:1.27',
  ports: ports(80),
  env: [
    { name: 'A', value: '1' },
    { name: 'B', value: '2' },
  ],
};
const side = { name: 'side', image: 'busybox' };
const ofTemplate = (spec: object): JsonValue => ({ spec: { template: { spec: { ...spec } as JsonValue } } });

const configMaps = (title: string, name: string, steps: readonly Step[]): Sequence => ({
  title,
  name,
  group: '',
  resource: 'configmaps',
  steps,
});
const deployments = (title: string, name: string, steps: readonly Step[]): Sequence => ({
  title,
  name,
  group: 'apps',
  resource: 'deployments',
  steps,
});

const patches: readonly Sequence[] = [
  configMaps('updates and merge patches of a ConfigMap', 'cm-merge', [
    {
      verb: 'create',
      body: configMap('cm-merge', { a: '1', b: '2' }, { labels: { x: 'y' }, annotations: { n: 'm' } }),
    },
    { verb: 'merge', body: { data: { b: null, c: '3' } }, manager: 'merger' },
    { verb: 'update', body: configMap('cm-merge', { c: '4' }, { annotations: { q: 'r' } }), manager: 'updater' },
    { verb: 'update', body: configMap('cm-merge', { c: '4' }, { annotations: { q: 'r' } }), manager: 'idler' },
    {
      verb: 'json',
      body: [
        { op: 'add', path: '/metadata/annotations/d.io~1e', value: '5' },
        { op: 'copy', from: '/data/c', path: '/data/f' },
      ],
    },
    { verb: 'json', body: [{ op: 'test', path: '/data/c', value: 'no' }] },
    { verb: 'json', body: [{ op: 'remove', path: '/data/absent' }] },
    {
      verb: 'json',
      body: [
        { op: 'replace', path: '/data/c', value: '6' },
        { op: 'move', from: '/data/f', path: '/data/g' },
      ],
    },
    { verb: 'strategic', body: { data: { g: null, h: '7' } } },
    { verb: 'strategic', body: { data: { $patch: 'replace', only: 'this' } } },
    { verb: 'strategic', body: { data: { $patch: 'other' } } },
    { verb: 'strategic', body: { metadata: { finalizers: ['x.io/a', 'x.io/b'] } } },
    { verb: 'strategic', body: { metadata: { finalizers: ['x.io/c'] } } },
    {
      verb: 'strategic',
      body: {
        metadata: {
          '$deleteFromPrimitiveList/finalizers': ['x.io/b'],
          '$setElementOrder/finalizers': ['x.io/c', 'x.io/a'],
        },
      },
    },
    { verb: 'strategic', body: { metadata: { finalizers: null } } },
  ]),
  deployments('strategic patches of a Deployment', 'd-smp', [
    { verb: 'create', body: deployment('d-smp', { replicas: 2 }, [web, side]) },
    { verb: 'strategic', body: ofTemplate({ containers: [{ name: 'side', image: 'busybox:2' }] }), manager: 'patcher' },
    { verb: 'strategic', body: ofTemplate({ containers: [{ name: 'third', image: 'x' }] }) },
    { verb: 'strategic', body: ofTemplate({ containers: [{ name: 'third', $patch: 'delete' }] }) },
    {
      verb: 'strategic',
      body: ofTemplate({ '$setElementOrder/containers': [{ name: 'side' }, { name: 'web' }] }),
    },
    {
      verb: 'strategic',
      body: ofTemplate({
        '$setElementOrder/containers': [{ name: 'new' }, { name: 'web' }, { name: 'side' }],
        containers: [{ name: 'new', image: 'n' }],
      }),
    },
    {
      verb: 'strategic',
      body: ofTemplate({
        containers: [
          {
            name: 'web',
            env: [
              { name: 'B', value: '3' },
              { name: 'C', value: '4' },
            ],
          },
        ],
      }),
    },
    {
      verb: 'strategic',
      body: ofTemplate({ containers: [{ name: 'web', ports: [{ containerPort: 81, name: 'alt' }] }] }),
    },
    {
      verb: 'strategic',
      body: ofTemplate({ containers: [{ name: 'web', env: [{ $patch: 'replace' }, { name: 'Z', value: '9' }] }] }),
    },
    { verb: 'strategic', body: ofTemplate({ containers: [{ name: 'web', command: ['a', 'b'] }] }) },
    { verb: 'strategic', body: ofTemplate({ containers: [{ name: 'web', command: ['c'] }] }) },
    { verb: 'strategic', body: { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } } },
    {
      verb: 'strategic',
      body: {
        spec: {
          strategy: { $retainKeys: ['rollingUpdate', 'type'], type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } },
        },
      },
    },
    { verb: 'strategic', body: { spec: { strategy: { $retainKeys: ['rollingUpdate'], type: 'Recreate' } } } },
    { verb: 'strategic', body: ofTemplate({ volumes: [{ name: 'v', configMap: { name: 'c' } }, { name: 'w' }] }) },
    {
      verb: 'strategic',
      body: ofTemplate({ volumes: [{ name: 'v', $retainKeys: ['name', 'emptyDir'], emptyDir: {} }] }),
    },
    {
      verb: 'strategic',
      body: ofTemplate({
        nodeSelector: null,
        containers: [{ name: 'web', resources: { limits: { cpu: '1', memory: '512Mi' } } }],
      }),
    },
    { verb: 'merge', body: ofTemplate({ containers: [web] }) },
    {
      verb: 'json',
      body: [
        { op: 'add', path: '/spec/template/spec/containers/-', value: side },
        { op: 'remove', path: '/spec/template/spec/containers/0/env/1' },
      ],
    },
  ]),
  {
    title: 'defaults of a Service and its patches',
    group: '',
    resource: 'services',
    name: 's-smp',
    steps: [
      {
        verb: 'apply',
        body: {
          apiVersion: 'v1',
          kind: 'Service',
          metadata: { name: 's-smp' },
          spec: {
            clusterIP: 'None',
            ipFamilies: ['IPv4'],
            ipFamilyPolicy: 'SingleStack',
            clusterIPs: ['None'],
            selector: labels,
            ports: [{ name: 'a', port: 80 }],
          },
        },
      },
      { verb: 'strategic', body: { spec: { ports: [{ name: 'b', port: 81, targetPort: 'web' }] } } },
      {
        verb: 'strategic',
        body: { spec: { '$setElementOrder/ports': [{ port: 81 }, { port: 80 }], ports: [{ port: 80, name: 'c' }] } },
      },
      { verb: 'strategic', body: { spec: { ports: [{ port: 81, $patch: 'delete' }], sessionAffinity: 'ClientIP' } } },
    ],
  },
];

const applies: readonly Sequence[] = [
  configMaps('apply of a ConfigMap by two', 'cm-apply', [
    { verb: 'apply', body: configMap('cm-apply', { a: '1', b: '2' }, { labels: { x: 'y' } }), manager: 'one' },
    { verb: 'apply', body: configMap('cm-apply', { a: '1', b: '2' }, { labels: { x: 'y' } }), manager: 'one' },
    { verb: 'apply', body: configMap('cm-apply', { a: '1' }), manager: 'two' },
    { verb: 'apply', body: configMap('cm-apply', { a: '3', b: '4' }), manager: 'two' },
    { verb: 'apply', body: configMap('cm-apply', { b: '4' }), manager: 'two' },
    { verb: 'apply', body: configMap('cm-apply', { a: '3', b: '4' }), manager: 'two', force: true },
    { verb: 'apply', body: configMap('cm-apply', { b: '4' }), manager: 'one' },
    { verb: 'apply', body: configMap('cm-apply', { c: '5' }), manager: 'one' },
    { verb: 'merge', body: { data: { c: '6' } }, manager: 'patcher' },
    { verb: 'apply', body: configMap('cm-apply', { c: '5' }), manager: 'one' },
    { verb: 'apply', body: configMap('cm-apply', {}), manager: 'two' },
    { verb: 'apply', body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'cm-apply' } }, manager: 'two' },
    {
      verb: 'apply',
      body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'cm-apply', finalizers: ['x.io/a'] } },
      manager: 'three',
    },
    {
      verb: 'apply',
      body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'cm-apply', finalizers: ['x.io/b'] } },
      manager: 'four',
    },
    { verb: 'apply', body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'cm-apply' } }, manager: 'three' },
    { verb: 'apply', body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'cm-apply' } }, manager: 'four' },
  ]),
  configMaps('what is no configuration', 'cm-wrong', [
    { verb: 'apply', body: configMap('cm-wrong', { a: '1' }), manager: 'one' },
    { verb: 'apply', body: configMap('cm-wrong', { a: 1 }), manager: 'one' },
    {
      verb: 'apply',
      body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'cm-wrong' }, other: {} },
      manager: 'one',
    },
    {
      verb: 'apply',
      body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'cm-wrong', finalizers: ['x/a', 'x/a'] } },
      manager: 'one',
    },
    {
      verb: 'apply',
      body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'cm-wrong', managedFields: [] } },
      manager: 'one',
    },
    { verb: 'apply', body: { apiVersion: 'v2', kind: 'ConfigMap', metadata: { name: 'cm-wrong' } }, manager: 'one' },
  ]),
  configMaps('objects without managers', 'cm-reset', [
    { verb: 'create', body: configMap('cm-reset', { a: '1' }) },
    { verb: 'merge', body: { metadata: { managedFields: [{}] } }, manager: 'resetter' },
    { verb: 'merge', body: { data: { b: '2' } }, manager: 'untracked' },
    { verb: 'apply', body: configMap('cm-reset', { a: '1' }), manager: 'one' },
    { verb: 'apply', body: configMap('cm-reset', { a: '2' }), manager: 'one' },
  ]),
  configMaps('many updaters', 'cm-many', [
    { verb: 'create', body: configMap('cm-many', { a: '0' }) },
    ...Array.from({ length: 12 }, (_value, index): Step => ({
      verb: 'merge',
      body: { data: { [`k${index}`]: '1' } },
      manager: `m${String(index).padStart(2, '0')}`,
    })),
  ]),
  deployments('apply of a Deployment', 'd-apply', [
    { verb: 'apply', body: deployment('d-apply', { replicas: 2 }, [web]), manager: 'one' },
    { verb: 'apply', body: part('d-apply', { replicas: 3 }), manager: 'scaler' },
    { verb: 'apply', body: part('d-apply', { replicas: 3 }), manager: 'scaler', force: true },
    { verb: 'apply', body: deployment('d-apply', {}, [web]), manager: 'one' },
    { verb: 'apply', body: part('d-apply', { template: { spec: { containers: [side] } } }), manager: 'injector' },
    {
      verb: 'apply',
      body: part('d-apply', {
        template: {
          spec: {
            containers: [
              { ...side, image: 'other' },
              { name: 'web', image: 'evil' },
            ],
          },
        },
      }),
      manager: 'injector',
    },
    {
      verb: 'apply',
      body: deployment('d-apply', {}, [
        {
          ...web,
          ports: ports(81, 80),
          env: [
            { name: 'C', value: '3' },
            { name: 'A', value: '1' },
          ],
        },
      ]),
      manager: 'one',
    },
    { verb: 'apply', body: deployment('d-apply', {}, [{ name: 'web', image: 'nginx:1.28' }]), manager: 'one' },
    { verb: 'apply', body: part('d-apply', {}), manager: 'injector' },
    { verb: 'apply', body: deployment('d-apply', { replicas: 'three' }, [web]), manager: 'one' },
    { verb: 'apply', body: deployment('d-apply', {}, [web, web]), manager: 'one' },
    {
      verb: 'strategic',
      body: { status: { replicas: 3, observedGeneration: 1 } },
      subresource: 'status',
      manager: 'controller',
    },
    { verb: 'strategic', body: { spec: { replicas: 7 } }, manager: 'patcher' },
    { verb: 'apply', body: part('d-apply', { replicas: 3 }), manager: 'scaler' },
    {
      verb: 'apply',
      body: { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'd-apply' }, status: { replicas: 4 } },
      manager: 'controller',
      subresource: 'status',
    },
    {
      verb: 'apply',
      body: { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'd-apply' }, status: { replicas: 4 } },
      manager: 'controller',
      subresource: 'status',
      force: true,
    },
  ]),
  {
    title: 'apply and update of a Pod',
    group: '',
    resource: 'pods',
    name: 'p-apply',
    steps: [
      {
        verb: 'create',
        body: {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name: 'p-apply', labels },
          spec: {
            containers: [
              {
                ...web,
                resources: { limits: { cpu: '0.5', memory: '1024Mi', 'x.io/y': 2000 } },
                livenessProbe: { httpGet: { port: 80 } },
              },
            ],
          },
        },
      },
      {
        verb: 'apply',
        body: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p-apply', labels: { app: 'web', more: 'x' } } },
        manager: 'labeller',
      },
      {
        verb: 'apply',
        body: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p-apply', labels: { more: 'y' } } },
        manager: 'labeller',
      },
      {
        verb: 'apply',
        body: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p-apply', labels: { more: 'z' } } },
        manager: 'other',
      },
      {
        verb: 'strategic',
        body: { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True', ...times }] } },
        subresource: 'status',
        manager: 'kubelet',
      },
      {
        verb: 'strategic',
        body: {
          status: {
            conditions: [
              { type: 'Ready', status: 'False', ...times },
              { type: 'Initialized', status: 'True', ...times },
            ],
          },
        },
        subresource: 'status',
        manager: 'kubelet',
      },
    ],
  },
];

export const sequences: readonly Sequence[] = [...patches, ...applies];
