/** Rules of custom kinds against a real kube-apiserver: what one refuses the other refuses, in the same words. */
import { background, type Context } from '@polyanthus/ground-base/context';
import { createTransport } from '@polyanthus/ground-http/node-client';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import { customResourceDefinitions, type CustomResourceDefinition } from '@polyanthus/kube-kinds/core';
import { ownCrds } from '@polyanthus/kube-kinds/own/crds';
import { fleetGroup, fleetRoleBindings } from '@polyanthus/kube-kinds/own/fleet';
import type { JsonObject, KubeObject } from '@polyanthus/kube-objects/meta';
import { resourceType } from '@polyanthus/kube-objects/resource';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startControlPlane, type ControlPlane } from '../../../../lab/src/control-plane.ts';
import { whyNotReal } from '../../../../lab/src/parts.ts';
import { startTestCluster, type TestCluster } from '../testing.ts';

const version = '1.37.2';
const why = whyNotReal(['etcd', '3.7.0'], ['kube-apiserver', version]);
const namespace = 'default';
const text = { type: 'string', maxLength: 100 };

const spec: JsonObject = {
  type: 'object',
  properties: {
    name: text,
    size: {
      type: 'integer',
      'x-kubernetes-validations': [{ rule: 'self >= oldSelf', message: 'must not shrink' }, { rule: 'self != 13' }],
    },
    'my-field': text,
    at: { type: 'string', format: 'date-time' },
    either: { 'x-kubernetes-int-or-string': true, 'x-kubernetes-validations': [{ rule: 'self > 3' }] },
    list: { type: 'array', maxItems: 5, items: { type: 'integer' } },
    ports: {
      type: 'array',
      maxItems: 10,
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
      items: {
        type: 'object',
        required: ['name'],
        properties: { name: text, port: { type: 'integer' } },
        'x-kubernetes-validations': [
          { rule: 'self.port > 0', messageExpression: "'no port: ' + self.name" },
          { rule: 'self.port == oldSelf.port', message: 'ports stay', fieldPath: '.port' },
        ],
      },
    },
    labels: {
      type: 'object',
      maxProperties: 5,
      additionalProperties: { ...text, 'x-kubernetes-validations': [{ rule: "self != 'no'" }] },
    },
  },
  'x-kubernetes-validations': [
    { rule: "!has(self.my__dash__field) || self.my__dash__field == 'good'", reason: 'FieldValueForbidden' },
    { rule: "!has(self.name) || self.name.startsWith('a')", reason: 'FieldValueDuplicate', message: 'names begin so' },
    { rule: "!has(self.at) || self.at > timestamp('2026-01-01T00:00:00Z')", message: 'too old' },
    { rule: '!has(self.list) || self.list[2] > 0' },
    { rule: '!has(self.list) || 10 / self.list[0] > 0', message: 'a quotient' },
  ],
};
const crd = (plural: string, kind: string, inner: JsonObject): CustomResourceDefinition =>
  ({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.x.io` },
    spec: {
      group: 'x.io',
      scope: 'Namespaced',
      names: { plural, singular: kind.toLowerCase(), kind, listKind: `${kind}List` },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: 'object',
              properties: { spec: inner },
              'x-kubernetes-validations': [{ rule: "self.metadata.name != 'bad'" }],
            },
          },
        },
      ],
    },
  }) as unknown as CustomResourceDefinition;
const things = resourceType('x.io', 'v1', 'things', 'Thing', true);
const thing = (name: string, inner: JsonObject): KubeObject =>
  ({ apiVersion: 'x.io/v1', kind: 'Thing', metadata: { name, namespace }, spec: inner }) as KubeObject;
const binding = (name: string, inner: JsonObject): KubeObject =>
  ({
    apiVersion: `${fleetGroup}/v1`,
    kind: 'RBACRoleBinding',
    metadata: { name, namespace },
    spec: inner,
  }) as KubeObject;

const view = { predefinedRole: 'VIEW' };
const bindings: readonly JsonObject[] = [
  { user: 'a', role: view },
  { membership: 'm', scope: 's', user: 'a', role: view },
  { membership: 'm', role: view },
  { membership: 'm', user: 'a', group: 'b', role: view },
  { membership: 'm', user: 'a', role: {} },
  { membership: 'm', user: 'a', role: { ...view, customRole: 'x' } },
  { membership: 'm', user: '', role: view },
  { role: { ...view, customRole: 'x' } },
  { membership: 'm', user: 'a', role: { predefinedRole: 'OWNER' } },
  { membership: 'm', user: 'a' },
];
const created: readonly JsonObject[] = [
  { size: 13 },
  { name: 'b' },
  { 'my-field': 'x' },
  { at: '2025-01-01T00:00:00Z' },
  { either: 2 },
  { either: 'x' },
  { list: [1] },
  { list: [0, 1, 1] },
  { list: [0] },
  { ports: [{ name: 'a', port: 0 }, { name: 'b' }] },
  { labels: { one: 'no', two: 'yes' } },
  { name: 'x'.repeat(200), size: 13 },
  { name: 5, size: 13 },
];
const changed: readonly (readonly [JsonObject, JsonObject])[] = [
  [{ size: 5 }, { size: 4 }],
  [{ size: 5 }, { size: 6 }],
  [
    { ports: [{ name: 'a', port: 1 }] },
    {
      ports: [
        { name: 'b', port: 2 },
        { name: 'a', port: 3 },
      ],
    },
  ],
  [{ ports: [{ name: 'a', port: 1 }] }, { ports: [{ name: 'b', port: 3 }] }],
  [{ labels: { one: 'a' } }, { labels: { one: 'no' }, name: 'b' }],
];

/** The refusal's words, or what was stored; Go walks maps in no order. */
async function said(write: Promise<KubeObject>): Promise<unknown> {
  try {
    return ((await write) as KubeObject & { readonly spec?: unknown }).spec;
  } catch (error) {
    const { message, status } = error as Error & {
      readonly status?: { readonly details?: { readonly causes?: object[] } };
    };
    const causes = (status?.details?.causes ?? []).map((cause) => JSON.stringify(cause)).sort();
    return causes.length > 1 ? causes : [message, ...causes];
  }
}

/** What the compiler said, without the object around it and the column, which is now and then another one here. */
const wordsOf = (message: string): string =>
  /compilation failed: (ERROR: [^\n]*)/.exec(message)?.[1]?.replace(/<input>:\d+:\d+/, '') ??
  (/must evaluate to a bool/.exec(message)?.[0] || message);

const typed = {
  type: 'object',
  properties: {
    count: { type: 'integer' },
    share: { type: 'number' },
    name: { type: 'string', maxLength: 10 },
    on: { type: 'boolean' },
    when: { type: 'string', format: 'date-time' },
    long: { type: 'string', format: 'duration' },
    list: { type: 'array', maxItems: 5, items: { type: 'object', properties: { a: { type: 'integer' } } } },
    texts: { type: 'array', maxItems: 5, items: { type: 'string', maxLength: 5 } },
    map: { type: 'object', maxProperties: 5, additionalProperties: { type: 'integer' } },
    free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    either: { 'x-kubernetes-int-or-string': true },
    'x-y': { type: 'boolean' },
    inner: { type: 'object', properties: { b: { type: 'string', maxLength: 5 } } },
  },
};
const typedRules = [
  'self.count > 1 && self.on',
  'self.none == 1',
  'has(self.none)',
  'has(self.count) && self.count > 0',
  'self.inner.c == "x"',
  'self.inner.b == "x"',
  'self.count == self.name',
  'self.count == "1"',
  'self.on == 1',
  'self.name + "x" == "yx"',
  'self.name + 1 == "x"',
  'self.count + 1 > 2',
  'self.count',
  'self.name',
  'self.name.size() > 1',
  'size(self.count) > 1',
  'self.count.startsWith("a")',
  'self.name.startsWith("a")',
  'self.list.all(x, x.a > 1)',
  'self.list.all(x, x.b > 1)',
  'self.list.exists(x, x.a == "1")',
  'self.list[0].a == 1',
  'self.list[0].z == 1',
  'self.texts.all(t, t.matches("^a"))',
  'self.texts.all(t, t > 1)',
  'self.map.all(k, k.startsWith("a"))',
  'self.map["a"] == 1',
  'self.map["a"] == "x"',
  'self.map.a == 1',
  'self.either == 1 || self.either == "x"',
  'self.x__dash__y',
  'self.on ? self.count > 1 : self.name == "a"',
  'self.count ? true : false',
  'self.on && self.count',
  '!self.count',
  '!self.on',
  'self.when > timestamp("2020-01-01T00:00:00Z")',
  'self.long < duration("1h")',
  'self == oldSelf',
  'self.count == oldSelf.count',
  'oldSelf.none == 1',
  '"a" in self.texts',
  'self.count in [1, 2, 3]',
  'self.texts.filter(t, t == "a").size() == 1',
  'self.texts.map(t, t + "x").exists(t, t == "ax")',
  'self.on.b == 1',
  'self.name.b == 1',
];

describe.skipIf(why !== undefined)(`rules of custom kinds${why === undefined ? '' : ` (${why})`}`, () => {
  let plane: ControlPlane;
  let cluster: TestCluster;
  let apis: Readonly<Record<'real' | 'ours', readonly [Context, KubeClient]>>;

  beforeAll(async () => {
    plane = await startControlPlane({ version });
    cluster = await startTestCluster();
    const headers = () => Promise.resolve({ authorization: `Bearer ${plane.adminToken}` });
    const real = createClient(createTransport({ baseUrl: plane.url, tls: { ca: plane.caPem }, headers }));
    apis = { real: [background(), real], ours: [cluster.ctx, createClient(cluster.transport)] };
    for (const [ctx, client] of Object.values(apis)) {
      for (const one of [...ownCrds, crd('things', 'Thing', spec)])
        await client.create(ctx, customResourceDefinitions, one);
      for (const type of [things, fleetRoleBindings])
        await vi.waitFor(() => client.list(ctx, type, { namespace }), { timeout: 60_000, interval: 200 });
    }
  });
  afterAll(async () => {
    await cluster?.close();
    await plane?.stop();
  });

  const both = async (ask: (ctx: Context, client: KubeClient) => Promise<unknown>): Promise<readonly unknown[]> =>
    Promise.all([ask(...apis.real), ask(...apis.ours)]);

  it.each(bindings.map((one, index) => [JSON.stringify(one), one, index] as const))(
    'of a fleet: %s',
    async (_what, one, index) => {
      const [real, ours] = await both((ctx, client) =>
        said(client.create<KubeObject>(ctx, fleetRoleBindings, binding(`b-${index}`, one) as never)),
      );
      expect(ours).toEqual(real);
    },
  );

  it.each(created.map((one, index) => [JSON.stringify(one).slice(0, 60), one, index] as const))(
    'of a new object: %s',
    async (_what, one, index) => {
      const [real, ours] = await both((ctx, client) => said(client.create(ctx, things, thing(`t-${index}`, one))));
      expect(ours).toEqual(real);
    },
  );

  it.each(changed.map(([one, next], index) => [JSON.stringify(next), one, next, index] as const))(
    'of a changed object: %s',
    async (_what, one, next, index) => {
      const [real, ours] = await both(async (ctx, client) => {
        const made = await client.create(ctx, things, thing(`c-${index}`, one));
        return said(client.update(ctx, things, { ...made, spec: next } as KubeObject));
      });
      expect(ours).toEqual(real);
    },
  );

  it('of the root, and what does not compile', async () => {
    const [real, ours] = await both((ctx, client) => said(client.create(ctx, things, thing('bad', {}))));
    expect(ours).toEqual(real);
    for (const rule of ['self ==', 'selv == 1', ' ', 'self.frobnicate() == 1']) {
      const broken = { type: 'integer', 'x-kubernetes-validations': [{ rule }] };
      const codes = await both((ctx, client) =>
        client.create(ctx, customResourceDefinitions, crd('others', 'Other', broken)).then(
          () => 'taken',
          (error: unknown) => (error as { readonly code: string }).code,
        ),
      );
      expect(codes, rule).toEqual(['Invalid', 'Invalid']);
    }
  });

  it.each(typedRules)('a kind with the rule %s is taken or refused alike', async (rule) => {
    const schema = { ...typed, 'x-kubernetes-validations': [{ rule }] };
    const words = await both((ctx, client) =>
      client.create(ctx, customResourceDefinitions, crd('others', 'Other', schema), { dryRun: true }).then(
        () => 'taken',
        (error: unknown) => wordsOf((error as Error).message),
      ),
    );
    expect(words[1]).toBe(words[0]);
  });
});
