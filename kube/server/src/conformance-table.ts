/** Requests whose answers must be those of kube-apiserver, word for word. Each group runs in a namespace of its own. */

export interface Step {
  readonly method: string;
  /** `{ns}` is the group's namespace. */
  readonly url: string;
  readonly body?: unknown;
  /** Sent as it is, instead of `body`. */
  readonly text?: string;
  readonly type?: string;
  readonly accept?: string;
  /** A difference that is known; the status must be equal all the same. */
  readonly differs?: keyof typeof knownDifferences;
  /** A dry run that a real server answers like this one only when its caches have caught up: it is asked until it does. */
  readonly settles?: boolean;
}

/** What is not (yet) as kube-apiserver words it. */
export const knownDifferences = {
  goDecoder: "texts of Go's JSON decoder: offsets, struct fields, Go types",
  goValues: 'bad values printed as Go structures',
  kindDefaults: 'defaults and null members that Go writes and kube/kinds does not tell yet',
  protection: 'protection finalizers, which no controller here would remove',
  nodeTaint: 'the not-ready taint of new nodes, which no controller here would remove',
  columnTexts: 'descriptions of table columns',
  reason: 'causes that tell which operation of a JSON patch failed',
  scaleTime: 'the managedFields entry of a scale has no time in kube-apiserver',
  notAcceptable: 'the text of 406',
  selectorText: 'the text of a label selector that ends in the middle',
} as const;

export interface Group {
  readonly name: string;
  readonly steps: readonly Step[];
}

const core = '/api/v1/namespaces/{ns}';
const apps = '/apis/apps/v1/namespaces/{ns}';
const merge = 'application/merge-patch+json';
const json = 'application/json-patch+json';
const strategic = 'application/strategic-merge-patch+json';
const applyType = 'application/apply-patch+yaml';

const get = (url: string, accept?: string): Step => ({
  method: 'GET',
  url,
  ...(accept === undefined ? {} : { accept }),
});
const post = (url: string, body: unknown): Step => ({ method: 'POST', url, body });
const put = (url: string, body: unknown): Step => ({ method: 'PUT', url, body });
const remove = (url: string, body?: unknown): Step => ({
  method: 'DELETE',
  url,
  ...(body === undefined ? {} : { body }),
});
const patch = (url: string, type: string, body: unknown): Step => ({ method: 'PATCH', url, type, body });

const differs = (difference: keyof typeof knownDifferences, step: Step): Step => ({ ...step, differs: difference });

const configMap = (name: string, data: object = { a: '1' }): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  data,
});
const pod = (name: string, more: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { containers: [{ name: 'c', image: 'nginx:1' }], automountServiceAccountToken: false, ...more },
});
const deployment = (name: string, more: object = {}): object => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image: 'nginx:1' }] } },
    ...more,
  },
});
export const crd = (plural: string, kind: string, more: object = {}): object => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${plural}.conformance.example.com` },
  spec: {
    group: 'conformance.example.com',
    scope: 'Namespaced',
    names: { plural, kind },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                required: ['size'],
                properties: {
                  size: { type: 'integer', minimum: 1 },
                  color: { type: 'string', default: 'red', enum: ['red', 'blue'] },
                  replicas: { type: 'integer' },
                  code: { type: 'string', pattern: '^[a-z]+-[0-9]{2}$' },
                },
              },
              status: { type: 'object', properties: { replicas: { type: 'integer' }, phase: { type: 'string' } } },
            },
          },
        },
        subresources: {
          status: {},
          scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' },
        },
        selectableFields: [{ jsonPath: '.spec.color' }],
        ...more,
      },
    ],
  },
});

const selector = { matchLabels: { a: 'b' } };
const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'nginx:1' }] } };
const jobTemplate = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'nginx:1' }] } };

export const groups: readonly Group[] = [
  {
    name: 'config maps',
    steps: [
      post(`${core}/configmaps`, configMap('a')),
      post(`${core}/configmaps`, configMap('a')),
      get(`${core}/configmaps/a`),
      get(`${core}/configmaps/none`),
      put(`${core}/configmaps/a`, configMap('b')),
      put(`${core}/configmaps/none`, configMap('none')),
      put(`${core}/configmaps/a`, { ...configMap('a'), metadata: { name: 'a', resourceVersion: '1' } }),
      put(`${core}/configmaps/a`, { ...configMap('a'), metadata: { name: 'a', uid: 'x' } }),
      put(`${core}/configmaps/a`, configMap('a', { b: '2' })),
      patch(`${core}/configmaps/a`, merge, { data: { b: null, c: '3' } }),
      patch(`${core}/configmaps/a`, json, [{ op: 'add', path: '/data/d', value: '4' }]),
      differs('reason', patch(`${core}/configmaps/a`, json, [{ op: 'test', path: '/data/d', value: '5' }])),
      differs('goDecoder', patch(`${core}/configmaps/a`, json, { op: 'x' })),
      patch(`${core}/configmaps/a`, strategic, { data: { e: '5' } }),
      patch(`${core}/configmaps/a`, 'application/foo', {}),
      patch(`${core}/configmaps/a`, merge, { metadata: { name: 'b' } }),
      remove(`${core}/configmaps/a`, { preconditions: { uid: 'x' } }),
      remove(`${core}/configmaps/a`, { preconditions: { resourceVersion: '1' } }),
      remove(`${core}/configmaps/a?dryRun=All`),
      remove(`${core}/configmaps/a`),
      remove(`${core}/configmaps/a`),
    ],
  },
  {
    name: 'bad bodies',
    steps: [
      { method: 'POST', url: `${core}/configmaps`, text: '{' },
      differs('goDecoder', { method: 'POST', url: `${core}/configmaps`, text: '[]' }),
      { method: 'POST', url: `${core}/configmaps`, text: '' },
      post(`${core}/configmaps`, deployment('x')),
      differs('goDecoder', post(`${core}/configmaps`, { ...configMap('x'), kind: 'Secret' })),
      post(`${core}/configmaps`, { metadata: { name: 'x' } }),
      post(`${core}/configmaps`, { ...configMap('x'), metadata: { name: 'x', namespace: 'other' } }),
      post(`${core}/configmaps`, configMap('Upper')),
      post(`${core}/configmaps`, configMap('')),
      post(`${core}/configmaps`, configMap('k', { 'a b': '1' })),
      post(`${core}/configmaps`, { ...configMap('l'), metadata: { name: 'l', labels: { 'a b': 'x' } } }),
      post(`${core}/configmaps`, { ...configMap('l'), metadata: { name: 'l', annotations: { 'a b': 'x' } } }),
      post(`${core}/configmaps`, { ...configMap('l'), metadata: { name: 'l', finalizers: ['x y'] } }),
      post(`${core}/configmaps?fieldValidation=Strict`, { ...configMap('s'), foo: 1 }),
      post(`${core}/configmaps?fieldValidation=Warn`, { ...configMap('w'), foo: 1 }),
      post(`${core}/configmaps?fieldValidation=Other`, configMap('s')),
      {
        method: 'POST',
        url: `${core}/configmaps?fieldValidation=Strict`,
        text: '{"metadata":{"name":"d"},"data":{"a":"1","a":"2"}}',
      },
      differs('goDecoder', post(`${core}/configmaps`, { ...configMap('t'), data: { a: 1 } })),
      differs('goDecoder', post(`${core}/configmaps`, { ...configMap('t'), data: 'x' })),
      { method: 'POST', url: `${core}/configmaps`, type: 'application/foo', text: '{}' },
      post('/api/v1/namespaces/missing/configmaps', configMap('x')),
      post(`${core}/configmaps?dryRun=All`, configMap('dry')),
      get(`${core}/configmaps/dry`),
      post(`${core}/configmaps?dryRun=Some`, configMap('dry')),
    ],
  },
  {
    name: 'paths',
    steps: [
      get('/api/v1/nothing'),
      get('/apis/none.example.com/v1/things'),
      get('/foo'),
      get('/apis/apps/v1/deployments/x'),
      post('/api/v1/configmaps', configMap('x')),
      { method: 'PUT', url: `${core}/configmaps`, body: configMap('x') },
      { method: 'PATCH', url: `${core}/configmaps`, body: {}, type: merge },
      get(`${core}/pods/x/nothing`),
      post('/version', {}),
      get('/api'),
      get('/apis/apps'),
      get('/apis/none'),
      get('/healthz'),
    ],
  },
  {
    name: 'lists',
    steps: [
      post(`${core}/configmaps`, configMap('a')),
      post(`${core}/configmaps`, { ...configMap('b'), metadata: { name: 'b', labels: { x: 'y' } } }),
      get(`${core}/configmaps?labelSelector=x%3Dy`),
      get(`${core}/configmaps?labelSelector=x%3D%3D%3Dy`),
      differs('selectorText', get(`${core}/configmaps?labelSelector=a+in+(`)),
      get(`${core}/configmaps?fieldSelector=metadata.name%3Db`),
      get(`${core}/configmaps?fieldSelector=data.a%3Db`),
      get(`${core}/pods?fieldSelector=spec.foo%3Db`),
      get(`${core}/configmaps?fieldSelector=x`),
      get(`${core}/configmaps?limit=x`),
      get(`${core}/configmaps?continue=x`),
      get(`${core}/configmaps?resourceVersion=x`),
      get(`${core}/configmaps?resourceVersionMatch=Exact`),
      get(`${core}/configmaps?resourceVersion=0&resourceVersionMatch=Exact`),
      get(`${core}/configmaps?resourceVersion=1&resourceVersionMatch=Foo`),
      get(`${core}/configmaps?watch=1&sendInitialEvents=true`),
      differs('columnTexts', get(`${core}/configmaps/a`, 'application/json;as=Table;v=v1;g=meta.k8s.io')),
      get(`${core}/configmaps/a`, 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io'),
      differs('notAcceptable', get(`${core}/configmaps/a`, 'application/foo')),
      remove(`${core}/configmaps?labelSelector=x%3Dy`),
    ],
  },
  {
    name: 'pods',
    steps: [
      post(`${core}/pods`, pod('p')),
      post(`${core}/pods`, { ...pod('q'), spec: {} }),
      post(`${core}/pods`, pod('q', { containers: [{ name: 'C', image: 'x' }, { name: 'c' }] })),
      post(`${core}/pods`, pod('q', { serviceAccountName: 'none' })),
      patch(`${core}/pods/p`, strategic, { spec: { containers: [{ name: 'c', image: 'nginx:2' }] } }),
      differs('goValues', patch(`${core}/pods/p`, strategic, { spec: { restartPolicy: 'Never' } })),
      patch(`${core}/pods/p/status`, strategic, { status: { phase: 'Running' } }),
      post(`${core}/pods/p/binding`, {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name: 'p' },
        target: { kind: 'Node', name: 'n1' },
      }),
      post(`${core}/pods/p/binding`, {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name: 'p' },
        target: { kind: 'Node', name: 'n1' },
      }),
      get(`${core}/pods?fieldSelector=spec.nodeName%3Dn1`),
      differs('columnTexts', get(`${core}/pods/p`, 'application/json;as=Table;v=v1;g=meta.k8s.io')),
      remove(`${core}/pods/p`),
      get(`${core}/pods/p`),
      remove(`${core}/pods/p`, { gracePeriodSeconds: 0 }),
      get(`${core}/pods/p`),
    ],
  },
  {
    name: 'deployments',
    steps: [
      post(`${apps}/deployments`, deployment('d')),
      patch(`${apps}/deployments/d`, strategic, { spec: { replicas: 3 } }),
      patch(`${apps}/deployments/d`, strategic, { spec: { replicas: -1 } }),
      patch(`${apps}/deployments/d`, merge, { spec: { selector: { matchLabels: { app: 'other' } } } }),
      get(`${apps}/deployments/d/scale`),
      patch(`${apps}/deployments/d/scale`, merge, { spec: { replicas: 5 } }),
      patch(`${apps}/deployments/d/scale`, merge, { spec: { replicas: -5 } }),
      differs(
        'scaleTime',
        patch(`${apps}/deployments/d/status`, merge, { status: { replicas: 2 }, spec: { replicas: 9 } }),
      ),
      patch(`${apps}/deployments/d?fieldManager=m`, applyType, {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'd' },
        spec: { replicas: 7 },
      }),
      patch(`${apps}/deployments/d?fieldManager=m&force=true`, applyType, {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'd' },
        spec: { replicas: 7 },
      }),
      patch(`${apps}/deployments/d`, applyType, { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'd' } }),
      patch(`${apps}/deployments/e?fieldManager=m`, applyType, { kind: 'Deployment', metadata: { name: 'e' } }),
      patch(`${apps}/deployments/e?fieldManager=m`, applyType, {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'f' },
      }),
      patch(`${apps}/deployments/e?fieldManager=m`, applyType, deployment('e')),
      post(`${apps}/deployments`, { ...deployment('g'), spec: {} }),
      post(`${apps}/deployments`, deployment('g', { selector: { matchLabels: { app: 'x' } } })),
      differs('goDecoder', post(`${apps}/deployments`, deployment('g', { replicas: 'x' }))),
      remove(`${apps}/deployments/d`, { propagationPolicy: 'Foreground' }),
      remove(`${apps}/deployments/d`, { propagationPolicy: 'Background' }),
      remove(`${apps}/deployments/e`, { propagationPolicy: 'Orphan' }),
      remove(`${apps}/deployments/e`, { propagationPolicy: 'Other' }),
    ],
  },
  {
    name: 'services, secrets, namespaces',
    steps: [
      post(`${core}/services`, { metadata: { name: 's' }, spec: { clusterIP: '10.96.77.77', ports: [{ port: 80 }] } }),
      patch(`${core}/services/s`, merge, { spec: { clusterIP: '10.96.77.78' } }),
      post(`${core}/services`, { metadata: { name: 't' }, spec: {} }),
      post(`${core}/services`, { metadata: { name: 'T' }, spec: { ports: [{ port: 80 }] } }),
      post(`${core}/services`, { metadata: { name: 'h' }, spec: { clusterIP: 'None' } }),
      post(`${core}/secrets`, { metadata: { name: 's' }, stringData: { a: 'b' } }),
      post(`${core}/secrets`, { metadata: { name: 'x' }, data: { a: '!!' } }),
      post(`${core}/secrets`, { metadata: { name: 'x' }, data: { a: 'YQ' } }),
      patch(`${core}/secrets/s`, merge, { type: 'x' }),
      patch(`${core}/secrets/s`, merge, { immutable: true }),
      patch(`${core}/secrets/s`, merge, { data: { a: 'eA==' } }),
      remove('/api/v1/namespaces/default'),
      post('/api/v1/namespaces', { metadata: { name: 'A' } }),
      get('/api/v1/namespaces/{ns}'),
      patch('/api/v1/namespaces/{ns}', merge, { spec: { finalizers: [] } }),
    ],
  },
  {
    name: 'many kinds',
    steps: [
      post(`${core}/serviceaccounts`, { metadata: { name: 'sa' } }),
      post(`${core}/replicationcontrollers`, { metadata: { name: 'rc' }, spec: { selector: { a: 'b' }, template } }),
      differs(
        'protection',
        post(`${core}/persistentvolumeclaims`, {
          metadata: { name: 'pvc' },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
        }),
      ),
      post(`${core}/resourcequotas`, { metadata: { name: 'q' }, spec: { hard: { pods: '10' } } }),
      post(`${core}/limitranges`, { metadata: { name: 'l' }, spec: { limits: [{ type: 'Pod', max: { cpu: '1' } }] } }),
      remove(`${core}/limitranges/l`),
      remove(`${core}/resourcequotas/q`),
      post(`${core}/endpoints`, {
        metadata: { name: 'e' },
        subsets: [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }] }],
      }),
      differs(
        'kindDefaults',
        post(`${core}/events`, {
          metadata: { name: 'ev' },
          involvedObject: { kind: 'Pod', name: 'p', namespace: '{ns}' },
          reason: 'R',
          type: 'Normal',
        }),
      ),
      post(`${core}/podtemplates`, { metadata: { name: 'pt' }, template }),
      differs(
        'kindDefaults',
        post(`${apps}/statefulsets`, { metadata: { name: 's' }, spec: { serviceName: 's', selector, template } }),
      ),
      differs('kindDefaults', post(`${apps}/daemonsets`, { metadata: { name: 's' }, spec: { selector, template } })),
      post(`${apps}/replicasets`, { metadata: { name: 's' }, spec: { selector, template } }),
      differs(
        'kindDefaults',
        post(`${apps}/controllerrevisions`, { metadata: { name: 'c' }, revision: 1, data: { a: 1 } }),
      ),
      post('/apis/batch/v1/namespaces/{ns}/cronjobs', {
        metadata: { name: 'c' },
        spec: { schedule: '* * * * *', jobTemplate: { spec: { template: jobTemplate } } },
      }),
      post('/apis/networking.k8s.io/v1/namespaces/{ns}/ingresses', {
        metadata: { name: 'i' },
        spec: { defaultBackend: { service: { name: 's', port: { number: 80 } } } },
      }),
      post('/apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies', {
        metadata: { name: 'n' },
        spec: { podSelector: {} },
      }),
      differs(
        'kindDefaults',
        post('/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets', {
          metadata: { name: 'p' },
          spec: { minAvailable: 1, selector },
        }),
      ),
      differs(
        'kindDefaults',
        post('/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers', {
          metadata: { name: 'h' },
          spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' } },
        }),
      ),
      post('/apis/coordination.k8s.io/v1/namespaces/{ns}/leases', {
        metadata: { name: 'l' },
        spec: { holderIdentity: 'x' },
      }),
      put('/apis/coordination.k8s.io/v1/namespaces/{ns}/leases/l', {
        metadata: { name: 'l' },
        spec: { holderIdentity: 'y' },
      }),
      put('/apis/coordination.k8s.io/v1/namespaces/{ns}/leases/m', {
        metadata: { name: 'm' },
        spec: { holderIdentity: 'y' },
      }),
      differs(
        'kindDefaults',
        post('/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices', {
          metadata: { name: 'e' },
          addressType: 'IPv4',
          endpoints: [{ addresses: ['10.0.0.1'] }],
        }),
      ),
      differs(
        'nodeTaint',
        post('/api/v1/nodes', { metadata: { name: 'conformance-node' }, spec: { podCIDR: '10.0.0.0/24' } }),
      ),
      differs(
        'protection',
        post('/api/v1/persistentvolumes', {
          metadata: { name: 'conformance-pv' },
          spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/x' } },
        }),
      ),
      post('/apis/storage.k8s.io/v1/storageclasses', { metadata: { name: 'conformance' }, provisioner: 'x/y' }),
      post('/apis/scheduling.k8s.io/v1/priorityclasses', { metadata: { name: 'conformance' }, value: 7 }),
      post('/apis/node.k8s.io/v1/runtimeclasses', { metadata: { name: 'conformance' }, handler: 'runc' }),
      post('/apis/networking.k8s.io/v1/ingressclasses', {
        metadata: { name: 'conformance' },
        spec: { controller: 'x.io/y' },
      }),
      post('/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations', {
        metadata: { name: 'conformance' },
      }),
      differs(
        'kindDefaults',
        post('/apis/rbac.authorization.k8s.io/v1/clusterroles', {
          metadata: { name: 'conformance' },
          aggregationRule: { clusterRoleSelectors: [{ matchLabels: { none: 'such' } }] },
        }),
      ),
      differs('kindDefaults', get(`/apis/events.k8s.io/v1/namespaces/{ns}/events/ev`)),
    ],
  },
  {
    name: 'finalizers',
    steps: [
      post(`${core}/configmaps`, { ...configMap('f'), metadata: { name: 'f', finalizers: ['example.com/x'] } }),
      remove(`${core}/configmaps/f`),
      remove(`${core}/configmaps/f`),
      patch(`${core}/configmaps/f`, merge, { metadata: { finalizers: ['example.com/x', 'example.com/y'] } }),
      patch(`${core}/configmaps/f`, merge, { metadata: { finalizers: null } }),
      get(`${core}/configmaps/f`),
    ],
  },
  {
    name: 'rbac',
    steps: [
      post('/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles', {
        metadata: { name: 'r:x' },
        rules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }],
      }),
      post('/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles', {
        metadata: { name: 'r' },
        rules: [{ verbs: [] }],
      }),
      post('/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings', {
        metadata: { name: 'b' },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'r:x' },
        subjects: [{ kind: 'User', name: 'u' }],
      }),
      patch('/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings/b', merge, { roleRef: { name: 'y' } }),
      post('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
        spec: { resourceAttributes: { verb: 'get', resource: 'pods' } },
      }),
      post('/apis/authorization.k8s.io/v1/subjectaccessreviews', {
        spec: { user: 'u', resourceAttributes: { verb: 'get', resource: 'pods', namespace: '{ns}' } },
      }),
      post('/apis/authorization.k8s.io/v1/subjectaccessreviews', {
        spec: { user: 'u', resourceAttributes: { verb: 'get', resource: 'secrets', namespace: '{ns}' } },
      }),
      post('/apis/authorization.k8s.io/v1/subjectaccessreviews', { spec: { user: 'u' } }),
      get('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'),
    ],
  },
  {
    name: 'custom kinds',
    steps: [
      post('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
        ...crd('bads', 'Bad'),
        metadata: { name: 'x' },
      }),
      differs(
        'goValues',
        differs(
          'goValues',
          post('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', crd('bads', 'Bad', { storage: false })),
        ),
      ),
      post('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', crd('bads', 'Bad', { schema: null })),
      post(
        '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
        crd('bads', 'Bad', { schema: { openAPIV3Schema: { type: 'object', properties: { a: { properties: {} } } } } }),
      ),
      post('/apis/conformance.example.com/v1/namespaces/{ns}/widgets', {
        apiVersion: 'conformance.example.com/v1',
        kind: 'Widget',
        metadata: { name: 'w' },
        spec: { size: 1, foo: 1 },
      }),
      post('/apis/conformance.example.com/v1/namespaces/{ns}/widgets', {
        apiVersion: 'conformance.example.com/v1',
        kind: 'Widget',
        metadata: { name: 'v' },
        spec: { size: 0 },
      }),
      post('/apis/conformance.example.com/v1/namespaces/{ns}/widgets', {
        apiVersion: 'conformance.example.com/v1',
        kind: 'Widget',
        metadata: { name: 'v' },
        spec: {},
      }),
      ...['ab-12', 'ab-1x', 'AB-12', 'ab-12\n'].map((code, index) =>
        post('/apis/conformance.example.com/v1/namespaces/{ns}/widgets', {
          apiVersion: 'conformance.example.com/v1',
          kind: 'Widget',
          metadata: { name: `pattern-${index}` },
          spec: { size: 1, code },
        }),
      ),
      ...['(?=x)', '(', '[a', 'a**', 'a{2,1}'].map((pattern) =>
        post(
          '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
          crd('bads', 'Bad', {
            schema: { openAPIV3Schema: { type: 'object', properties: { a: { type: 'string', pattern } } } },
          }),
        ),
      ),
      post('/apis/conformance.example.com/v1/namespaces/{ns}/widgets', {
        apiVersion: 'conformance.example.com/v1',
        kind: 'Widget',
        metadata: { name: 'v' },
        spec: { size: 'x' },
      }),
      post('/apis/conformance.example.com/v1/namespaces/{ns}/widgets?fieldValidation=Strict', {
        apiVersion: 'conformance.example.com/v1',
        kind: 'Widget',
        metadata: { name: 'v' },
        spec: { size: 1, foo: 1 },
      }),
      put('/apis/conformance.example.com/v1/namespaces/{ns}/widgets/w', {
        apiVersion: 'conformance.example.com/v1',
        kind: 'Widget',
        metadata: { name: 'w' },
        spec: { size: 2 },
      }),
      patch('/apis/conformance.example.com/v1/namespaces/{ns}/widgets/w', merge, {
        spec: { size: 2 },
        status: { phase: 'x' },
      }),
      patch('/apis/conformance.example.com/v1/namespaces/{ns}/widgets/w', strategic, { spec: { size: 2 } }),
      patch('/apis/conformance.example.com/v1/namespaces/{ns}/widgets/w/status', merge, {
        spec: { size: 3 },
        status: { phase: 'x' },
      }),
      get('/apis/conformance.example.com/v1/namespaces/{ns}/widgets?fieldSelector=spec.color%3Dred'),
      get('/apis/conformance.example.com/v1/namespaces/{ns}/widgets?fieldSelector=spec.size%3D1'),
      get('/apis/conformance.example.com/v1/namespaces/{ns}/widgets/w/scale'),
      patch('/apis/conformance.example.com/v1/namespaces/{ns}/widgets/w/scale', merge, { spec: { replicas: 2 } }),
      patch('/apis/conformance.example.com/v1/namespaces/{ns}/widgets/a?fieldManager=m', applyType, {
        apiVersion: 'conformance.example.com/v1',
        kind: 'Widget',
        metadata: { name: 'a' },
        spec: { size: 1 },
      }),
      get('/apis/conformance.example.com/v1'),
      remove('/apis/conformance.example.com/v1/namespaces/{ns}/widgets/w'),
    ],
  },
];
