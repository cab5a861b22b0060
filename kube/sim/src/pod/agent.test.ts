/** Pods that a simulation finds: ended ones, and those of a copied cluster. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { background, withCancel } from '@polyanthus/ground-base/context';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import { pods, type Pod } from '@polyanthus/kube-kinds/core';
import { createTestClock, type TestClock } from '@polyanthus/kube-runtime/testing';
import { startTestCluster, type TestCluster } from '@polyanthus/kube-server/testing';
import { startSimulation } from '../simulation.ts';

let clock: TestClock;
let server: TestCluster;
let client: KubeClient;
let stop: () => Promise<void>;

const at = (name: string): { namespace: string; name: string } => ({ namespace: 'default', name });
const get = (name: string): Promise<Pod> => client.get(server.ctx, pods, at(name));
const phases = async (...names: readonly string[]): Promise<readonly unknown[]> =>
  Promise.all(names.map(async (name) => (await get(name)).status?.phase));
const patch = (name: string, body: object, subresource?: string): Promise<Pod> =>
  client.patch(
    server.ctx,
    pods,
    at(name),
    { type: 'merge', body },
    subresource === undefined ? {} : { subresource: 'status' },
  );

function simulate(): void {
  const { ctx, cancel } = withCancel(background({ clock }));
  const { stopped } = startSimulation(ctx, { client, nodes: [{ name: 'n1' }], random: createSeededRandom(2) });
  stop = () => {
    cancel();
    return stopped;
  };
}

beforeEach(async () => {
  clock = createTestClock();
  server = await startTestCluster({ clock, random: createSeededRandom(1) });
  client = createClient(server.transport);
  simulate();
});
afterEach(async () => {
  await stop();
  await server.close();
});

it('never runs a pod again that has ended, whoever wrote the end and whoever looks', async () => {
  for (const name of ['taken', 'kept'])
    await client.create(server.ctx, pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: at(name),
      spec: { containers: [{ name: 'c', image: 'app' }] },
    });
  const running = async (): Promise<boolean> => (await phases('taken', 'kept')).every((phase) => phase === 'Running');
  await clock.until(running, 'both to run');
  const status = { phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: memory.' };
  await patch('taken', { status }, 'status');
  // A finalizer keeps it after its kubelet has ended it.
  await patch('kept', { metadata: { finalizers: ['test.polyanthus.dev/kept'] } });
  await client.delete(server.ctx, pods, at('kept'));
  await clock.until(async () => (await phases('kept'))[0] === 'Succeeded', 'the pod to end');
  await clock.advance(30_000);
  // Another simulation knows no more than what is written: containers that restart always, and have ended.
  await stop();
  simulate();
  await clock.advance(30_000);
  expect((await get('taken')).status).toMatchObject(status);
  expect(await phases('kept')).toEqual(['Succeeded']);
  await client.delete(server.ctx, pods, at('taken'));
  await patch('kept', { metadata: { finalizers: null } });
  await clock.until(async () => (await client.list(server.ctx, pods)).items.length === 0, 'both to be gone');
});
