/** The same writes under the same webhooks to a real kube-apiserver and to this server: same outcomes, words and reviews. */
import { request } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import { startControlPlane, type ControlPlane } from '../../../../../lab/src/control-plane.ts';
import { whyNotReal } from '../../../../../lab/src/parts.ts';
import { callApi, startTestCluster, type TestCluster } from '../../testing.ts';
import { configurationCases } from './configurations-table.ts';
import { startWebhookServer, type WebhookServer } from './testing-server.ts';
import { endpointCases, serviceAddress } from './endpoints-table.ts';
import { scripts, webhookCases, webhookDifferences, type CaseStep, type WebhookCase } from './webhooks-table.ts';

const why = whyNotReal(['etcd', '3.7.0'], ['kube-apiserver', '1.37.2']);
const configs = '/apis/admissionregistration.k8s.io/v1';

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly warning: unknown;
}
type Send = (step: CaseStep) => Promise<Answer>;
type Side = 'own' | 'real';

const volatile: ReadonlySet<string> = new Set(['uid', 'resourceVersion', 'creationTimestamp', 'time']);
/** What the server itself writes into managedFields and options has its own conformance. */
const left: ReadonlySet<string> = new Set(['managedFields', 'userInfo']);

function comparable(value: unknown, words: boolean, key = ''): unknown {
  if (volatile.has(key)) return value === undefined || value === null ? undefined : '*';
  if (left.has(key) || (!words && (key === 'message' || key === 'causes'))) return undefined;
  if (Array.isArray(value)) return value.map((item) => comparable(item, words));
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(entries.map(([name, item]) => [name, comparable(item, words, name)]));
  }
  if (typeof value !== 'string') return value;
  return value
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '*')
    .replaceAll(/^g-[a-z0-9]{5}$/g, 'g-*')
    .replaceAll(/((127\.[\d.]+|hooks\.system\.svc):\d+)\/(own|real)\//g, '$1/x/');
}

/** Without members that are null or an empty text. */
function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== null && item !== '')
      .map(([name, item]) => [name, withoutEmpty(item)]),
  );
}

function sendReal(plane: ControlPlane): Send {
  return ({ method, url, body, type = 'application/json' }) =>
    new Promise((resolve, reject) => {
      const data = body === undefined ? undefined : JSON.stringify(body);
      const headers = {
        authorization: `Bearer ${plane.adminToken}`,
        'user-agent': 'test/1',
        accept: 'application/json',
        ...(data === undefined ? {} : { 'content-type': type, 'content-length': String(Buffer.byteLength(data)) }),
      };
      const call = request(plane.url + url, { method, ca: plane.caPem, headers }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            body: text.startsWith('{') ? (JSON.parse(text) as unknown) : text,
            warning: response.headers['warning'],
          }),
        );
      });
      call.on('error', reject);
      call.end(data);
    });
}

function sendOwn(cluster: TestCluster): Send {
  return async ({ method, url, body, type }) => {
    const answer = await callApi(cluster.ctx, cluster.transport, {
      method,
      url,
      ...(body === undefined ? {} : { body }),
      ...(type === undefined ? {} : { type }),
    });
    const { warning } = answer.headers;
    return {
      status: answer.status,
      body: answer.body,
      warning: Array.isArray(warning) ? warning.join(', ') : warning,
    };
  };
}

const rule = { apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'], operations: ['CREATE'] };

/** What a case says of its namespace and of the webhook server, filled in. */
function filledIn<T>(value: T, namespace: string, port: number): T {
  const text = JSON.stringify(value).replaceAll('{ns}', namespace).replaceAll('"{port}"', String(port));
  return JSON.parse(text) as T;
}

/** The answer that the step waits for, and from where on the reviews are those of that answer. */
async function answered(send: Send, step: CaseStep, server: WebhookServer): Promise<readonly [Answer, number]> {
  const { status, says } = step.until ?? {};
  const fits = (answer: Answer): boolean =>
    (status === undefined || answer.status === status) &&
    (says === undefined || JSON.stringify(answer.body).replaceAll('\\"', '"').includes(says));
  for (let attempt = 0; ; attempt++) {
    const from = server.asked.length;
    const answer = await send(step);
    if (fits(answer) || attempt === 300) return [answer, from];
    await delay(20);
  }
}

function configuration(
  server: WebhookServer,
  one: WebhookCase,
  side: Side,
  namespace: string,
  mutating: boolean,
): object {
  const client = (path: string, service: boolean): object =>
    service
      ? { service: { namespace: 'system', name: 'hooks', port: server.port, path: `/${side}/${path}` } }
      : { url: `https://${serviceAddress}:${server.port}/${side}/${path}` };
  const hook = (path: string, name: string, more: JsonObject, rules: JsonObject, service = false): object => ({
    name: `${name}.example.com`,
    clientConfig: { ...client(path, service), caBundle: server.caBundle },
    rules: [rules],
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
    ...more,
  });
  const mine = one.hooks.filter((each) => (each.mutating === true) === mutating);
  return {
    metadata: { name: namespace },
    webhooks: [
      ...mine.map((each, index) =>
        hook(each.path, `${each.path}.n${index}`, each.more ?? {}, each.rule ?? rule, each.service),
      ),
      // Tells when the configuration is in force.
      hook(
        'probe',
        'probe.all',
        { objectSelector: { matchLabels: { probe: 'yes' } } },
        { ...rule, operations: ['UPDATE'] },
      ),
    ],
  };
}

const cases = [...webhookCases, ...endpointCases];
const kinds = ['mutatingwebhookconfigurations', 'validatingwebhookconfigurations'] as const;

async function prepare(
  send: Send,
  server: WebhookServer,
  one: WebhookCase,
  side: Side,
  namespace: string,
): Promise<void> {
  await send({ method: 'POST', url: '/api/v1/namespaces', body: { metadata: { name: namespace } } });
  const core = `/api/v1/namespaces/${namespace}`;
  await send({ method: 'POST', url: `${core}/serviceaccounts`, body: { metadata: { name: 'default' } } });
  const probe = { metadata: { name: 'probe', labels: { probe: 'yes' } } };
  await until(async () => (await send({ method: 'POST', url: `${core}/configmaps`, body: probe })).status !== 403);
  for (const kind of kinds) {
    const mutating = kind.startsWith('mutating');
    const body = filledIn(configuration(server, one, side, namespace, mutating), namespace, server.port);
    expect(await send({ method: 'POST', url: `${configs}/${kind}`, body })).toMatchObject({ status: 201 });
  }
  const seen = (): number =>
    server.asked.filter(
      ({ path, review }) => path === `/${side}/probe` && (review['request'] as JsonObject)['namespace'] === namespace,
    ).length;
  // Both kinds of configuration have their probe.
  await until(async () => {
    const before = seen();
    await send({ method: 'PUT', url: `${core}/configmaps/probe?dryRun=All`, body: probe });
    return seen() === before + 2;
  });
  await send({ method: 'DELETE', url: `${core}/configmaps/probe` });
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 5000; attempt++) if (await condition()) return;
  throw new Error('the server never got ready');
}

describe.skipIf(why !== undefined)(`the webhooks of kube-apiserver${why === undefined ? '' : ` (${why})`}`, () => {
  let plane: ControlPlane;
  let cluster: TestCluster;
  let server: WebhookServer;
  beforeAll(async () => {
    [plane, cluster, server] = await Promise.all([
      startControlPlane({ extraArgs: ['--service-cluster-ip-range=127.96.0.0/16'] }),
      startTestCluster(),
      startWebhookServer(serviceAddress),
    ]);
    for (const [path, script] of Object.entries(scripts)) server.scripts.set(path, script);
  });
  afterAll(async () => {
    await Promise.all([plane.stop(), cluster.close(), server.close()]);
  });

  it.each(cases)('$name', async (one) => {
    const namespace = `hooks-${cases.indexOf(one)}`;
    const sides = [
      ['own', sendOwn(cluster)],
      ['real', sendReal(plane)],
    ] as const;
    for (const [side, send] of sides) await prepare(send, server, one, side, namespace);
    const words = one.differs === undefined;
    if (one.differs !== undefined) expect(Object.keys(webhookDifferences)).toContain(one.differs);
    const shown = (value: unknown, told: boolean): unknown =>
      one.differs === 'kindDefaults' ? withoutEmpty(comparable(value, told)) : comparable(value, told);
    const reviews = (side: Side, from: number): unknown =>
      server.asked
        .slice(from)
        .filter(({ path }) => path.startsWith(`/${side}/`))
        .map(({ path, review }) => shown({ path: path.split('/').at(-1), review }, true));
    for (const step of one.steps) {
      const filled = filledIn(step, namespace, server.port);
      const label = `${filled.method} ${filled.url}`;
      const seen = new Map<Side, object>();
      for (const [side, send] of sides) {
        if (side !== (step.only ?? side)) continue;
        const [answer, from] = await answered(send, filled, server);
        seen.set(side, { answer: shown(answer, words), reviews: reviews(side, from) });
      }
      if (step.only === undefined) expect.soft({ label, ...seen.get('own') }).toEqual({ label, ...seen.get('real') });
    }
  });

  it.each(configurationCases)('a configuration: $name', async ({ kind, webhooks, differs }) => {
    const step: CaseStep = {
      method: 'POST',
      url: `${configs}/${kind}?dryRun=All`,
      body: { metadata: { name: 'c' }, webhooks },
    };
    const [own, real] = [await sendOwn(cluster)(step), await sendReal(plane)(step)];
    const words = differs === undefined;
    expect(comparable(own, words)).toEqual(comparable(real, words));
  });
});
