import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { background, withCancel, type Context } from '@polyanthus/ground-base/context';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import { configMaps, customResourceDefinitions, pods, services } from '@polyanthus/kube-kinds/core';
import { resourceQuotas, type ResourceQuota } from '@polyanthus/kube-kinds/quota/resource-quota';
import { resourceType } from '@polyanthus/kube-objects/resource';
import { isStatus } from '@polyanthus/kube-objects/status';
import { createTestClock, type TestClock } from '@polyanthus/kube-runtime/testing';
import { startTestCluster } from '@polyanthus/kube-server/testing';
import { startControllers } from '../start.ts';

const namespace = 'default';
let clock: TestClock;
let ctx: Context;
let client: KubeClient;
let close: () => Promise<void>;

beforeEach(async () => {
  clock = createTestClock();
  const random = createSeededRandom(3);
  const cluster = await startTestCluster({ clock, random });
  const started = withCancel(background({ clock }));
  ctx = started.ctx;
  client = createClient(cluster.transport);
  const names = ['resourcequota-controller'];
  const controllers = startControllers(ctx, { client, random, names, freeze: true });
  close = async () => {
    started.cancel();
    await controllers.stopped;
    await cluster.close();
  };
});
afterEach(() => close());

const quota = (hard: Record<string, string>, spec: object = {}): Promise<ResourceQuota> =>
  client.create(ctx, resourceQuotas, {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'q', namespace },
    spec: { hard, ...spec },
  });
const used = async (): Promise<Readonly<Record<string, string>> | undefined> =>
  (await client.get(ctx, resourceQuotas, { namespace, name: 'q' })).status?.used;
const untilUsed = (wanted: Record<string, string>): Promise<void> =>
  clock.until(
    async () => {
      const now = (await used()) ?? {};
      return (
        Object.keys(now).length === Object.keys(wanted).length && Object.entries(wanted).every(([k, v]) => now[k] === v)
      );
    },
    JSON.stringify(wanted),
    120_000,
  );
const pod = (name: string, cpu = '100m', spec: object = {}): Promise<unknown> =>
  client.create(ctx, pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace },
    spec: { containers: [{ name: 'c', image: 'i', resources: { requests: { cpu } } }], ...spec },
  });
const map = (name: string): Promise<unknown> =>
  client.create(ctx, configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace } });
const finish = (name: string): Promise<unknown> =>
  client.patch(
    ctx,
    pods,
    { namespace, name },
    { type: 'merge', body: { status: { phase: 'Succeeded' } } },
    { subresource: 'status' },
  );

describe('the quota controller', () => {
  it('counts what was there before, and takes over what the spec says', async () => {
    await Promise.all([pod('a', '250m'), pod('b'), map('m')]);
    await quota({ pods: '5', 'requests.cpu': '1', 'count/configmaps': '3', configmaps: '3', 'limits.memory': '1Gi' });
    await untilUsed({
      pods: '2',
      'requests.cpu': '350m',
      'count/configmaps': '1',
      configmaps: '1',
      'limits.memory': '0',
    });
    const body = { spec: { hard: { 'count/configmaps': null, pods: '1' } } };
    await client.patch(ctx, resourceQuotas, { namespace, name: 'q' }, { type: 'merge', body });
    await untilUsed({ pods: '2', 'requests.cpu': '350m', configmaps: '1', 'limits.memory': '0' });
    expect((await client.get(ctx, resourceQuotas, { namespace, name: 'q' })).status?.hard).toMatchObject({ pods: '1' });
  });

  it('gives back what ends, goes, or is another sort of thing now', async () => {
    await quota({ pods: '2', 'count/pods': '3', 'services.loadbalancers': '1' });
    await untilUsed({ pods: '0', 'count/pods': '0', 'services.loadbalancers': '0' });
    await Promise.all([pod('a'), pod('b')]);
    await expect(pod('c')).rejects.toThrow('exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2');
    await client.create(ctx, services, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 's', namespace },
      spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
    });
    await untilUsed({ pods: '2', 'count/pods': '2', 'services.loadbalancers': '1' });
    await finish('a');
    await untilUsed({ pods: '1', 'count/pods': '2', 'services.loadbalancers': '1' });
    await pod('c');
    await client.delete(ctx, pods, { namespace, name: 'b' });
    const body = { spec: { type: 'ClusterIP' } };
    await client.patch(ctx, services, { namespace, name: 's' }, { type: 'merge', body });
    await untilUsed({ pods: '1', 'count/pods': '2', 'services.loadbalancers': '0' });
  });

  it('counts only what is in its scopes', async () => {
    await Promise.all([pod('long'), pod('short', '1', { activeDeadlineSeconds: 60 })]);
    await quota({ pods: '5', 'requests.cpu': '5' }, { scopes: ['Terminating'] });
    await untilUsed({ pods: '1', 'requests.cpu': '1' });
  });

  it('counts custom kinds from when they are served', async () => {
    await quota({ 'count/fleets.example.com': '2', pods: '1' });
    await untilUsed({ pods: '0' });
    await client.create(ctx, customResourceDefinitions, {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: 'fleets.example.com' },
      spec: {
        group: 'example.com',
        scope: 'Namespaced',
        names: { plural: 'fleets', kind: 'Fleet' },
        versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
      },
    });
    await clock.advance(300_000);
    await untilUsed({ pods: '0', 'count/fleets.example.com': '0' });
    const fleets = resourceType('example.com', 'v1', 'fleets', 'Fleet', true);
    await client.create(ctx, fleets, {
      apiVersion: 'example.com/v1',
      kind: 'Fleet',
      metadata: { name: 'f', namespace },
    });
    await untilUsed({ pods: '0', 'count/fleets.example.com': '1' });
    await client.delete(ctx, fleets, { namespace, name: 'f' });
    await untilUsed({ pods: '0', 'count/fleets.example.com': '0' });
  });

  it('comes to what there is, whatever happens at the same time', async () => {
    const step = fc.record({
      do: fc.constantFrom('create', 'create', 'delete', 'finish', 'turn' as const),
      of: fc.nat(7),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        await quota({ pods: '4', 'requests.cpu': '1' });
        await untilUsed({ pods: '0', 'requests.cpu': '0' });
        const running: Promise<unknown>[] = [];
        const start = (work: Promise<unknown>): void =>
          void running.push(
            work.catch((error: unknown) => {
              if (!isStatus(error, 'NotFound') && !isStatus(error, 'AlreadyExists') && !isStatus(error, 'Forbidden'))
                throw error;
            }),
          );
        for (const { do: what, of } of steps) {
          const name = `p${of}`;
          if (what === 'create') start(pod(name, `${of + 1}00m`));
          else if (what === 'finish') start(finish(name));
          else if (what === 'delete') start(client.delete(ctx, pods, { namespace, name }));
          else for (let turn = 0; turn < of * 3; turn++) await Promise.resolve();
        }
        await Promise.all(running);
        // A charge whose pod was there already is given back by the next count of all.
        await clock.advance(301_000);
        const left = (await client.list(ctx, pods, { namespace })).items.filter(
          ({ status }) => status?.phase === 'Pending',
        );
        const cpu = left.reduce((sum, { metadata }) => sum + Number((metadata.name ?? '').slice(1)) + 1, 0);
        expect(await used()).toEqual({
          pods: String(left.length),
          'requests.cpu': cpu % 10 === 0 ? String(cpu / 10) : `${cpu}00m`,
        });
        await client.deleteCollection(ctx, pods, { namespace });
        await client.delete(ctx, resourceQuotas, { namespace, name: 'q' });
      }),
      { numRuns: 25 },
    );
  });
});
