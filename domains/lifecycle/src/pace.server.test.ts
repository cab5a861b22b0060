/** How long a maintenance waits, and for what: by virtual clock. A kubelet renews its Lease every 10 s. */
import { readRun, reportOf, type ReportedStep } from '@polyanthus/engine-runbook/report';
import { requestOf } from '@polyanthus/engine-runbook/requests';
import { settled, startRun, testNamespace } from '@polyanthus/engine-runbook/testing';
import { leases } from '@polyanthus/kube-kinds/core';
import { runs, type Run } from '@polyanthus/kube-kinds/own/runbook';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { nodeMaintenance } from './node-maintenance.ts';
import { startMaintainedCluster, type MaintainedCluster } from './testing.ts';

let cluster: MaintainedCluster;
beforeEach(async () => {
  cluster = await startMaintainedCluster({ nodes: ['n1', 'n2', 'n3', 'n4'], replicas: 8, minAvailable: 4 });
});
afterEach(() => cluster.close());

const key = { namespace: testNamespace, name: 'r1' };
const start = (parameters: Readonly<Record<string, unknown>>): Promise<Run> =>
  startRun(cluster.world, nodeMaintenance, parameters);
const steps = async (step: string): Promise<readonly ReportedStep[]> => {
  const { run, steps: found } = await readRun(cluster.world.ctx, cluster.world.client, key);
  return reportOf(run, found).steps.filter((one) => one.step === step);
};
const read = (): Promise<Run> => cluster.world.client.get(cluster.world.ctx, runs, key);
const atMs = (time: string | undefined): number => Date.parse(time ?? '');
const renewedMs = async (node: string): Promise<number> => {
  const at = { namespace: 'kube-node-lease', name: node };
  return atMs((await cluster.world.client.get(cluster.world.ctx, leases, at)).spec?.renewTime);
};

it('waits for no heartbeat of a kubelet that has just ended the pods, and for no longer than the pods take', async () => {
  const { clock } = cluster.world;
  await start({ nodes: ['n1', 'n2', 'n3', 'n4'] });
  const run = await settled(clock, cluster.execute('a').ended);
  expect(run.status?.phase).toBe('Succeeded');
  for (const { evidence } of await steps('ready')) expect(evidence).toMatch(/its kubelet has ended pod work\/web-/);
  const took = atMs(run.status?.endedAt) - atMs(run.status?.startedAt);
  // Pods end after 1 s, start in 2 s and are ready 3 s later: 5 s a node, where a heartbeat alone would be 10.
  expect(took).toBeGreaterThanOrEqual(4 * 5000);
  expect(took).toBeLessThan(4 * 7000);
  const [drained] = await steps('drain');
  expect(drained?.durationMs).toBeLessThan(2000);
});

it('waits for a heartbeat after an approval, although the kubelet has ended the pods', async () => {
  const { clock } = cluster.world;
  await start({ nodes: ['n1'], approve: true });
  const running = cluster.execute('a');
  await clock.until(async () => (await read()).status?.phase === 'Waiting', 'it to wait');
  const before = await renewedMs('n1');
  await requestOf(cluster.world.ctx, cluster.world.client, key, { kind: 'approve', steps: ['handover'] });
  expect((await settled(clock, running.ended)).status?.phase).toBe('Succeeded');
  const [handover] = await steps('handover');
  const [ready] = await steps('ready');
  const heartbeat = /heartbeat (\S+)/.exec(ready?.evidence ?? '')?.[1];
  expect(atMs(heartbeat)).toBeGreaterThan(before);
  expect(atMs(heartbeat)).toBeGreaterThan(atMs(handover?.provenAt));
});

it('waits for a heartbeat where the node had no pod to end', async () => {
  const { clock } = cluster.world;
  await start({ nodes: ['n1'] });
  expect((await settled(clock, cluster.execute('a').ended)).status?.phase).toBe('Succeeded');
  // Its pods are elsewhere now.
  await startRun(cluster.world, nodeMaintenance, { nodes: ['n1'] }, {}, 'r2');
  const again = await settled(clock, cluster.execute('a', {}, { run: 'r2' }).ended);
  expect(again.status?.phase).toBe('Succeeded');
  const at = { namespace: testNamespace, name: 'r2' };
  const { run, steps: found } = await readRun(cluster.world.ctx, cluster.world.client, at);
  const reported = reportOf(run, found).steps;
  const cordon = reported.find((one) => one.step === 'cordon');
  const heartbeat = /heartbeat (\S+)/.exec(reported.find((one) => one.step === 'ready')?.evidence ?? '')?.[1];
  expect(atMs(heartbeat)).toBeGreaterThan(atMs(cordon?.intentAt));
});

it('takes the word of a kubelet from the very executor that heard it alone', async () => {
  const { clock } = cluster.world;
  await start({ nodes: ['n1', 'n2'], window: 2 });
  const victim = cluster.execute('victim', {
    when: ({ method, url, body }) =>
      method === 'PATCH' &&
      url.includes('/nodes/n1') &&
      Buffer.from((body as Uint8Array | null) ?? [])
        .toString()
        .includes('null'),
    how: 'before',
  });
  await clock.until(victim.struck, 'the uncordon of n1');
  victim.bury();
  cluster.simulation.stopNode('n1');
  const running = cluster.execute('heir');
  const run = await settled(clock, running.ended);
  expect(run.status?.phase).toBe('Failed');
  expect(run.status?.message).toContain('step ready/n1 is not proven: no heartbeat since');
});

it('does not believe what was heard before a long pause', async () => {
  const { clock } = cluster.world;
  await start({ nodes: ['n1'] });
  const ask = (kind: 'pause' | 'resume') => requestOf(cluster.world.ctx, cluster.world.client, key, { kind });
  let asked = false;
  const running = cluster.execute(
    'a',
    {},
    {
      tap: async ({ url }) => {
        if (!asked && url.includes('/eviction')) {
          asked = true;
          await ask('pause');
        }
        return undefined;
      },
    },
  );
  await clock.until(async () => (await read()).status?.phase === 'Paused', 'the pause');
  cluster.simulation.stopNode('n1');
  await clock.advance(41_000);
  await ask('resume');
  const run = await settled(clock, running.ended);
  expect(run.status?.phase).toBe('Failed');
  expect(run.status?.message).toContain('step ready/n1 is not proven: no heartbeat since');
});
