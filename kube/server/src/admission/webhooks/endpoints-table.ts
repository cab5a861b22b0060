/** Webhooks behind Services, on connections, on subresources and on custom kinds: outcomes must be those of kube-apiserver. */
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import type { CaseStep, WebhookCase } from './webhooks-table.ts';

/** Where the webhook server listens, which is an address of Services as well. */
export const serviceAddress = '127.96.0.9';

const core = '/api/v1/namespaces/{ns}';
const maps = `${core}/configmaps`;
const merge = 'application/merge-patch+json';
const post = (url: string, body: object, more: Partial<CaseStep> = {}): CaseStep => ({
  method: 'POST',
  url,
  body,
  ...more,
});
const rule = (group: string, resources: readonly string[], operations: readonly string[] = ['*']): JsonObject => ({
  apiGroups: [group],
  apiVersions: ['*'],
  resources,
  operations,
});
const map = (name: string, labels: JsonObject = {}): object => ({ metadata: { name, labels }, data: { a: '1' } });
const pod = {
  metadata: { name: 'p' },
  spec: { containers: [{ name: 'c', image: 'nginx:1' }], automountServiceAccountToken: false },
};

const services = '/api/v1/namespaces/system/services';
const dropService: CaseStep = { method: 'DELETE', url: `${services}/hooks` };
/** An address of loopback is no endpoint for kube-apiserver, which does not ask for one either. */
const endpoints: CaseStep = {
  only: 'own',
  ...post('/apis/discovery.k8s.io/v1/namespaces/system/endpointslices', {
    metadata: { name: 'hooks', labels: { 'kubernetes.io/service-name': 'hooks' } },
    addressType: 'IPv4',
    ports: [{ name: '', port: '{port}' }],
    endpoints: [{ addresses: [serviceAddress] }],
  }),
};
const dropEndpoints: CaseStep = {
  only: 'own',
  method: 'DELETE',
  url: '/apis/discovery.k8s.io/v1/namespaces/system/endpointslices/hooks',
};
const behind = (name: string, spec: object, until: CaseStep['until']): WebhookCase => ({
  name: `a Service ${name}`,
  hooks: [{ path: 'warn', service: true }],
  steps: [
    post('/api/v1/namespaces', { metadata: { name: 'system' } }),
    endpoints,
    post(maps, map('a'), { until: { says: 'service "hooks" not found' } }),
    post(services, { metadata: { name: 'hooks' }, spec }, { until: { status: 201 } }),
    post(maps, map('a'), until === undefined ? {} : { until }),
    dropService,
    dropEndpoints,
  ],
});

const exempt = (name: string, steps: readonly CaseStep[], hooks: WebhookCase['hooks']): WebhookCase => ({
  name,
  hooks,
  steps: [post(`${core}/pods`, pod), ...steps],
});
const connections = ['exec?command=a&command=b&stdout=1&container=c', 'exec?stdin=true&tty=true', 'attach?stderr=1'];
const connect = (path: string, method = 'POST'): CaseStep => ({ method, url: `${core}/pods/p/${path}` });

const scaled = (name: string): object => ({
  metadata: { name },
  spec: {
    replicas: 1,
    selector: { matchLabels: { a: 'b' } },
    template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'nginx:1' }] } },
  },
});
const deployments = '/apis/apps/v1/namespaces/{ns}/deployments';
const scale = { metadata: { name: 'd', namespace: '{ns}' }, spec: { replicas: 3 } };

const versionOf = (name: string, storage: boolean): object => ({
  name,
  served: true,
  storage,
  schema: {
    openAPIV3Schema: {
      type: 'object',
      properties: {
        spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      },
    },
  },
  subresources: { status: {}, scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' } },
});
const group = '{ns}.example.com';
const definition = post('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
  metadata: { name: `widgets.${group}` },
  spec: {
    group,
    scope: 'Namespaced',
    names: { plural: 'widgets', singular: 'widget', kind: 'Widget', listKind: 'WidgetList' },
    versions: [versionOf('v1', true), versionOf('v2', false)],
  },
});
const widgets = (version: string): string => `/apis/${group}/${version}/namespaces/{ns}/widgets`;
const widget = (version: string): object => ({
  apiVersion: `${group}/${version}`,
  kind: 'Widget',
  metadata: { name: 'w' },
  spec: { replicas: 1 },
});
const ofVersion = (version: string, resources: readonly string[] = ['widgets']): JsonObject => ({
  ...rule(group, resources),
  apiVersions: [version],
});
/** What is created before the kind is served; its own answers are no matter of webhooks. */
const served: readonly CaseStep[] = [
  { ...definition, only: 'own' },
  { ...definition, only: 'real' },
  ...['v1', 'v2'].map((version): CaseStep => ({
    method: 'GET',
    url: widgets(version),
    until: { says: '"items":[]' },
    only: 'real',
  })),
];
const versions = (name: string, hooks: WebhookCase['hooks']): WebhookCase => ({
  name: `custom kinds: ${name}`,
  hooks,
  steps: [
    ...served,
    post(widgets('v1'), widget('v1')),
    { method: 'PUT', url: `${widgets('v2')}/w?dryRun=All`, body: widget('v2') },
    { method: 'PATCH', url: `${widgets('v2')}/w`, body: { spec: { a: 'b' } }, type: merge },
    { method: 'PATCH', url: `${widgets('v2')}/w/status`, body: { status: { replicas: 1 } }, type: merge },
    { method: 'PATCH', url: `${widgets('v2')}/w/scale`, body: { spec: { replicas: 2 } }, type: merge },
    { method: 'GET', url: `${widgets('v2')}/w` },
    { method: 'DELETE', url: `${widgets('v2')}/w` },
  ],
});

const dry = (step: CaseStep): CaseStep => ({ ...step, url: `${step.url}?dryRun=All` });
const sideEffects = { sideEffects: 'NoneOnDryRun' };
const conditions = (...expressions: readonly string[]): JsonObject => ({
  matchConditions: expressions.map((expression, index) => ({ name: `c${index}`, expression })),
});
const token = post(`${core}/serviceaccounts/default/token`, { spec: { audiences: ['a'], expirationSeconds: 700 } });

/** Cases of `webhookCases`' kind. */
export const endpointCases: readonly WebhookCase[] = [
  behind('with an address', { clusterIP: serviceAddress, ports: [{ port: '{port}' }] }, { status: 201 }),
  behind('that is another name', { type: 'ExternalName', externalName: serviceAddress }, { status: 201 }),
  behind('without an address', { clusterIP: 'None', ports: [{ port: '{port}' }] }, { says: 'cannot route' }),
  behind('without the port', { clusterIP: serviceAddress, ports: [{ port: 7 }] }, { says: 'no service port' }),
  exempt(
    'connections that are refused',
    [
      ...connections.map((path) => connect(path)),
      connect('exec?command=a', 'GET'),
      connect('portforward'),
      connect('portforward?ports=80&ports=81'),
    ],
    [{ path: 'deny', rule: rule('', ['pods/exec', 'pods/attach', 'pods/portforward'], ['CONNECT']) }],
  ),
  exempt(
    'connections to what is not there',
    [{ method: 'POST', url: `${core}/pods/none/exec?command=a` }],
    [{ path: 'allow', rule: rule('', ['pods/*'], ['CONNECT']) }],
  ),
  exempt(
    'connections under other rules',
    [connect('exec?command=a')],
    [{ path: 'deny', rule: rule('', ['pods', 'pods/portforward'], ['*']) }],
  ),
  exempt(
    'evictions that are allowed, rehearsed and refused',
    [
      post(`${core}/pods/p/eviction`, { metadata: { name: 'p' }, deleteOptions: { dryRun: ['All'] } }),
      dry(post(`${core}/pods/p/eviction`, { metadata: { name: 'p' } })),
      post(`${core}/pods/p/eviction`, { metadata: { name: 'p' }, deleteOptions: { gracePeriodSeconds: 0 } }),
      { method: 'GET', url: `${core}/pods/p` },
    ],
    [
      { path: 'allow', rule: rule('', ['pods/eviction']) },
      { path: 'warn', rule: rule('', ['pods'], ['DELETE']) },
    ],
  ),
  exempt(
    'evictions under a webhook for deletions',
    [post(`${core}/pods/p/eviction`, { metadata: { name: 'p' }, deleteOptions: { gracePeriodSeconds: 0 } })],
    [{ path: 'deny', rule: rule('', ['pods'], ['DELETE']) }],
  ),
  exempt(
    'what pods have beside themselves',
    [
      { method: 'PATCH', url: `${core}/pods/p/status`, body: { status: { message: 'm' } }, type: merge },
      {
        method: 'PATCH',
        url: `${core}/pods/p/ephemeralcontainers`,
        body: { spec: { ephemeralContainers: [{ name: 'e', image: 'i' }] } },
        type: 'application/strategic-merge-patch+json',
      },
    ],
    [{ path: 'deny', rule: rule('', ['pods/status', 'pods/ephemeralcontainers']) }],
  ),
  {
    name: 'scales that are refused',
    hooks: [{ path: 'deny', rule: rule('apps', ['deployments/scale']) }],
    steps: [
      post(deployments, scaled('d')),
      { method: 'PUT', url: `${deployments}/d/scale`, body: scale },
      { method: 'PATCH', url: `${deployments}/d/scale?dryRun=All`, body: { spec: { replicas: 2 } }, type: merge },
      { method: 'GET', url: `${deployments}/d/scale` },
    ],
  },
  {
    name: 'tokens that are refused',
    hooks: [{ path: 'deny', rule: rule('', ['serviceaccounts/token']) }],
    steps: [token, dry(token)],
  },
  {
    name: 'tokens that are changed and seen',
    hooks: [
      { path: 'long', mutating: true, rule: rule('', ['serviceaccounts/token']) },
      { path: 'deny', rule: rule('', ['serviceaccounts/token']) },
    ],
    steps: [post(`${core}/serviceaccounts/default/token`, { spec: { audiences: ['a'] } })],
  },
  {
    name: 'the end of a namespace',
    hooks: [{ path: 'deny', rule: rule('', ['namespaces/finalize', 'namespaces/status']) }],
    steps: [
      { method: 'PUT', url: `${core}/finalize`, body: { metadata: { name: '{ns}' }, spec: { finalizers: [] } } },
      { method: 'PATCH', url: `${core}/status`, body: { status: { phase: 'Active' } }, type: merge },
    ],
  },
  versions('every version alike', [
    { path: 'allow', rule: ofVersion('v1', ['*/*']) },
    { path: 'extra-label', mutating: true, rule: ofVersion('v1') },
  ]),
  versions('one version exactly', [{ path: 'warn', rule: ofVersion('v1', ['*/*']), more: { matchPolicy: 'Exact' } }]),
  versions('refused in another version', [{ path: 'deny', rule: { ...ofVersion('v2'), operations: ['UPDATE'] } }]),
  {
    name: 'rehearsals with side effects only when it is none',
    hooks: [
      { path: 'data-x', mutating: true, more: sideEffects },
      { path: 'warn', more: sideEffects },
    ],
    steps: [dry(post(maps, map('a'))), post(maps, map('a'))],
  },
  ...(['Ignore', 'Fail'] as const).flatMap((failurePolicy): readonly WebhookCase[] =>
    [true, false].map((mutating) => ({
      name: `an answer that never comes: ${mutating ? 'mutating' : 'validating'}, ${failurePolicy}`,
      hooks: [{ path: 'never', mutating, more: { timeoutSeconds: 1, failurePolicy } }],
      steps: [post(maps, map('a'))],
    })),
  ),
  {
    name: 'several that are asked again, once',
    hooks: [
      { path: 'data-y', mutating: true, more: { reinvocationPolicy: 'IfNeeded' } },
      { path: 'data-x', mutating: true, more: { reinvocationPolicy: 'IfNeeded' } },
      { path: 'extra-label', mutating: true, more: { reinvocationPolicy: 'Never' } },
    ],
    steps: [post(maps, map('a'))],
  },
  {
    name: 'one that comes to match when another has changed the object',
    hooks: [
      {
        path: 'data-x',
        mutating: true,
        more: { reinvocationPolicy: 'IfNeeded', objectSelector: { matchLabels: { extra: 'yes' } } },
      },
      { path: 'extra-label', mutating: true },
    ],
    steps: [post(maps, map('a'))],
  },
  ...[
    conditions('object.none == "x"', 'false'),
    conditions('object.none == "x"', 'true'),
    conditions('object.none == "x"', 'oldObject.x == 1'),
    { ...conditions('object.none == "x"'), failurePolicy: 'Ignore' },
    conditions('oldObject == null', 'request.dryRun == false', '!has(object.spec)'),
  ].map((more, index): WebhookCase => ({
    name: `conditions ${index + 1}: ${JSON.stringify(more)}`,
    hooks: [{ path: 'deny', more }],
    steps: [post(maps, map('a'))],
  })),
  {
    name: 'labels that an update takes away',
    hooks: [
      {
        path: 'deny',
        more: { objectSelector: { matchExpressions: [{ key: 'a', operator: 'In', values: ['b', 'c'] }] } },
        rule: rule('', ['configmaps'], ['UPDATE', 'DELETE']),
      },
    ],
    steps: [
      post(maps, map('a', { a: 'b' })),
      { method: 'PUT', url: `${maps}/a`, body: map('a') },
      { method: 'PATCH', url: `${maps}/a`, body: { metadata: { labels: { a: null } } }, type: merge },
      { method: 'DELETE', url: `${maps}/a` },
    ],
  },
];
