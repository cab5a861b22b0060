import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { callApi, startTestCluster, type ApiAnswer, type TestCluster } from './testing.ts';

const core = '/api/v1/namespaces/default';
let cluster: TestCluster;
beforeEach(async () => {
  cluster = await startTestCluster();
});
afterEach(() => cluster.close());

const send = (method: string, url: string, body?: unknown): Promise<ApiAnswer> =>
  callApi(cluster.ctx, cluster.transport, {
    method,
    url,
    ...(body === undefined ? {} : { body }),
    ...(method === 'PATCH' ? { type: 'application/merge-patch+json' } : {}),
  });

async function quota(name: string, hard: Record<string, string>, spec: object = {}): Promise<void> {
  await send('POST', `${core}/resourcequotas`, { metadata: { name }, spec: { hard, ...spec } });
  const used = Object.fromEntries(Object.keys(hard).map((key) => [key, '0']));
  await send('PATCH', `${core}/resourcequotas/${name}/status`, { status: { hard, used } });
}
const used = async (name: string): Promise<unknown> =>
  ((await send('GET', `${core}/resourcequotas/${name}`)).body as { status: { used: unknown } }).status.used;
const pod = (name: string, cpu: string, spec: object = {}): Promise<ApiAnswer> =>
  send('POST', `${core}/pods`, {
    metadata: { name },
    spec: { containers: [{ name: 'c', image: 'i', resources: { requests: { cpu } } }], ...spec },
  });

describe('a quota', () => {
  it('is charged when an object is made, and refuses what would exceed it', async () => {
    await quota('q', { pods: '3', 'requests.cpu': '1' });
    expect((await pod('a', '600m')).status).toBe(201);
    expect((await pod('b', '600m')).body).toMatchObject({
      code: 403,
      message:
        'pods "b" is forbidden: exceeded quota: q, requested: requests.cpu=600m, used: requests.cpu=600m, limited: requests.cpu=1',
    });
    expect(await used('q')).toEqual({ pods: '1', 'requests.cpu': '600m' });
  });

  it('makes containers say what they need', async () => {
    await quota('q', { 'limits.memory': '1Gi' });
    expect((await pod('a', '1')).body).toMatchObject({
      message: 'pods "a" is forbidden: failed quota: q: must specify limits.memory for: c',
    });
  });

  it('charges nothing for dry runs and for what is invalid', async () => {
    await quota('q', { 'count/configmaps': '1' });
    await send('POST', `${core}/configmaps?dryRun=All`, { metadata: { name: 'a' } });
    expect((await send('POST', `${core}/configmaps`, { metadata: { name: 'A' } })).status).toBe(422);
    expect(await used('q')).toEqual({ 'count/configmaps': '0' });
  });

  it('counts only what is in its scopes', async () => {
    await quota('short', { pods: '1' }, { scopes: ['Terminating'] });
    expect((await pod('a', '1')).status).toBe(201);
    expect((await pod('b', '1', { activeDeadlineSeconds: 5 })).status).toBe(201);
    expect((await pod('c', '1', { activeDeadlineSeconds: 5 })).status).toBe(403);
    // The one that turns into a short one is new to this quota.
    expect((await send('PATCH', `${core}/pods/a`, { spec: { activeDeadlineSeconds: 5 } })).status).toBe(403);
    expect(await used('short')).toEqual({ pods: '1' });
  });

  it('counts kinds of other groups', async () => {
    await quota('q', { 'count/deployments.apps': '0' });
    const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    const answer = await send('POST', '/apis/apps/v1/namespaces/default/deployments', {
      metadata: { name: 'd' },
      spec: { selector: { matchLabels: { a: 'b' } }, template },
    });
    expect(answer.body).toMatchObject({
      message:
        'deployments.apps "d" is forbidden: exceeded quota: q, requested: count/deployments.apps=1, used: count/deployments.apps=0, limited: count/deployments.apps=0',
    });
  });

  it('is never exceeded by writes at the same time, whoever else writes its status', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 5 }),
        fc.integer({ min: 1, max: 10 }),
        fc.boolean(),
        async (limit, asking, disturbed) => {
          await quota('q', { 'count/configmaps': String(limit), secrets: '100' });
          const writes = Array.from({ length: asking }, (_, index) =>
            send('POST', `${core}/configmaps`, { metadata: { name: `m${index}` } }),
          );
          if (disturbed) await send('PATCH', `${core}/resourcequotas/q`, { metadata: { labels: { a: 'b' } } });
          const answers = await Promise.all(writes);
          expect(answers.filter((answer) => answer.status === 201)).toHaveLength(Math.min(limit, asking));
          expect(await used('q')).toMatchObject({ 'count/configmaps': String(Math.min(limit, asking)) });
          await send('DELETE', `${core}/configmaps`);
          await send('DELETE', `${core}/resourcequotas/q`);
        },
      ),
      { numRuns: 20 },
    );
  });
});

describe('priority', () => {
  const classes = '/apis/scheduling.k8s.io/v1/priorityclasses';

  it('comes from the class, the default where none is named', async () => {
    await send('POST', classes, { metadata: { name: 'usual' }, value: 5, globalDefault: true });
    expect((await pod('a', '1')).body).toMatchObject({ spec: { priority: 5, priorityClassName: 'usual' } });
    expect((await pod('b', '1', { priorityClassName: 'system-node-critical' })).body).toMatchObject({
      spec: { priority: 2_000_001_000 },
    });
    expect((await pod('c', '1', { priority: 6 })).body).toMatchObject({
      message:
        'pods "c" is forbidden: the integer value of priority (6) must not be provided in pod spec; priority admission controller computed 5 from the given PriorityClass name',
    });
    expect(
      (await send('POST', classes, { metadata: { name: 'other' }, value: 1, globalDefault: true })).body,
    ).toMatchObject({
      message:
        'priorityclasses.scheduling.k8s.io "other" is forbidden: PriorityClass usual is already marked as default. Only one default can exist',
    });
  });

  it('stays where an update leaves it out', async () => {
    const made = (await pod('a', '1')).body as { spec: Record<string, unknown> };
    const { priority: _priority, preemptionPolicy: _policy, ...spec } = made.spec;
    expect((await send('PUT', `${core}/pods/a`, { ...made, spec })).body).toMatchObject({
      spec: { priority: 0, preemptionPolicy: 'PreemptLowerPriority' },
    });
  });
});

describe('a limit range', () => {
  const range = (...limits: object[]): Promise<ApiAnswer> =>
    send('POST', `${core}/limitranges`, { metadata: { name: 'l' }, spec: { limits } });
  const sized = (name: string, resources: object): Promise<ApiAnswer> =>
    send('POST', `${core}/pods`, { metadata: { name }, spec: { containers: [{ name: 'c', image: 'i', resources }] } });

  it('gives containers what they do not ask for, and says so', async () => {
    await range({ type: 'Container', min: { cpu: '10m' }, max: { cpu: '1' }, default: { memory: '64Mi' } });
    expect((await sized('a', { requests: { memory: '1Mi' } })).body).toMatchObject({
      metadata: {
        annotations: {
          'kubernetes.io/limit-ranger':
            'LimitRanger plugin set: cpu request for container c; cpu, memory limit for container c',
        },
      },
      spec: {
        containers: [{ resources: { requests: { cpu: '1', memory: '1Mi' }, limits: { cpu: '1', memory: '64Mi' } } }],
      },
    });
  });

  it.for([
    [
      { requests: { cpu: '1m' } },
      '[minimum cpu usage per Container is 10m, but request is 1m, maximum cpu usage per Pod is 500m, but limit is 1]',
    ],
    [
      { limits: { cpu: '2' } },
      '[maximum cpu usage per Container is 1, but limit is 2, maximum cpu usage per Pod is 500m, but limit is 2]',
    ],
  ] as const)('refuses %j', async ([resources, why]) => {
    await range({ type: 'Container', min: { cpu: '10m' }, max: { cpu: '1' } }, { type: 'Pod', max: { cpu: '500m' } });
    expect((await sized('a', resources)).body).toMatchObject({ code: 403, message: `pods "a" is forbidden: ${why}` });
  });

  it('contradicts itself nowhere', async () => {
    expect((await range({ type: 'Container', min: { cpu: '2' }, max: { cpu: '1' } })).body).toMatchObject({
      code: 422,
      details: {
        causes: expect.arrayContaining([expect.objectContaining({ field: 'spec.limits[0].min[cpu]' })]) as unknown,
      },
    });
  });

  it('feeds the quota that wants numbers', async () => {
    await quota('q', { 'limits.cpu': '1' });
    await range({ type: 'Container', default: { cpu: '600m' } });
    expect((await sized('a', {})).status).toBe(201);
    expect((await sized('b', {})).body).toMatchObject({
      message:
        'pods "b" is forbidden: exceeded quota: q, requested: limits.cpu=600m, used: limits.cpu=600m, limited: limits.cpu=1',
    });
  });
});
