/** The planner beside the whole thing: API server, controllers, scheduler and kubelets by virtual clock. */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { readParameters } from '@polyanthus/engine-runbook/parameters';
import { takeSnapshot } from '@polyanthus/engine-sandbox/snapshot';
import { background, withCancel } from '@polyanthus/ground-base/context';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import { startControllers } from '@polyanthus/kube-controllers/start';
import { deployments, nodes, pods, serviceAccounts, type Pod } from '@polyanthus/kube-kinds/core';
import { podDisruptionBudgets } from '@polyanthus/kube-kinds/disruption';
import { isServing } from '@polyanthus/kube-kinds/ready';
import { createTestClock, type TestClock } from '@polyanthus/kube-runtime/testing';
import { startTestCluster } from '@polyanthus/kube-server/testing';
import { startSimulation } from '@polyanthus/kube-sim/simulation';
import { rehearse } from './rehearse.ts';
import { replayMaintenance } from './replay.ts';
import { maintenance } from './testing.ts';
import { LearntTimes } from './times.ts';

interface App {
  readonly replicas: number;
  /** Its pods never become ready. */
  readonly broken: boolean;
  readonly budget: undefined | { readonly minAvailable: number } | { readonly maxUnavailable: number | string };
}

interface Small {
  readonly nodes: number;
  /** Pods of 1 CPU that fit on a node. */
  readonly room: number;
  readonly apps: readonly App[];
  /** Whether every node is drained, one after the other; else the first. */
  readonly all: boolean;
}

const app: fc.Arbitrary<App> = fc.record({
  replicas: fc.integer({ min: 1, max: 4 }),
  broken: fc.integer({ min: 0, max: 4 }).map((value) => value === 0),
  budget: fc.oneof(
    fc.constant(undefined),
    fc.record({ minAvailable: fc.integer({ min: 0, max: 4 }) }),
    fc.record({ maxUnavailable: fc.constantFrom(0, 1, 2, '0%', '34%', '100%') }),
  ),
});
/** With room for everything while a node is away: where pods go then does not matter. Or tight, and one node only. */
const small: fc.Arbitrary<Small> = fc
  .record({
    nodes: fc.integer({ min: 2, max: 4 }),
    slack: fc.integer({ min: 0, max: 2 }),
    apps: fc.array(app, { minLength: 1, maxLength: 3 }),
    all: fc.boolean(),
  })
  .map(({ nodes: count, slack, apps, all }) => {
    const wanted = apps.reduce((sum, one) => sum + one.replicas, 0);
    const room = all ? wanted : Math.ceil(wanted / count) + slack;
    return { nodes: count, room, apps, all };
  });

const drainTimeoutMs = 60_000;
const at = { namespace: 'default' };

async function createApps(ctx: ReturnType<typeof background>, client: KubeClient, apps: readonly App[]): Promise<void> {
  for (const [index, { replicas, broken, budget }] of apps.entries()) {
    const labels = { app: `a${index}`, state: broken ? 'broken' : 'well' };
    const container = { name: 'c', image: 'i', resources: { requests: { cpu: '1' } } };
    const template = { metadata: { labels }, spec: { containers: [container], terminationGracePeriodSeconds: 1 } };
    await client.create(ctx, deployments, {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { ...at, name: `a${index}` },
      spec: { replicas, selector: { matchLabels: labels }, template },
    });
    if (budget === undefined) continue;
    await client.create(ctx, podDisruptionBudgets, {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { ...at, name: `b${index}` },
      spec: { ...budget, selector: { matchLabels: labels } },
    });
  }
}

/** What both have to agree on. */
interface Outcome {
  readonly blockedBy: readonly string[];
  /** By app: how many of its pods have no node in the end. */
  readonly pending: Readonly<Record<string, number>>;
  readonly ready: Readonly<Record<string, number>>;
}

function counted(found: readonly Pod[], of: (pod: Pod) => boolean): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const pod of found) {
    const name = pod.metadata.labels?.['app'] ?? '';
    counts[name] = (counts[name] ?? 0) + (of(pod) ? 1 : 0);
  }
  return counts;
}

async function settled(clock: TestClock, promise: Promise<unknown>): Promise<void> {
  let done = false;
  const end = (): void => void (done = true);
  promise.then(end, end);
  await clock.until(() => done, 'the replay', 24 * 3_600_000);
}

async function bothWays(world: Small): Promise<{ readonly planned: Outcome; readonly replayed: Outcome }> {
  const clock = createTestClock();
  const cluster = await startTestCluster({ clock, random: createSeededRandom(1) });
  const { ctx, cancel } = withCancel(background({ clock }));
  const client = createClient(cluster.transport);
  const random = createSeededRandom(2);
  const controllers = startControllers(ctx, { client, random });
  const names = Array.from({ length: world.nodes }, (_, index) => `n${index}`);
  const behaviours = [
    { match: { labels: { state: 'broken' } }, readyDelayMs: 'never' as const },
    { startDelayMs: 2000, readyDelayMs: 3000, shutdownMs: 1000 },
  ];
  const capacity = { cpu: String(world.room), memory: '8Gi', pods: '50' };
  const simulation = startSimulation(ctx, {
    client,
    random,
    nodes: names.map((name) => ({ name, capacity })),
    behaviours,
  });
  try {
    const usable = async () =>
      (await client.list(ctx, nodes)).items.filter((node) => (node.spec?.taints ?? []).length === 0);
    await clock.until(async () => (await usable()).length === names.length, 'the nodes');
    await clock.until(async () => (await client.list(ctx, serviceAccounts, at)).items.length > 0, 'the account');
    await createApps(ctx, client, world.apps);
    await clock.advance(30_000);
    const snapshot = await takeSnapshot(ctx, client, { source: 'small' });
    const drained = world.all ? names : names.slice(0, 1);
    const live = (await client.list(ctx, nodes)).items;
    const targets = drained.map((name) => ({
      apiVersion: 'v1',
      kind: 'Node',
      resource: 'nodes',
      name,
      uid: live.find((node) => node.metadata.name === name)?.metadata.uid ?? '',
    }));
    // Two attempts of half the time are one of all of it.
    const given = { nodes: drained, drainTimeout: drainTimeoutMs / 2 + 10_000 };
    const parameters = readParameters('node-maintenance', maintenance.parameters, given);
    const madeAt = snapshot.takenAt;
    const { prediction, pods: placed } = rehearse({
      snapshot,
      runbook: maintenance,
      parameters,
      targets,
      times: new LearntTimes(),
      madeAt,
    });
    const blockedBy = prediction.findings
      .filter(({ code }) => code === 'BudgetBlocks' || code === 'BudgetTooSlow')
      .map(({ object }) => object.name)
      .toSorted();
    const rules = {
      force: false,
      ignoreDaemonSets: true,
      deleteEmptyDirData: false,
      skipWaitForDeleteTimeoutSeconds: 0,
    };
    const replaying = replayMaintenance(ctx, {
      client,
      random,
      nodes: drained,
      window: 1,
      rules,
      timeoutMs: drainTimeoutMs,
      backMs: 60_000,
    });
    await settled(clock, replaying);
    const replayed = await replaying;
    await clock.advance(10_000);
    const found = (await client.list(ctx, pods, at)).items;
    const states = new Map(placed.map((pod) => [pod.key, pod]));
    const byApp = (of: (key: string) => boolean): Readonly<Record<string, number>> => {
      const counts: Record<string, number> = {};
      for (const [key, pod] of states) {
        const name = pod.object.metadata.labels?.['app'] ?? '';
        counts[name] = (counts[name] ?? 0) + (of(key) ? 1 : 0);
      }
      return counts;
    };
    return {
      planned: {
        blockedBy,
        pending: byApp((key) => states.get(key)?.node === undefined),
        ready: byApp((key) => states.get(key)?.ready === true),
      },
      replayed: {
        blockedBy: replayed.blockedBy,
        pending: counted(found, (pod) => (pod.spec.nodeName ?? '') === ''),
        ready: counted(found, isServing),
      },
    };
  } finally {
    cancel();
    await Promise.all([controllers.stopped, simulation.stopped]);
    await cluster.close();
  }
}

// A fixed seed: other seeds are for long runs, this one must never surprise whoever lands something else.
it('agrees with a full replay on random small clusters: which budgets block, who is placed, who is ready', async () => {
  await fc.assert(
    fc.asyncProperty(small, async (world) => {
      const { planned, replayed } = await bothWays(world);
      expect(planned).toEqual(replayed);
    }),
    { numRuns: 4, seed: 20_260_102 },
  );
}, 120_000);
