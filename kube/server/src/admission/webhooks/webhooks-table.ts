/** Requests under webhooks whose outcomes must be those of kube-apiserver. Each case has a namespace of its own. */
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import type { ServerResponse } from '@polyanthus/ground-http/message';
import { jsonAnswer, patchResponse, textAnswer, type Script } from './testing-server.ts';

/** A webhook of a case; `path` is the script that answers. */
export interface CaseHook {
  readonly mutating?: boolean;
  readonly path: string;
  readonly more?: JsonObject;
  /** Instead of one rule for config maps. */
  readonly rule?: JsonObject;
  /** It is the Service `hooks` of namespace `system`, not a URL. */
  readonly service?: boolean;
}

export interface CaseStep {
  readonly method: string;
  readonly url: string;
  readonly body?: unknown;
  readonly type?: string;
  /** Asked until the answer has this status, or has these words: what is written just before is not yet known everywhere. */
  readonly until?: { readonly status?: number; readonly says?: string };
  /** What only one side needs; the answers are not compared. */
  readonly only?: 'own' | 'real';
}

export interface WebhookCase {
  readonly name: string;
  readonly hooks: readonly CaseHook[];
  readonly steps: readonly CaseStep[];
  /** Words that differ, by name: status and objects must be equal all the same. */
  readonly differs?: keyof typeof webhookDifferences;
}

/** What is not as kube-apiserver words it, or shows it to webhooks. */
export const webhookDifferences = {
  goDecoder: "texts of Go's JSON and base64 decoders",
  patchTexts: 'texts of the JSON patch library',
  kindDefaults: 'nulls and empty texts that Go writes and kube/kinds does not tell yet',
  celTexts: "texts of Go's CEL compiler beyond the first error",
} as const;

const never = (): Promise<ServerResponse> => new Promise(() => undefined);
const label = (key: string, value: string): JsonObject =>
  patchResponse([{ op: 'add', path: '/metadata/labels', value: { [key]: value } }]);
const set = (path: string, value: string): JsonObject => patchResponse([{ op: 'add', path, value }]);

/** What the webhooks answer. */
export const scripts: Readonly<Record<string, Script>> = {
  allow: () => ({ allowed: true }),
  warn: () => ({ allowed: true, warnings: ['be careful', 'with "this"'] }),
  deny: () => ({ allowed: false, status: { message: 'not today' } }),
  'deny-silent': () => ({ allowed: false }),
  'deny-reason': () => ({ allowed: false, status: { reason: 'Conflict', code: 409 } }),
  'deny-details': () => ({
    allowed: false,
    status: { status: 'Success', code: 200, message: 'no', details: { causes: [{ message: 'c', field: 'data.a' }] } },
  }),
  'deny-teapot': () => ({ allowed: false, status: { code: 418, message: 'teapot' } }),
  label: () => label('mutated', 'yes'),
  'data-x': () => set('/data/x', '1'),
  'data-y': ({ object }) =>
    set(
      '/data/y',
      Object.keys((object as JsonObject)['data'] as JsonObject)
        .toSorted()
        .join(''),
    ),
  invalid: () => set('/data/not~0~0 valid', '1'),
  misfit: () => patchResponse([{ op: 'replace', path: '/data', value: 7 }]),
  unknown: () => patchResponse([{ op: 'add', path: '/surplus', value: 'x' }]),
  rename: () => set('/metadata/name', 'renamed'),
  elsewhere: () => set('/metadata/namespace', 'default'),
  'patch-missing': () => patchResponse([{ op: 'remove', path: '/spec/none' }]),
  'patch-empty': () => patchResponse([]),
  'patch-text': () => ({ allowed: true, patchType: 'JSONPatch', patch: Buffer.from('{').toString('base64') }),
  'patch-untyped': () => ({ allowed: true, patch: Buffer.from('[]').toString('base64') }),
  'type-unpatched': () => ({ allowed: true, patchType: 'JSONPatch' }),
  'patch-merge': () => ({ allowed: true, patchType: 'MergePatch', patch: Buffer.from('[{}]').toString('base64') }),
  'wrong-uid': () => ({ uid: 'other', allowed: true }),
  'no-response': () => jsonAnswer({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' }),
  'wrong-kind': ({ uid }) => jsonAnswer({ apiVersion: 'admission.k8s.io/v1', response: { uid, allowed: true } }),
  'no-json': () => textAnswer(200, 'hello'),
  error: () => textAnswer(500, 'out of order'),
  missing: () => textAnswer(404, 'nothing here'),
  busy: () => textAnswer(503, 'later'),
  forbidden: () => textAnswer(403, 'you may not'),
  never,
  'extra-label': () => label('extra', 'yes'),
  replicas: () => patchResponse([{ op: 'replace', path: '/spec/replicas', value: 2 }]),
  long: () => patchResponse([{ op: 'add', path: '/spec/expirationSeconds', value: 900 }]),
  status: () => patchResponse([{ op: 'add', path: '/status', value: { replicas: 9 } }]),
};

const core = '/api/v1/namespaces/{ns}';
const maps = `${core}/configmaps`;
const merge = 'application/merge-patch+json';
const map = (name: string, more: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...more },
  data: { a: '1' },
});
const create = (name = 'a', more: object = {}): CaseStep => ({ method: 'POST', url: maps, body: map(name, more) });
const get = (name = 'a'): CaseStep => ({ method: 'GET', url: `${maps}/${name}` });

const once = (path: string, mutating = false, more: JsonObject = {}): WebhookCase => ({
  name: `${mutating ? 'mutating' : 'validating'} ${path}${Object.values(more).length === 0 ? '' : ` ${JSON.stringify(more)}`}`,
  hooks: [{ path, mutating, more }],
  steps: [create(), get()],
});
const word = (difference: keyof typeof webhookDifferences, one: WebhookCase): WebhookCase => ({
  ...one,
  differs: difference,
});
const rule = (resources: readonly string[], operations: readonly string[], group = ''): JsonObject => ({
  apiGroups: [group],
  apiVersions: ['*'],
  resources,
  operations,
});
const condition = (expression: string): JsonObject => ({ matchConditions: [{ name: 'c', expression }] });

const deployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'd' },
  spec: {
    replicas: 1,
    selector: { matchLabels: { a: 'b' } },
    template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'nginx:1' }] } },
  },
};
const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p' },
  spec: { containers: [{ name: 'c', image: 'nginx:1' }], automountServiceAccountToken: false },
};
const deployments = '/apis/apps/v1/namespaces/{ns}/deployments';

/** Config maps, deployments, evictions: what is asked, how often, in which order and words. */
export const webhookCases: readonly WebhookCase[] = [
  ...['allow', 'warn', 'deny', 'deny-silent', 'deny-reason', 'deny-details', 'deny-teapot'].map((path) => once(path)),
  ...['allow', 'warn', 'deny', 'label', 'data-x', 'invalid', 'unknown', 'rename', 'elsewhere', 'patch-empty'].map(
    (path) => once(path, true),
  ),
  word('goDecoder', once('misfit', true)),
  word('goDecoder', once('patch-text', true)),
  word('patchTexts', once('patch-missing', true)),
  ...['patch-untyped', 'type-unpatched', 'patch-merge', 'wrong-uid', 'no-response', 'wrong-kind'].map((path) =>
    once(path, true),
  ),
  ...['label', 'type-unpatched', 'wrong-uid', 'error', 'missing', 'busy', 'forbidden'].map((path) => once(path)),
  word('goDecoder', once('no-json')),
  ...['wrong-uid', 'error', 'no-json'].map((path) => once(path, false, { failurePolicy: 'Ignore' })),
  ...['wrong-uid', 'error', 'patch-text'].map((path) => once(path, true, { failurePolicy: 'Ignore' })),
  once('never', false, { timeoutSeconds: 1 }),
  once('never', true, { timeoutSeconds: 1, failurePolicy: 'Ignore' }),
  once('deny', false, { failurePolicy: 'Ignore' }),
  once('deny', false, condition('object.metadata.name == "a"')),
  once('deny', false, condition('object.metadata.name == "b" && request.operation == "CREATE"')),
  once('deny', false, condition('object.metadata.labels["none"] == "b"')),
  once('deny', false, { ...condition('object.metadata.labels["none"] == "b"'), failurePolicy: 'Ignore' }),
  once('deny', false, { objectSelector: { matchLabels: { a: 'b' } } }),
  {
    name: 'a rehearsal',
    hooks: [{ path: 'data-x', mutating: true }, { path: 'warn' }],
    steps: [{ ...create(), url: `${maps}?dryRun=All&fieldManager=me&fieldValidation=Strict` }, get()],
  },
  {
    name: 'several that change, in the order of the configuration',
    hooks: [
      { path: 'data-x', mutating: true },
      { path: 'data-y', mutating: true },
    ],
    steps: [create(), get()],
  },
  {
    name: 'one that is asked again',
    hooks: [
      { path: 'data-y', mutating: true, more: { reinvocationPolicy: 'IfNeeded' } },
      { path: 'data-x', mutating: true },
    ],
    steps: [create(), get()],
  },
  {
    name: 'updates, patches, deletions',
    hooks: [{ path: 'allow', rule: rule(['configmaps'], ['*']) }],
    steps: [
      create(),
      { method: 'PUT', url: `${maps}/a`, body: map('a', { labels: { x: 'y' } }) },
      { method: 'PATCH', url: `${maps}/a?fieldManager=me`, body: { data: { b: '2' } }, type: merge },
      {
        method: 'PATCH',
        url: `${maps}/a?fieldManager=me&force=true`,
        body: map('a'),
        type: 'application/apply-patch+yaml',
      },
      { method: 'DELETE', url: `${maps}/a?propagationPolicy=Background` },
      create('b'),
      { method: 'DELETE', url: maps },
    ],
  },
  {
    name: 'deletions that are refused',
    hooks: [{ path: 'deny', rule: rule(['configmaps'], ['DELETE']) }],
    steps: [create(), { method: 'DELETE', url: `${maps}/a`, body: { gracePeriodSeconds: 0 } }, get()],
  },
  {
    name: 'a deletion that a webhook wants to change',
    hooks: [{ path: 'label', mutating: true, rule: rule(['configmaps'], ['DELETE']) }],
    steps: [create(), { method: 'DELETE', url: `${maps}/a` }],
  },
  {
    name: 'subresources alone',
    hooks: [
      { path: 'status', mutating: true, rule: rule(['deployments'], ['CREATE', 'UPDATE'], 'apps') },
      { path: 'replicas', mutating: true, rule: rule(['deployments/scale'], ['UPDATE'], 'apps') },
      { path: 'allow', rule: rule(['deployments/status', 'deployments/scale'], ['*'], 'apps') },
    ],
    steps: [
      { method: 'POST', url: deployments, body: deployment },
      { method: 'PATCH', url: `${deployments}/d/status`, body: { status: { observedGeneration: 1 } }, type: merge },
      { method: 'PATCH', url: `${deployments}/d/scale`, body: { spec: { replicas: 5 } }, type: merge },
      { method: 'GET', url: `${deployments}/d/scale` },
    ],
  },
  {
    name: 'evictions and bindings',
    hooks: [{ path: 'deny', rule: rule(['pods/eviction', 'pods/binding'], ['*']) }],
    steps: [
      { method: 'POST', url: `${core}/pods`, body: pod },
      {
        method: 'POST',
        url: `${core}/pods/p/eviction`,
        body: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'p' } },
      },
      {
        method: 'POST',
        url: `${core}/pods/p/binding`,
        body: { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'p' }, target: { kind: 'Node', name: 'n' } },
      },
      { method: 'DELETE', url: `${core}/pods/p?gracePeriodSeconds=0` },
    ],
  },
  {
    name: 'another version of the same',
    differs: 'kindDefaults',
    hooks: [{ path: 'extra-label', mutating: true, rule: rule(['events'], ['CREATE'], 'events.k8s.io') }],
    steps: [
      {
        method: 'POST',
        url: `${core}/events`,
        body: {
          apiVersion: 'v1',
          kind: 'Event',
          metadata: { name: 'e' },
          involvedObject: { kind: 'Pod', name: 'p', namespace: '{ns}' },
          reason: 'R',
          message: 'm',
          type: 'Normal',
        },
      },
    ],
  },
  {
    name: 'names that are made',
    hooks: [{ path: 'deny' }],
    steps: [{ method: 'POST', url: maps, body: { metadata: { generateName: 'g-' } } }],
  },
];
