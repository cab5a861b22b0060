/** More requests whose answers must be those of kube-apiserver: evictions under budgets, priorities, quotas. */
import type { Group, Step } from './conformance-table.ts';

const core = '/api/v1/namespaces/{ns}';
const policy = '/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets';
const classes = '/apis/scheduling.k8s.io/v1/priorityclasses';
const merge = 'application/merge-patch+json';

const get = (url: string): Step => ({ method: 'GET', url });
const post = (url: string, body: unknown): Step => ({ method: 'POST', url, body });
const patch = (url: string, body: unknown): Step => ({ method: 'PATCH', url, type: merge, body });
const remove = (url: string): Step => ({ method: 'DELETE', url });
/** Waits until a real server knows what was written before. */
const settle = (url: string, body: unknown): Step => ({
  method: 'POST',
  url: `${url}?dryRun=All`,
  body,
  settles: true,
});
const goValues = (step: Step): Step => ({ ...step, differs: 'goValues' });

const pod = (name: string, app: string, more: object = {}): Step =>
  post(`${core}/pods`, {
    metadata: { name, labels: { app } },
    spec: {
      containers: [{ name: 'c', image: 'nginx:1' }],
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 0,
      nodeName: 'n1',
      ...more,
    },
  });
const running = (name: string, ready: boolean): Step =>
  patch(`${core}/pods/${name}/status`, {
    status: {
      phase: 'Running',
      conditions: [
        {
          type: 'Ready',
          status: ready ? 'True' : 'False',
          lastProbeTime: '2026-01-01T00:00:00Z',
          lastTransitionTime: '2026-01-01T00:00:00Z',
        },
      ],
    },
  });
const budget = (name: string, app: string, spec: object = { minAvailable: 1 }): Step =>
  post(policy, { metadata: { name }, spec: { selector: { matchLabels: { app } }, ...spec } });
const counted = (name: string, status: object): Step =>
  patch(`${policy}/${name}/status`, {
    status: {
      observedGeneration: 1,
      disruptionsAllowed: 0,
      currentHealthy: 1,
      desiredHealthy: 1,
      expectedPods: 1,
      ...status,
    },
  });
const evict = (name: string, deleteOptions?: object, query = ''): Step =>
  post(`${core}/pods/${name}/eviction${query}`, {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name, namespace: '{ns}' },
    ...(deleteOptions === undefined ? {} : { deleteOptions }),
  });
const condition = (reason: string, message: string): object => ({
  type: 'DisruptionAllowed',
  status: 'False',
  reason,
  message,
  lastTransitionTime: '2026-01-01T00:00:00Z',
});

const evictions: Group = {
  name: 'evictions',
  steps: [
    pod('free', 'none'),
    running('free', true),
    evict('absent'),
    post(`${core}/pods/free/eviction`, { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'other' } }),
    post(`${core}/pods/free/eviction`, {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name: 'free', namespace: 'elsewhere' },
    }),
    evict('free', { ignoreStoreReadErrorWithClusterBreakingPotential: true }),
    evict('free', { preconditions: { uid: 'x' } }),
    evict('free', { preconditions: { resourceVersion: '1' } }),
    evict('free', { dryRun: ['All'] }),
    evict('free', undefined, '?dryRun=All'),
    evict('free', { dryRun: ['All'] }, '?dryRun=All'),
    evict('free', undefined, '?dryRun=None'),
    get(`${core}/pods/free`),
    evict('free'),
    get(`${core}/pods/free`),
    pod('slow', 'none', { terminationGracePeriodSeconds: 60 }),
    running('slow', true),
    evict('slow'),
    get(`${core}/pods/slow`),
    evict('slow', { gracePeriodSeconds: 0 }),
    pod('a', 'a', { terminationGracePeriodSeconds: 60 }),
    running('a', true),
    budget('b', 'a'),
    evict('a'),
    counted('b', {}),
    evict('a'),
    counted('b', { currentHealthy: 3 }),
    evict('a'),
    counted('b', { conditions: [condition('InsufficientPods', '')] }),
    evict('a'),
    counted('b', { currentHealthy: 3, conditions: [condition('Somehow', 'because')] }),
    evict('a'),
    counted('b', { conditions: [condition('SyncFailed', 'found no controllers for pod "a"')] }),
    evict('a'),
    counted('b', { disruptionsAllowed: 2, currentHealthy: 3, conditions: null }),
    evict('a', { dryRun: ['All'] }),
    get(`${policy}/b`),
    evict('a', { preconditions: { uid: 'x' } }),
    get(`${policy}/b`),
    evict('a'),
    get(`${policy}/b`),
    get(`${core}/pods/a`),
    evict('a'),
    get(`${policy}/b`),
    pod('twice', 'a'),
    running('twice', true),
    budget('c', 'a'),
    evict('twice'),
    get(`${core}/pods/twice`),
    remove(`${policy}/c`),
    counted('b', { disruptionsAllowed: 0, currentHealthy: 0 }),
    running('twice', false),
    evict('twice'),
    counted('b', { currentHealthy: 1 }),
    evict('twice'),
    pod('start', 'a'),
    counted('b', { currentHealthy: 0 }),
    evict('start'),
    pod('over', 'a'),
    patch(`${core}/pods/over/status`, { status: { phase: 'Succeeded' } }),
    evict('over'),
    budget('d', 'd', { maxUnavailable: '50%', unhealthyPodEvictionPolicy: 'AlwaysAllow' }),
    pod('d', 'd'),
    running('d', true),
    counted('d', { currentHealthy: 0 }),
    evict('d'),
    running('d', false),
    evict('d', { preconditions: { resourceVersion: '1' } }),
    evict('d'),
    counted('d', { disruptionsAllowed: -1 }),
    patch(`${policy}/d`, { spec: { maxUnavailable: 1 } }),
    post(policy, { metadata: { name: 'x' }, spec: { minAvailable: 1, maxUnavailable: 1 } }),
    post(policy, { metadata: { name: 'x' }, spec: { minAvailable: -1 } }),
    post(policy, { metadata: { name: 'x' }, spec: { minAvailable: '101%' } }),
    post(policy, { metadata: { name: 'x' }, spec: { maxUnavailable: 'few' } }),
    post(policy, { metadata: { name: 'x' }, spec: { maxUnavailable: 1, unhealthyPodEvictionPolicy: 'Sometimes' } }),
    pod('last', 'e'),
    running('last', true),
    remove('/api/v1/namespaces/{ns}'),
    evict('last'),
  ],
};

const classOf = (name: string, value: number, more: object = {}): Step =>
  post(classes, { metadata: { name }, value, ...more });
const ranked = (name: string, more: object): Step => pod(name, 'p', { nodeName: undefined, ...more });

const probe = (more: object = {}): object => ({
  metadata: { name: 'probe' },
  spec: { containers: [{ name: 'c', image: 'nginx:1' }], automountServiceAccountToken: false, ...more },
});

const priorities: Group = {
  name: 'priorities',
  steps: [
    classOf('system-own', 1),
    classOf('huge', 1_000_000_001),
    classOf('limits-high', 1000, { preemptionPolicy: 'Never' }),
    classOf('limits-bad', 1000, { preemptionPolicy: 'Perhaps' }),
    patch(`${classes}/limits-high`, { value: 1001 }),
    patch(`${classes}/limits-high`, { preemptionPolicy: 'PreemptLowerPriority' }),
    settle(`${core}/pods`, probe({ priorityClassName: 'limits-high' })),
    ranked('p1', {}),
    ranked('p2', { priorityClassName: 'limits-high' }),
    ranked('p3', { priorityClassName: 'absent' }),
    ranked('p4', { priority: 7 }),
    ranked('p5', { priorityClassName: 'limits-high', priority: 1000 }),
    ranked('p6', { priorityClassName: 'limits-high', preemptionPolicy: 'PreemptLowerPriority' }),
    ranked('p7', { priorityClassName: 'system-node-critical' }),
    classOf('limits-default', 5, { globalDefault: true }),
    settle(classes, { metadata: { name: 'limits-second' }, value: 6, globalDefault: true }),
    classOf('limits-second', 6, { globalDefault: true }),
    patch(`${classes}/limits-high`, { globalDefault: true }),
    patch(`${classes}/limits-default`, { description: 'the one' }),
    remove(`${classes}/limits-default`),
    remove(`${classes}/limits-high`),
  ],
};

const quota = (name: string, hard: object, more: object = {}): Step =>
  post(`${core}/resourcequotas`, { metadata: { name }, spec: { hard, ...more } });
const known = (name: string, hard: object, used: object): Step =>
  patch(`${core}/resourcequotas/${name}/status`, { status: { hard, used } });
const costly = (name: string, requests: object | undefined, more: object = {}): Step =>
  ranked(name, {
    containers: [{ name: 'c', image: 'nginx:1', ...(requests === undefined ? {} : { resources: { requests } }) }],
    ...more,
  });
const service = (name: string, type: string): Step =>
  post(`${core}/services`, { metadata: { name }, spec: { type, selector: { a: 'b' }, ports: [{ port: 80 }] } });

const deployment = {
  metadata: { name: 'd' },
  spec: {
    selector: { matchLabels: { a: 'b' } },
    template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'nginx:1' }] } },
  },
};
const claim = (name: string, storage: string): object => ({
  metadata: { name },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } }, storageClassName: 'gold' },
});

const quotas: Group = {
  name: 'quotas',
  steps: [
    quota('bad', { nonsense: '1' }),
    quota('bad', { pods: '1500m' }),
    quota('bad', { pods: '-1' }),
    quota('bad', { 'requests.cpu': '1' }, { scopes: ['BestEffort'] }),
    quota('bad', { pods: '1' }, { scopes: ['BestEffort', 'NotBestEffort'] }),
    quota('bad', { pods: '1' }, { scopes: ['Sometimes'] }),
    goValues(
      quota(
        'bad',
        { pods: '1' },
        { scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In' }] } },
      ),
    ),
    quota('q', { pods: '2', 'requests.cpu': '1' }),
    costly('q0', { cpu: '200m' }),
    known('q', { pods: '2', 'requests.cpu': '1' }, { pods: '0', 'requests.cpu': '0' }),
    settle(`${core}/pods`, probe()),
    costly('q1', undefined),
    costly('q1', { cpu: '200m' }, { initContainers: [{ name: 'i', image: 'nginx:1' }] }),
    costly('q1', { cpu: '900m' }),
    get(`${core}/resourcequotas/q`),
    costly('q2', { cpu: '101m' }),
    costly('q2', { cpu: '100m' }),
    costly('q3', { cpu: '100m' }),
    patch(`${core}/pods/q1`, { metadata: { labels: { more: 'x' } } }),
    get(`${core}/resourcequotas/q`),
    patch(`${core}/resourcequotas/q`, { spec: { scopes: ['BestEffort'] } }),
    remove(`${core}/resourcequotas/q`),
    quota('objects', {
      'count/configmaps': '1',
      secrets: '1',
      'count/deployments.apps': '0',
      services: '2',
      'services.nodeports': '1',
      'services.loadbalancers': '0',
    }),
    known(
      'objects',
      {
        'count/configmaps': '1',
        secrets: '1',
        'count/deployments.apps': '0',
        services: '2',
        'services.nodeports': '1',
        'services.loadbalancers': '0',
      },
      {
        'count/configmaps': '0',
        secrets: '0',
        'count/deployments.apps': '0',
        services: '0',
        'services.nodeports': '0',
        'services.loadbalancers': '0',
      },
    ),
    settle('/apis/apps/v1/namespaces/{ns}/deployments', deployment),
    post(`${core}/configmaps?dryRun=All`, { metadata: { name: 'one' } }),
    post(`${core}/configmaps`, { metadata: { name: 'one' } }),
    post(`${core}/configmaps?dryRun=All`, { metadata: { name: 'two' } }),
    post(`${core}/configmaps`, { metadata: { name: 'two' } }),
    post(`${core}/secrets`, { metadata: { name: 'one' } }),
    post(`${core}/secrets`, { metadata: { name: 'two' } }),
    post('/apis/apps/v1/namespaces/{ns}/deployments', deployment),
    service('s1', 'LoadBalancer'),
    remove(`${core}/resourcequotas/objects`),
    quota(
      'scoped',
      { pods: '1' },
      {
        scopeSelector: {
          matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['system-node-critical'] }],
        },
      },
    ),
    known('scoped', { pods: '1' }, { pods: '1' }),
    settle(`${core}/pods`, probe({ priorityClassName: 'system-node-critical' })),
    costly('plain', undefined),
    costly('critical', undefined, { priorityClassName: 'system-node-critical' }),
    quota('short', { pods: '0' }, { scopes: ['Terminating'] }),
    known('short', { pods: '0' }, { pods: '0' }),
    settle(`${core}/pods`, probe({ activeDeadlineSeconds: 60 })),
    costly('limited', undefined, { activeDeadlineSeconds: 60 }),
    patch(`${core}/pods/plain`, { spec: { activeDeadlineSeconds: 60 } }),
    quota('storage', { 'requests.storage': '1Gi', 'gold.storageclass.storage.k8s.io/persistentvolumeclaims': '0' }),
    known(
      'storage',
      { 'requests.storage': '1Gi', 'gold.storageclass.storage.k8s.io/persistentvolumeclaims': '0' },
      { 'requests.storage': '0', 'gold.storageclass.storage.k8s.io/persistentvolumeclaims': '0' },
    ),
    settle(`${core}/persistentvolumeclaims`, claim('big', '1025Mi')),
    post(`${core}/persistentvolumeclaims`, claim('big', '1025Mi')),
  ],
};

const range = (name: string, ...limits: object[]): Step =>
  post(`${core}/limitranges`, { metadata: { name }, spec: { limits } });
const sized = (name: string, resources: object, more: object = {}): Step =>
  ranked(name, { containers: [{ name: 'c', image: 'nginx:1', resources }], ...more });
const tiny = { containers: [{ name: 'c', image: 'nginx:1', resources: { requests: { cpu: '1m' } } }] };

const limitRanges: Group = {
  name: 'limit ranges',
  steps: [
    range('bad', { type: 'Pod', default: { cpu: '1' } }),
    range('bad', { type: 'Container', min: { cpu: '2' }, max: { cpu: '1' } }),
    range('bad', { type: 'Container', max: { cpu: '1' }, default: { cpu: '2' } }),
    range('bad', { type: 'Container', max: { cpu: '1' } }, { type: 'Container', max: { cpu: '2' } }),
    range('bad', { type: 'PersistentVolumeClaim', max: { cpu: '1' } }),
    range('bad', { type: 'Pod', maxLimitRequestRatio: { cpu: '500m' } }),
    range('bad', { type: 'Pod', min: { cpu: '1' }, max: { cpu: '2' }, maxLimitRequestRatio: { cpu: '3' } }),
    range('defaults', { type: 'Container', min: { cpu: '10m' }, max: { cpu: '1' }, default: { memory: '64Mi' } }),
    settle(`${core}/pods`, probe(tiny)),
    sized('r0', {}),
    sized('r1', { requests: { cpu: '1m' } }),
    sized('r2', { limits: { cpu: '2' } }),
    sized('r3', { requests: { cpu: '20m' }, limits: { cpu: '20m', memory: '1Gi' } }),
    sized('r4', {}, { initContainers: [{ name: 'i', image: 'nginx:1' }] }),
    patch(`${core}/pods/r0`, { metadata: { labels: { more: 'x' } } }),
    remove(`${core}/limitranges/defaults`),
    range('whole', { type: 'Pod', max: { cpu: '1' }, maxLimitRequestRatio: { cpu: '2' } }),
    settle(`${core}/pods`, probe()),
    sized('w0', { requests: { cpu: '100m' } }),
    sized('w1', { requests: { cpu: '100m' }, limits: { cpu: '300m' } }),
    sized('w2', { limits: { cpu: '1001m' } }),
    sized('w3', { requests: { cpu: '100m' }, limits: { cpu: '200m' } }),
    remove(`${core}/limitranges/whole`),
    range('claims', { type: 'PersistentVolumeClaim', min: { storage: '2Gi' }, max: { storage: '3Gi' } }),
    settle(`${core}/persistentvolumeclaims`, claim('c1', '1Gi')),
    post(`${core}/persistentvolumeclaims`, claim('c1', '1Gi')),
    post(`${core}/persistentvolumeclaims`, claim('c2', '4Gi')),
  ],
};

export const limitGroups: readonly Group[] = [evictions, priorities, quotas, limitRanges];
