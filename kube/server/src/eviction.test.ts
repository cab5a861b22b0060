import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createVirtualClock } from '@polyanthus/ground-testing/virtual-clock';
import { callApi, startTestCluster, type ApiAnswer, type TestCluster } from './testing.ts';

const core = '/api/v1/namespaces/default';
const policy = '/apis/policy/v1/namespaces/default/poddisruptionbudgets';
const merge = 'application/merge-patch+json';

let cluster: TestCluster;
beforeEach(async () => {
  cluster = await startTestCluster({ clock: createVirtualClock() });
});
afterEach(() => cluster.close());

const send = (method: string, url: string, body?: unknown): Promise<ApiAnswer> =>
  callApi(cluster.ctx, cluster.transport, {
    method,
    url,
    ...(body === undefined ? {} : { body }),
    ...(method === 'PATCH' ? { type: merge } : {}),
  });

async function pod(name: string, ready: boolean, graceSeconds = 0): Promise<void> {
  await send('POST', `${core}/pods`, {
    metadata: { name, labels: { app: 'a' } },
    spec: {
      containers: [{ name: 'c', image: 'i' }],
      nodeName: 'n',
      terminationGracePeriodSeconds: graceSeconds,
    },
  });
  await status(`${core}/pods/${name}`, {
    phase: 'Running',
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
  });
}
const status = (url: string, value: object): Promise<ApiAnswer> => send('PATCH', `${url}/status`, { status: value });
const budget = (name: string, spec: object = {}): Promise<ApiAnswer> =>
  send('POST', policy, { metadata: { name }, spec: { selector: { matchLabels: { app: 'a' } }, ...spec } });
const counted = (name: string, allowed: number, healthy = 1, desired = 1): Promise<ApiAnswer> =>
  status(`${policy}/${name}`, {
    observedGeneration: 1,
    disruptionsAllowed: allowed,
    currentHealthy: healthy,
    desiredHealthy: desired,
  });
const evict = (name: string, deleteOptions?: object): Promise<ApiAnswer> =>
  send('POST', `${core}/pods/${name}/eviction`, {
    metadata: { name },
    ...(deleteOptions === undefined ? {} : { deleteOptions }),
  });
const statusOf = async (url: string): Promise<Record<string, unknown>> =>
  ((await send('GET', url)).body as { status: Record<string, unknown> }).status;

describe('an eviction', () => {
  it('takes one disruption and names the pod, and the next is refused in the words of kube-apiserver', async () => {
    await Promise.all([pod('x', true), pod('y', true)]);
    await budget('b');
    await counted('b', 1, 2, 1);
    expect(await evict('x')).toMatchObject({ status: 201, body: { status: 'Success' } });
    expect(await statusOf(`${policy}/b`)).toMatchObject({
      disruptionsAllowed: 0,
      disruptedPods: { x: '2026-01-01T00:00:00Z' },
      conditions: [{ type: 'DisruptionAllowed', status: 'False', reason: 'InsufficientPods' }],
    });
    expect((await send('GET', `${core}/pods/x`)).status).toBe(404);
    await counted('b', 0);
    const refused = await evict('y');
    expect(refused).toMatchObject({
      status: 429,
      body: {
        reason: 'TooManyRequests',
        message: "Cannot evict pod as it would violate the pod's disruption budget.",
        details: {
          causes: [
            { reason: 'DisruptionBudget', message: 'The disruption budget b needs 1 healthy pods and has 1 currently' },
          ],
        },
      },
    });
    // client-go would come back by itself, and kubectl would not tell anybody.
    expect(refused.headers['retry-after']).toBeUndefined();
  });

  it('waits for a budget that nobody has counted yet', async () => {
    await pod('x', true);
    await budget('b');
    const answer = await evict('x');
    expect(answer).toMatchObject({ status: 429, headers: { 'retry-after': '10' } });
    expect(answer.body).toMatchObject({
      details: { causes: [{ message: 'The disruption budget b is still being processed by the server.' }] },
    });
  });

  it('of a pod under two budgets is an error of the server', async () => {
    await pod('x', true);
    await Promise.all([budget('a'), budget('b')]);
    expect(await evict('x')).toMatchObject({
      status: 500,
      body: {
        message: 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
      },
    });
  });

  it('does nothing in a dry run, and says what would be', async () => {
    await pod('x', true);
    await budget('b');
    await counted('b', 1, 2, 1);
    expect((await evict('x', { dryRun: ['All'] })).status).toBe(201);
    expect(await statusOf(`${policy}/b`)).toMatchObject({ disruptionsAllowed: 1 });
    expect((await send('GET', `${core}/pods/x`)).status).toBe(200);
    await counted('b', 0);
    expect((await evict('x', { dryRun: ['All'] })).status).toBe(429);
  });

  it('tells a pod that has time to end why it goes', async () => {
    await pod('x', true, 30);
    expect((await evict('x')).status).toBe(201);
    expect((await send('GET', `${core}/pods/x`)).body).toMatchObject({
      metadata: { deletionGracePeriodSeconds: 30 },
      status: {
        conditions: [{ type: 'Ready' }, { type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI' }],
      },
    });
  });

  it('hits the pod of the uid that it names and no other', async () => {
    await pod('x', true);
    expect(await evict('x', { preconditions: { uid: 'another' } })).toMatchObject({
      status: 409,
      body: { reason: 'Conflict' },
    });
    expect((await send('GET', `${core}/pods/x`)).status).toBe(200);
  });

  it.for([
    ['pending', { phase: 'Pending' }, {}, 201],
    ['ended', { phase: 'Succeeded' }, {}, 201],
    ['not ready, nothing to spare', { phase: 'Running', conditions: [] }, {}, 429],
    [
      'not ready, always to go',
      { phase: 'Running', conditions: [] },
      { unhealthyPodEvictionPolicy: 'AlwaysAllow' },
      201,
    ],
  ] as const)('of a pod that is %s', async ([, podStatus, spec, expected]) => {
    await pod('x', false);
    await status(`${core}/pods/x`, podStatus);
    await budget('b', spec);
    await counted('b', 0, 0, 1);
    expect((await evict('x')).status).toBe(expected);
    expect(await statusOf(`${policy}/b`)).toMatchObject({ disruptionsAllowed: 0 });
  });

  it('of a pod that is not ready goes through when enough others are healthy', async () => {
    await pod('x', false);
    await budget('b');
    await counted('b', 0, 1, 1);
    expect((await evict('x')).status).toBe(201);
  });

  it('never takes a pod, as one that is not ready, that has become ready meanwhile', async () => {
    await budget('b');
    const outcomes = new Set<string>();
    for (let turns = 0; turns < 60; turns++) {
      await pod('x', false);
      await counted('b', 0, 1, 1);
      let ready = false;
      const watching = cluster.store.watch('test//pods/', cluster.store.revision, ({ object }) => {
        ready ||= object !== undefined && Buffer.from(object.bytes).includes('"type":"Ready","status":"True"');
      });
      const patched = status(`${core}/pods/x`, { conditions: [{ type: 'Ready', status: 'True' }] });
      for (let turn = 0; turn < turns % 30; turn++) await Promise.resolve();
      const evicted = evict('x');
      // As often the other way round.
      const answer = turns < 30 ? await evicted : (await Promise.all([patched, evicted]))[1];
      await patched;
      watching.close();
      const { status: found } = await send('GET', `${core}/pods/x`);
      expect({ turns, ready, kept: found === 200 }).toEqual({ turns, ready, kept: ready });
      outcomes.add(`${ready ? 'ready' : 'not ready'}: ${answer.status}`);
      await send('DELETE', `${core}/pods/x`);
    }
    expect([...outcomes]).toContain('ready: 429');
  });

  it('at the same time as many others never takes more than is allowed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 1, max: 12 }), async (allowed, asking) => {
        const names = Array.from({ length: asking }, (_, index) => `p${index}`);
        await Promise.all(names.map((name) => pod(name, true)));
        await budget('b');
        await counted('b', allowed, 20, 1);
        const answers = await Promise.all(names.map((name) => evict(name)));
        const granted = answers.filter((answer) => answer.status === 201).length;
        expect(granted).toBe(Math.min(allowed, asking));
        expect(await statusOf(`${policy}/b`)).toMatchObject({ disruptionsAllowed: allowed - granted });
        await send('DELETE', `${core}/pods`);
        await send('DELETE', `${policy}/b`);
      }),
      { numRuns: 20 },
    );
  });
});
