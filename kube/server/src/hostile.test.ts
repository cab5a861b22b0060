/** Whatever a client sends, the answer is a Status that blames the client, never a failure of ours. */
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import { crd } from './conformance-table.ts';
import type { Status } from '@polyanthus/kube-objects/status';
import { callApi, startTestCluster, type ApiAnswer, type TestCluster } from './testing.ts';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startTestCluster();
  const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  await callApi(cluster.ctx, cluster.transport, { method: 'POST', url: crds, body: crd('widgets', 'Widget') });
});
afterAll(() => cluster.close());

const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
/** A good object for each place; the fuzz breaks one part of it. */
const good: readonly (readonly [string, JsonObject])[] = [
  [
    '/api/v1/namespaces/default/configmaps',
    {
      metadata: {
        name: 'x',
        labels: { a: 'b' },
        annotations: { a: 'b' },
        finalizers: ['a.b/c'],
        ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u' }],
      },
      data: { a: 'b' },
    },
  ],
  ['/api/v1/namespaces/default/secrets', { metadata: { name: 'x' }, stringData: { a: 'b' }, data: { c: 'YQ==' } }],
  [
    '/api/v1/namespaces/default/pods',
    { metadata: { name: 'x' }, spec: { ...template.spec, tolerations: [{ key: 'a' }] } },
  ],
  [
    '/api/v1/namespaces/default/services',
    { metadata: { name: 'x' }, spec: { ports: [{ port: 80 }], selector: { a: 'b' } } },
  ],
  ['/api/v1/namespaces', { metadata: { name: 'x' }, spec: { finalizers: ['kubernetes'] } }],
  [
    '/apis/apps/v1/namespaces/default/deployments',
    {
      metadata: { name: 'x' },
      spec: {
        replicas: 1,
        selector: { matchLabels: { a: 'b' }, matchExpressions: [{ key: 'a', operator: 'Exists' }] },
        template,
      },
    },
  ],
  [
    '/apis/rbac.authorization.k8s.io/v1/clusterroles',
    { metadata: { name: 'x' }, rules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }] },
  ],
  [
    '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
    {
      metadata: { name: 'x' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
      subjects: [{ kind: 'User', name: 'u' }],
    },
  ],
  ['/apis/apiextensions.k8s.io/v1/customresourcedefinitions', crd('gadgets', 'Gadget') as JsonObject],
  [
    '/apis/conformance.example.com/v1/namespaces/default/widgets',
    {
      apiVersion: 'conformance.example.com/v1',
      kind: 'Widget',
      metadata: { name: 'x', labels: { a: 'b' }, finalizers: ['a.b/c'] },
      spec: { size: 1 },
    },
  ],
  [
    '/apis/authorization.k8s.io/v1/subjectaccessreviews',
    { spec: { user: 'u', groups: ['g'], resourceAttributes: { verb: 'get', resource: 'pods' } } },
  ],
  ['/apis/authentication.k8s.io/v1/tokenreviews', { spec: { token: 'x', audiences: ['a'] } }],
  [
    '/apis/certificates.k8s.io/v1/certificatesigningrequests',
    {
      metadata: { name: 'x' },
      spec: { request: 'YQ==', signerName: 'kubernetes.io/kube-apiserver-client', usages: ['client auth'] },
    },
  ],
  [
    '/api/v1/namespaces/default/serviceaccounts/default/token',
    { spec: { audiences: ['a'], expirationSeconds: 600, boundObjectRef: { kind: 'Pod', name: 'p' } } },
  ],
];

const hostileValue: fc.Arbitrary<JsonValue> = fc.constantFrom<JsonValue>(
  null,
  true,
  0,
  -1,
  1e300,
  '',
  'x',
  '../..',
  '\u0000',
  [],
  [null],
  [[]],
  {},
  { a: null },
  { '': 1 },
  { __proto__: 1 },
  ['x', 1],
);

/** Paths of all parts of a value. */
function pathsIn(value: JsonValue | undefined, at: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [at];
  return [at, ...Object.entries(value).flatMap(([key, inner]) => pathsIn(inner as JsonValue, [...at, key]))];
}

function replaced(value: JsonValue | undefined, path: readonly string[], by: JsonValue): JsonValue {
  const [key, ...rest] = path;
  if (key === undefined) return by;
  const copy = (Array.isArray(value) ? [...value] : { ...(value as JsonObject) }) as Record<
    string,
    JsonValue | undefined
  >;
  copy[key] = replaced(copy[key], rest, by);
  return copy as JsonValue;
}

const broken = fc
  .constantFrom(...good)
  .chain(([url, object]) =>
    fc
      .tuple(fc.constant(url), fc.constantFrom(...pathsIn(object)), hostileValue)
      .map(([at, path, value]) => ({ url: at, path, body: replaced(object, path, value) })),
  );

/** Some refusals of strategic patches are a bare 500 in kube-apiserver too; InternalError never is one. */
const blames = ({ status, body }: ApiAnswer): boolean =>
  status < 500 || (body as Partial<Status>).reason !== 'InternalError';

test('one broken part of an object is never an internal error', async () => {
  await fc.assert(
    fc.asyncProperty(broken, async ({ url, path, body }) => {
      const answer = await callApi(cluster.ctx, cluster.transport, {
        method: 'POST',
        url: `${url}?dryRun=All`,
        body: JSON.stringify(body),
      });
      expect({ url, path, body, answer: blames(answer) ? 'blames' : answer.body }).toMatchObject({
        answer: 'blames',
      });
    }),
    { interruptAfterTimeLimit: 2_000, numRuns: 2_000 },
  );
});

test('patches of any shape are never an internal error', async () => {
  for (const [url, body] of good) await callApi(cluster.ctx, cluster.transport, { method: 'POST', url, body });
  const types = [
    'application/json-patch+json',
    'application/merge-patch+json',
    'application/strategic-merge-patch+json',
    'application/apply-patch+yaml',
  ];
  const operation = fc.record({
    op: fc.constantFrom('add', 'remove', 'replace', 'test', 'move', 'x'),
    path: fc.constantFrom('', '/', '/metadata', '/metadata/labels', '/spec/0', '/metadata/name', '/kind'),
    value: hostileValue,
  });
  const patch = fc.oneof(
    hostileValue,
    fc.array(operation, { maxLength: 2 }),
    broken.map(({ body }) => body),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...good.slice(0, 10)),
      fc.constantFrom(...types),
      patch,
      async ([url], type, body) => {
        const answer = await callApi(cluster.ctx, cluster.transport, {
          method: 'PATCH',
          url: `${url}/x?dryRun=All&fieldManager=f`,
          type,
          body: JSON.stringify(body),
        });
        expect({ url, type, body, answer: blames(answer) ? 'blames' : answer.body }).toMatchObject({
          answer: 'blames',
        });
      },
    ),
    { interruptAfterTimeLimit: 2_000, numRuns: 2_000 },
  );
});

test('queries of any shape are never an internal error', async () => {
  const names = [
    'labelSelector',
    'fieldSelector',
    'limit',
    'continue',
    'resourceVersion',
    'resourceVersionMatch',
    'timeoutSeconds',
    'sendInitialEvents',
    'fieldValidation',
    'dryRun',
    'gracePeriodSeconds',
    'propagationPolicy',
    'includeObject',
  ];
  const tokens = [1.5, -3, 1e300, 999_999].map((rv) =>
    Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv, start: 'a' })).toString('base64url'),
  );
  const values = fc.constantFrom(
    '',
    '0',
    '-1',
    '1.5',
    '1e300',
    'x',
    'a=b',
    'a in (',
    '!',
    '%',
    'true',
    'Exact',
    '999999999999',
    ...tokens,
  );
  const query = fc.array(fc.tuple(fc.constantFrom(...names), values), { maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('GET', 'DELETE'),
      fc.constantFrom(...good.slice(0, 10)),
      query,
      async (method, [url], pairs) => {
        const target = `${url}?${new URLSearchParams(pairs).toString()}${method === 'DELETE' ? '&dryRun=All' : ''}`;
        const answer = await callApi(cluster.ctx, cluster.transport, { method, url: target });
        expect({ target, answer: blames(answer) ? 'blames' : answer.body }).toMatchObject({ answer: 'blames' });
      },
    ),
    { interruptAfterTimeLimit: 2_000, numRuns: 2_000 },
  );
});
