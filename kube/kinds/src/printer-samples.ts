/** Objects whose table cells are looked at by printers.real.test.ts. */
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';

export interface Sample {
  readonly group: string;
  readonly resource: string;
  readonly object: JsonObject;
}

const labels = { app: 'web' };
const long = '2020-01-01T00:00:00Z';
const containers = [
  { name: 'a', image: 'x:1' },
  { name: 'b', image: 'y' },
];
const podTemplate = { metadata: { labels }, spec: { containers } };

const sample = (group: string, resource: string, kind: string, name: string, rest: JsonObject): Sample => {
  const version = 'v1';
  return {
    group,
    resource,
    object: { apiVersion: group === '' ? version : `${group}/${version}`, kind, metadata: { name }, ...rest },
  };
};

const running = (name: string, more: JsonObject = {}): JsonObject => ({
  name,
  ready: true,
  restartCount: 0,
  image: 'x',
  imageID: 'x',
  state: { running: { startedAt: long } },
  ...more,
});
const ended = (name: string, terminated: JsonObject, more: JsonObject = {}): JsonObject =>
  running(name, { ready: false, state: { terminated }, ...more });
const waiting = (name: string, reason: string): JsonObject =>
  running(name, { ready: false, state: { waiting: { reason } } });

const pod = (name: string, status: JsonObject, spec: JsonObject = {}): Sample =>
  sample('', 'pods', 'Pod', name, { spec: { containers, ...spec }, status: { phase: 'Running', ...status } });

const init = {
  initContainers: [
    { name: 'i', image: 'i' },
    { name: 'j', image: 'j' },
  ],
};
const sidecar = { initContainers: [{ name: 'i', image: 'i', restartPolicy: 'Always' }] };
const ready = [{ type: 'Ready', status: 'True' }];

const pods: readonly Sample[] = [
  pod('p-run', {
    containerStatuses: [running('a'), running('b')],
    conditions: ready,
    podIPs: [{ ip: '10.0.0.1' }],
    podIP: '10.0.0.1',
  }),
  pod('p-pending', { phase: 'Pending' }),
  pod('p-reason', { phase: 'Failed', reason: 'Evicted' }),
  pod('p-gated', {
    phase: 'Pending',
    conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }],
  }),
  pod('p-crash', { containerStatuses: [running('a'), waiting('b', 'CrashLoopBackOff')] }),
  pod('p-restart', {
    containerStatuses: [
      running('a', { restartCount: 3, lastState: { terminated: { exitCode: 1, finishedAt: long } } }),
      running('b'),
    ],
  }),
  pod('p-done', {
    phase: 'Succeeded',
    containerStatuses: [
      ended('a', { exitCode: 0, reason: 'Completed' }),
      ended('b', { exitCode: 0, reason: 'Completed' }),
    ],
  }),
  pod('p-half', { containerStatuses: [running('a'), ended('b', { exitCode: 0, reason: 'Completed' })] }),
  pod('p-half-ready', {
    conditions: ready,
    containerStatuses: [ended('a', { exitCode: 0, reason: 'Completed' }), running('b')],
  }),
  pod('p-error', {
    phase: 'Failed',
    containerStatuses: [ended('a', { exitCode: 2 }), ended('b', { exitCode: 0, reason: 'Completed', signal: 9 })],
  }),
  pod('p-signal', { phase: 'Failed', containerStatuses: [ended('a', { exitCode: 137, signal: 9 })] }),
  pod(
    'p-init',
    { phase: 'Pending', initContainerStatuses: [ended('i', { exitCode: 0 }), running('j', { ready: false })] },
    init,
  ),
  pod(
    'p-init-fail',
    { phase: 'Pending', initContainerStatuses: [ended('i', { exitCode: 3 }, { restartCount: 2 })] },
    init,
  ),
  pod('p-init-wait', { phase: 'Pending', initContainerStatuses: [waiting('i', 'ImagePullBackOff')] }, init),
  pod('p-init-podinit', { phase: 'Pending', initContainerStatuses: [waiting('i', 'PodInitializing')] }, init),
  pod(
    'p-sidecar',
    {
      initContainerStatuses: [running('i', { started: true, restartCount: 1 })],
      containerStatuses: [running('a'), running('b')],
    },
    sidecar,
  ),
  pod(
    'p-gates',
    { conditions: [{ type: 'x.io/y', status: 'True' }] },
    { readinessGates: [{ conditionType: 'x.io/y' }, { conditionType: 'x.io/z' }] },
  ),
];

const nodes: readonly Sample[] = [
  sample('', 'nodes', 'Node', 'n-ready', {
    metadata: {
      name: 'n-ready',
      labels: { 'node-role.kubernetes.io/control-plane': '', 'kubernetes.io/role': 'extra' },
    },
    status: {
      conditions: [{ type: 'Ready', status: 'True' }],
      addresses: [
        { type: 'InternalIP', address: '10.0.0.1' },
        { type: 'ExternalIP', address: '1.2.3.4' },
      ],
      nodeInfo: {
        kubeletVersion: 'v1.37.2',
        osImage: 'Debian',
        kernelVersion: '6.1',
        architecture: 'amd64',
        containerRuntimeVersion: 'containerd://2',
      },
    },
  }),
  sample('', 'nodes', 'Node', 'n-away', {
    spec: { unschedulable: true },
    status: { conditions: [{ type: 'Ready', status: 'Unknown' }] },
  }),
];

const service = (name: string, spec: JsonObject, status?: JsonObject): Sample =>
  sample('', 'services', 'Service', name, {
    spec: {
      ports: [
        { port: 80, name: 'a' },
        { port: 81, name: 'b', protocol: 'UDP' },
      ],
      selector: labels,
      ...spec,
    },
    ...(status === undefined ? {} : { status }),
  });

const services: readonly Sample[] = [
  service('s-cluster', { externalIPs: ['9.9.9.9'] }),
  service('s-headless', { clusterIP: 'None' }),
  service('s-node', { type: 'NodePort' }),
  service('s-lb', { type: 'LoadBalancer' }),
  service(
    's-lb-ready',
    { type: 'LoadBalancer', externalIPs: ['9.9.9.8'] },
    { loadBalancer: { ingress: [{ ip: '5.5.5.5' }, { hostname: 'lb.example.com' }] } },
  ),
  service('s-name', { type: 'ExternalName', externalName: 'x.example.com', ports: [] }),
];

const selector: JsonValue = {
  matchLabels: labels,
  matchExpressions: [{ key: 'tier', operator: 'In', values: ['b', 'a'] }],
};
const tiered = {
  metadata: { labels: { ...labels, tier: 'a' } },
  spec: { containers, nodeSelector: { z: '1', a: '2' } },
};

const workloads: readonly Sample[] = [
  sample('apps', 'deployments', 'Deployment', 'd', {
    spec: { replicas: 3, selector, template: tiered },
    status: { replicas: 3, readyReplicas: 2, updatedReplicas: 1, availableReplicas: 2 },
  }),
  sample('apps', 'replicasets', 'ReplicaSet', 'r', {
    spec: { replicas: 2, selector, template: tiered },
    status: { replicas: 2, readyReplicas: 1 },
  }),
  sample('apps', 'statefulsets', 'StatefulSet', 's', {
    spec: { serviceName: 's', selector, template: tiered },
    status: { replicas: 1, readyReplicas: 1 },
  }),
  sample('apps', 'daemonsets', 'DaemonSet', 'd', {
    spec: { selector, template: tiered },
    status: {
      currentNumberScheduled: 2,
      desiredNumberScheduled: 3,
      numberReady: 1,
      numberMisscheduled: 0,
      updatedNumberScheduled: 1,
      numberAvailable: 1,
    },
  }),
  sample('batch', 'jobs', 'Job', 'j-run', {
    spec: { parallelism: 2, template: { ...podTemplate, spec: { containers, restartPolicy: 'Never' } } },
    status: { succeeded: 1, startTime: long },
  }),
  sample('batch', 'jobs', 'Job', 'j-wait', {
    spec: { suspend: true, completions: 2, template: { ...podTemplate, spec: { containers, restartPolicy: 'Never' } } },
  }),
  sample('batch', 'cronjobs', 'CronJob', 'c', {
    spec: {
      schedule: '* * * * *',
      timeZone: 'Etc/UTC',
      jobTemplate: { spec: { template: { ...podTemplate, spec: { containers, restartPolicy: 'Never' } } } },
    },
    status: { lastScheduleTime: long, active: [{ name: 'x' }] },
  }),
  sample('', 'replicationcontrollers', 'ReplicationController', 'rc', {
    spec: { selector: labels, template: podTemplate },
  }),
  sample('', 'podtemplates', 'PodTemplate', 'pt', { template: podTemplate }),
  sample('apps', 'controllerrevisions', 'ControllerRevision', 'cr', {
    metadata: {
      name: 'cr',
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'd', uid: 'u', controller: true }],
    },
    revision: 4,
    data: {},
  }),
  sample('policy', 'poddisruptionbudgets', 'PodDisruptionBudget', 'pdb', {
    spec: { minAvailable: '50%', selector },
    status: { disruptionsAllowed: 1, currentHealthy: 2, desiredHealthy: 1, expectedPods: 2 },
  }),
];

const subjects: JsonValue = [
  { kind: 'User', name: 'u' },
  { kind: 'Group', name: 'g' },
  { kind: 'ServiceAccount', name: 's', namespace: 'default' },
  { kind: 'User', name: 'v' },
];

const others: readonly Sample[] = [
  sample('', 'configmaps', 'ConfigMap', 'cm', { data: { a: '1', b: '2' }, binaryData: { c: 'YQ==' } }),
  sample('', 'secrets', 'Secret', 'sec', { data: { a: 'YQ==' } }),
  sample('', 'serviceaccounts', 'ServiceAccount', 'sa', {}),
  sample('', 'limitranges', 'LimitRange', 'lr', { spec: { limits: [] } }),
  sample('', 'endpoints', 'Endpoints', 'ep', {
    subsets: [
      {
        addresses: [{ ip: '10.1.0.1' }, { ip: '10.1.0.2' }],
        ports: [
          { port: 1, name: 'a' },
          { port: 2, name: 'b' },
        ],
      },
    ],
  }),
  sample('', 'resourcequotas', 'ResourceQuota', 'rq', {
    spec: { hard: { pods: '3' } },
    status: {
      hard: { pods: '3', 'limits.cpu': '2000m', 'requests.cpu': '1' },
      used: { pods: '1', 'limits.cpu': '500m', 'requests.cpu': '0.25' },
    },
  }),
  sample('', 'persistentvolumes', 'PersistentVolume', 'pv', {
    spec: {
      capacity: { storage: '1024Mi' },
      accessModes: ['ReadWriteMany', 'ReadWriteOnce'],
      hostPath: { path: '/x' },
      storageClassName: 'fast',
      claimRef: { namespace: 'default', name: 'pvc', kind: 'PersistentVolumeClaim', apiVersion: 'v1' },
    },
    status: { phase: 'Bound' },
  }),
  sample('', 'persistentvolumeclaims', 'PersistentVolumeClaim', 'pvc', {
    spec: {
      accessModes: ['ReadWriteOnce'],
      volumeName: 'pv',
      storageClassName: 'fast',
      resources: { requests: { storage: '1Gi' } },
    },
    status: { phase: 'Bound', capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'] },
  }),
  sample('', 'persistentvolumeclaims', 'PersistentVolumeClaim', 'pvc-wait', {
    spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'fast', resources: { requests: { storage: '1Gi' } } },
  }),
  sample('', 'events', 'Event', 'ev-old', {
    involvedObject: { kind: 'Pod', name: 'p', namespace: 'default', fieldPath: 'spec.containers{a}' },
    reason: 'Pulled',
    type: 'Normal',
    message: ' text ',
    count: 3,
    firstTimestamp: long,
    lastTimestamp: long,
    source: { component: 'kubelet', host: 'n' },
  }),
  sample('events.k8s.io', 'events', 'Event', 'ev-new', {
    eventTime: '2020-01-01T00:00:00.000000Z',
    regarding: { kind: 'Node', name: 'n', namespace: 'default' },
    reason: 'Ready',
    action: 'a',
    type: 'Normal',
    note: 'text',
    reportingController: 'x.io/y',
    reportingInstance: 'z',
  }),
  sample('networking.k8s.io', 'ingresses', 'Ingress', 'ing', {
    spec: {
      ingressClassName: 'x',
      tls: [{ hosts: ['a.b'] }],
      rules: ['a.b', 'c.d', 'e.f', 'g.h'].map((host) => ({ host })),
      defaultBackend: { service: { name: 's', port: { number: 80 } } },
    },
    status: { loadBalancer: { ingress: [{ ip: '5.5.5.5' }] } },
  }),
  sample('networking.k8s.io', 'ingresses', 'Ingress', 'ing-all', {
    spec: { defaultBackend: { service: { name: 's', port: { number: 80 } } } },
  }),
  sample('networking.k8s.io', 'ingressclasses', 'IngressClass', 'ic', {
    spec: { controller: 'x.io/y', parameters: { apiGroup: 'x.io', kind: 'P', name: 'q' } },
  }),
  sample('networking.k8s.io', 'networkpolicies', 'NetworkPolicy', 'np', { spec: { podSelector: {} } }),
  sample('networking.k8s.io', 'networkpolicies', 'NetworkPolicy', 'np-some', { spec: { podSelector: selector } }),
  sample('rbac.authorization.k8s.io', 'roles', 'Role', 'role', { rules: [] }),
  sample('rbac.authorization.k8s.io', 'rolebindings', 'RoleBinding', 'rb', {
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'role' },
    subjects,
  }),
  sample('coordination.k8s.io', 'leases', 'Lease', 'lease', { spec: { holderIdentity: 'me' } }),
  sample('discovery.k8s.io', 'endpointslices', 'EndpointSlice', 'es', {
    addressType: 'IPv4',
    ports: [{ port: 80, name: 'a' }, { name: 'b' }],
    endpoints: [
      { addresses: ['10.0.0.1'] },
      { addresses: ['10.0.0.2'] },
      { addresses: ['10.0.0.3'] },
      { addresses: ['10.0.0.4'] },
    ],
  }),
  sample('discovery.k8s.io', 'endpointslices', 'EndpointSlice', 'es-none', { addressType: 'IPv4', endpoints: [] }),
  sample('storage.k8s.io', 'storageclasses', 'StorageClass', 'fast', {
    provisioner: 'x.io/y',
    allowVolumeExpansion: true,
  }),
  sample('storage.k8s.io', 'csinodes', 'CSINode', 'n-ready', { spec: { drivers: [{ name: 'd.x.io', nodeID: 'n' }] } }),
  sample('storage.k8s.io', 'volumeattachments', 'VolumeAttachment', 'va', {
    spec: { attacher: 'd.x.io', nodeName: 'n', source: { persistentVolumeName: 'pv' } },
  }),
  sample('scheduling.k8s.io', 'priorityclasses', 'PriorityClass', 'pc', { value: 5 }),
  sample('node.k8s.io', 'runtimeclasses', 'RuntimeClass', 'rt', { handler: 'h' }),
  sample('autoscaling', 'horizontalpodautoscalers', 'HorizontalPodAutoscaler', 'hpa', {
    spec: {
      maxReplicas: 3,
      targetCPUUtilizationPercentage: 60,
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' },
    },
  }),
];

export const samples: readonly Sample[] = [...pods, ...nodes, ...services, ...workloads, ...others];
