/**
 * 50 random clusters on twin embedded servers. One has the real controller-manager's disruption controller and is drained
 * by the real kubectl; the other has ours and is drained by this room: the same counts of budgets, the same pods gone and
 * kept, the same words. The clusters share a server and differ by names, so that one controller-manager serves all.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { background, withCancel, type Context } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { serve } from '@polyanthus/ground-http/node-server';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import { startControllers } from '@polyanthus/kube-controllers/start';
import { pods } from '@polyanthus/kube-kinds/core';
import { podDisruptionBudgets, type DisruptionStatus } from '@polyanthus/kube-kinds/disruption';
import { createTestClock, type TestClock } from '@polyanthus/kube-runtime/testing';
import { administrator, startTestCluster } from '@polyanthus/kube-server/testing';
import { binary, whyNotReal } from '../../../lab/src/parts.ts';
import { drainNode, judgeNode, setUnschedulable } from './drain.ts';
import { refusalText, warningText } from './filters.ts';
import { budgetsOfPod, createFrame, createPods, randomCluster, type RandomCluster } from './testing.ts';

const why = whyNotReal(['kubectl', '1.37.2'], ['kube-controller-manager', '1.37.2']);
const clusterCount = 50;
/** kubectl sleeps 5 s where a budget says no: most of a drain's time is no work. */
const drainsAtOnce = 10;
const waitMs = 60_000;

interface Side {
  readonly ctx: Context;
  readonly client: KubeClient;
  close(): Promise<void>;
}

/** Ours: in this process, by virtual clock. */
async function startOurs(): Promise<Side & { readonly clock: TestClock }> {
  const clock = createTestClock();
  const cluster = await startTestCluster({ clock });
  const { ctx, cancel } = withCancel(background({ clock }));
  const client = createClient(cluster.transport);
  const controllers = startControllers(ctx, { client, random: systemRandom, names: ['disruption-controller'] });
  return {
    clock,
    ctx,
    client,
    close: async () => {
      cancel();
      await controllers.stopped;
      await cluster.close();
    },
  };
}

/** Theirs: the same server on a port, with kube-controller-manager. */
async function startTheirs(): Promise<Side & { readonly kubeconfig: string }> {
  const cluster = await startTestCluster();
  const ctx = background();
  const server = await serve(ctx, {
    handler: cluster.cluster.handlerAs(administrator),
    listen: { host: '127.0.0.1', port: 0 },
  });
  const folder = await mkdtemp(join(tmpdir(), 'polyanthus-drain-'));
  const kubeconfig = join(folder, 'kubeconfig');
  await writeFile(
    kubeconfig,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'c',
      clusters: [{ name: 'c', cluster: { server: `http://${server.address}` } }],
      users: [{ name: 'c', user: {} }],
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'c' } }],
    }),
  );
  const manager = startManager(kubeconfig);
  return {
    ctx,
    client: createClient(cluster.transport),
    kubeconfig,
    close: async () => {
      const ended = once(manager, 'exit');
      manager.kill('SIGKILL');
      await ended;
      await server.close(0);
      await cluster.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function startManager(kubeconfig: string): ChildProcess {
  const args = [
    'KILL',
    binary('kube-controller-manager', '1.37.2') ?? '',
    `--kubeconfig=${kubeconfig}`,
    '--controllers=disruption',
    '--kube-api-content-type=application/json',
    '--leader-elect=false',
    '--secure-port=0',
    '--kube-api-qps=500',
    '--kube-api-burst=500',
  ];
  return spawn('setpriv', ['--pdeathsig', ...args], { stdio: 'ignore' });
}

/**
 * What a budget says, without times; of a failed count only that it failed and why. Not of budgets that share a pod: of
 * those kube-controller-manager counts one, by chance, when the pod changes, and ours all.
 */
async function budgetNumbers({ ctx, client }: Side, cluster: RandomCluster): Promise<Record<string, unknown>> {
  const told: Record<string, unknown> = {};
  for (const namespace of cluster.namespaces)
    for (const { metadata, status } of (await client.list(ctx, podDisruptionBudgets, { namespace })).items)
      if (!sharesPods(cluster, namespace, metadata.name ?? ''))
        told[`${namespace}/${metadata.name ?? ''}`] = comparable(status);
  return told;
}

function sharesPods(cluster: RandomCluster, namespace: string, name: string): boolean {
  return cluster.pods.some((pod) => {
    const budgets = budgetsOfPod(cluster, pod);
    return pod.namespace === namespace && budgets.length > 1 && budgets.includes(name);
  });
}

function comparable(status: DisruptionStatus | undefined): unknown {
  const conditions = status?.conditions?.map(
    ({ lastTransitionTime: _time, observedGeneration: _seen, ...rest }) => rest,
  );
  const failed = conditions?.some(({ reason }) => reason === 'SyncFailed') === true;
  return failed ? { allowed: status?.disruptionsAllowed, conditions } : { ...status, conditions };
}

/** How many pods of each sort are on the drained node: which of several equal ones a budget let go is chance. */
async function podSorts({ ctx, client }: Side, cluster: RandomCluster): Promise<Record<string, number>> {
  const left = await client.list(ctx, pods, { fieldSelector: `spec.nodeName=${cluster.nodes[0] ?? ''}` });
  const names = new Set(left.items.map(({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name ?? ''}`));
  const sorts: Record<string, number> = {};
  for (const pod of cluster.pods.filter(({ namespace, name }) => names.has(`${namespace}/${name}`))) {
    const sort = sortOf(cluster, `${pod.namespace}/${pod.name}`);
    sorts[sort] = (sorts[sort] ?? 0) + 1;
  }
  return sorts;
}

function sortOf(cluster: RandomCluster, podName: string): string {
  const pod = cluster.pods.find(({ namespace, name }) => podName === `${namespace}/${name}`);
  if (pod === undefined) throw new Error(`no pod ${podName}`);
  const stays = ['daemon', 'gone', 'mirror'].includes(pod.owner) ? `, of ${pod.owner}` : '';
  return `${pod.namespace}: ${pod.state} under ${budgetsOfPod(cluster, pod).join('+') || 'no budget'}${stays}`;
}

/** What a drain said and left, in the end. */
interface Outcome {
  /** `cannot delete …`, each reason. */
  readonly refusals: readonly string[];
  readonly warnings: readonly string[];
  /** The server's words for each sort of pod that it did not let go. */
  readonly blocked: readonly string[];
  readonly left: Record<string, number>;
}

const sorted = (texts: Iterable<string>): readonly string[] => [...new Set(texts)].toSorted();
const count = (sorts: Record<string, number>): number => Object.values(sorts).reduce((sum, one) => sum + one, 0);

/** Drains until a drain changes nothing more: what a budget has to spare may come back in several turns. */
async function untilStill(side: Side, cluster: RandomCluster, drain: () => Promise<Outcome>): Promise<Outcome> {
  let first: Outcome | undefined;
  for (let before = await podSorts(side, cluster); ;) {
    const outcome = await drain();
    first ??= outcome;
    if (count(outcome.left) === count(before) || outcome.blocked.length === 0)
      return { ...outcome, warnings: first.warnings, refusals: first.refusals };
    before = outcome.left;
  }
}

async function drainByKubectl(side: Side & { readonly kubeconfig: string }, cluster: RandomCluster): Promise<Outcome> {
  const { rules, nodes } = cluster;
  const child = spawn(
    binary('kubectl', '1.37.2') ?? '',
    [
      'drain',
      nodes[0] ?? '',
      '--timeout=2s',
      ...(rules.force ? ['--force'] : []),
      ...(rules.ignoreDaemonSets ? ['--ignore-daemonsets'] : []),
      ...(rules.deleteEmptyDirData ? ['--delete-emptydir-data'] : []),
    ],
    { env: { KUBECONFIG: side.kubeconfig, HOME: join(side.kubeconfig, '..') }, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let text = '';
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await once(child, 'close');
  const refused =
    /^error: unable to drain node "[^"]+" due to error: \[?(cannot delete .*?)\]?, continuing command/m.exec(text);
  const warned = /^Warning: (.*)$/m.exec(text);
  const blocked = [
    ...text.matchAll(
      /error when evicting pods\/"([^"]+)" -n "([^"]+)"(?: \(will retry after 5s\))?: ([^\n]*?)(?=, error when|[\]\n]|, continuing|$)/g,
    ),
  ]
    .filter(([, , , words = '']) => !words.startsWith('global timeout'))
    .map(([, name = '', namespace = '', words = '']) => `${sortOf(cluster, `${namespace}/${name}`)}: ${words}`);
  return {
    refusals: sorted((refused?.[1] ?? '').split(/, (?=cannot delete )/).filter((one) => one !== '')),
    warnings: sorted((warned?.[1] ?? '').split('; ').filter((one) => one !== '')),
    blocked: sorted(blocked),
    left: await podSorts(side, cluster),
  };
}

/** kubectl leaves out which budget it was. */
const asKubectl = (words = ''): string => words.replace(/ The disruption budget .*$/, '');

async function drainByUs(side: Side & { readonly clock: TestClock }, cluster: RandomCluster): Promise<Outcome> {
  const { ctx, client, clock } = side;
  const node = cluster.nodes[0] ?? '';
  const blocked: string[] = [];
  await setUnschedulable(ctx, client, node, true);
  const verdicts = await judgeNode(ctx, client, node, cluster.rules);
  let ended = false;
  const draining = drainNode(ctx, {
    client,
    node,
    rules: cluster.rules,
    timeoutMs: 2000,
    retryMs: 5000,
    onEvent: ({ kind, pod, message }) => {
      if (kind === 'blocked' || kind === 'refused') blocked.push(`${sortOf(cluster, pod)}: ${asKubectl(message)}`);
    },
  })
    .catch(() => undefined)
    .finally(() => (ended = true));
  await clock.until(() => ended, 'the drain');
  await draining;
  return {
    refusals: sorted(
      refusalText(verdicts)
        .split(/; (?=cannot delete )/)
        .filter((one) => one !== ''),
    ),
    warnings: sorted(
      warningText(verdicts)
        .split('; ')
        .filter((one) => one !== ''),
    ),
    blocked: sorted(blocked),
    left: await podSorts(side, cluster),
  };
}

describe.skipIf(why !== undefined)(
  `kubectl drain and the controller-manager${why === undefined ? '' : ` (${why})`}`,
  () => {
    const clusters = Array.from({ length: clusterCount }, (_, index) => randomCluster(1000 + index));
    let ours: Awaited<ReturnType<typeof startOurs>>;
    let theirs: Awaited<ReturnType<typeof startTheirs>>;

    beforeAll(async () => {
      [ours, theirs] = await Promise.all([startOurs(), startTheirs()]);
      for (const side of [ours, theirs]) {
        const frames = new Map<string, Awaited<ReturnType<typeof createFrame>>>();
        for (const cluster of clusters) frames.set(cluster.id, await createFrame(side.ctx, side.client, cluster));
        const counted = async (): Promise<boolean> =>
          (await side.client.list(side.ctx, podDisruptionBudgets)).items.every(
            ({ status }) => status?.observedGeneration === 1,
          );
        await (side === ours ? ours.clock.until(counted, 'our counts') : untilTrue(counted, 'counts'));
        for (const cluster of clusters)
          await createPods(side.ctx, side.client, cluster, frames.get(cluster.id) ?? new Map());
      }
      await ours.clock.advance(10_000);
    });
    afterAll(async () => {
      await Promise.all([ours.close(), theirs.close()]);
    });

    async function untilTrue(condition: () => Promise<boolean>, what: string): Promise<void> {
      for (const endMs = performance.now() + waitMs; !(await condition()); await delay(100))
        if (performance.now() > endMs) throw new Error(`waited ${waitMs} ms in vain for ${what}`);
    }

    /** Waits until both say the same, and shows the difference if they never do; how many budgets that were. */
    async function sameNumbers(cluster: RandomCluster): Promise<number> {
      const mine = await budgetNumbers(ours, cluster);
      const text = JSON.stringify(sortKeys(mine));
      await untilTrue(
        async () => JSON.stringify(sortKeys(await budgetNumbers(theirs, cluster))) === text,
        cluster.id,
      ).catch(() => undefined);
      expect(await budgetNumbers(theirs, cluster)).toEqual(mine);
      return Object.keys(mine).length;
    }

    it('count every budget alike', async () => {
      for (const cluster of clusters) await sameNumbers(cluster);
    });

    it('let the same pods go, keep the same, and say the same', async () => {
      const queue = [...clusters];
      const pairs: { readonly cluster: RandomCluster; readonly kubectl: Outcome }[] = [];
      const work = async (): Promise<void> => {
        for (let cluster = queue.shift(); cluster !== undefined; cluster = queue.shift()) {
          const one = cluster;
          pairs.push({ cluster: one, kubectl: await untilStill(theirs, one, () => drainByKubectl(theirs, one)) });
        }
      };
      await Promise.all(Array.from({ length: drainsAtOnce }, work));
      const seen = { gone: 0, kept: 0, refused: 0, blocked: 0, severalBudgets: 0 };
      for (const { cluster, kubectl } of pairs) {
        const before = await podSorts(ours, cluster);
        const mine = await untilStill(ours, cluster, () => drainByUs(ours, cluster));
        const told = (one: Outcome): object => ({ id: cluster.id, refusals: one.refusals, left: one.left });
        expect(told(mine)).toEqual(told(kubectl));
        // kubectl forgets a warning when a later rule has none.
        expect(mine.warnings).toEqual(expect.arrayContaining([...kubectl.warnings]));
        expect(mine.blocked).toEqual(kubectl.blocked);
        seen.gone += count(before) - count(mine.left);
        seen.kept += count(mine.left);
        seen.refused += mine.refusals.length;
        seen.blocked += mine.blocked.length;
        seen.severalBudgets += mine.blocked.filter((one) => one.includes('more than one')).length;
      }
      for (const [what, times] of Object.entries(seen)) expect({ what, some: times > 0 }).toEqual({ what, some: true });
      await ours.clock.advance(10_000);
      for (const cluster of clusters) await sameNumbers(cluster);
    });
  },
);

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sortKeys(item)]),
  );
}
