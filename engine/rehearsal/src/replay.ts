/** Maintenance carried out on a copy with simulated nodes: slow beside the planner, and what checks it. */
import { sleep, type Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { drainNode, setUnschedulable } from '@polyanthus/engine-drain/drain';
import type { DrainRules } from '@polyanthus/engine-drain/filters';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { pods, type Pod } from '@polyanthus/kube-kinds/core';
import { isStatus } from '@polyanthus/kube-objects/status';
import { controllerOf } from './model/objects.ts';
import { isReady } from './model/pod.ts';

/** What is carried out. */
export interface ReplayOptions {
  readonly client: KubeClient;
  readonly nodes: readonly string[];
  /** Nodes at once. */
  readonly window: number;
  readonly rules: DrainRules;
  /** How long budgets may keep a node. */
  readonly timeoutMs: number;
  /** How long successors may take before the next node is begun. */
  readonly backMs: number;
}

/** What happened. */
export interface Replayed {
  readonly evictions: number;
  /** Budgets that kept a drain until it gave up: what the API server named, sorted. */
  readonly blockedBy: readonly string[];
}

const lookMs = 1000;
const triesMax = 20;

/** Cordons, drains, takes back, waits for the pods: a window of nodes slides. A drain that is blocked is given up. */
export async function replayMaintenance(ctx: Context, options: ReplayOptions): Promise<Replayed> {
  const waiting = [...options.nodes];
  const blockedBy = new Set<string>();
  let evictions = 0;
  const work = async (): Promise<void> => {
    for (let node = waiting.shift(); node !== undefined; node = waiting.shift())
      evictions += await maintain(ctx, options, node, blockedBy);
  };
  await Promise.all(Array.from({ length: Math.min(options.window, waiting.length) }, work));
  return { evictions, blockedBy: [...blockedBy].toSorted() };
}

async function maintain(ctx: Context, options: ReplayOptions, node: string, blockedBy: Set<string>): Promise<number> {
  const { client, rules, timeoutMs } = options;
  const readyBefore = await readyCounts(ctx, client);
  await cordon(ctx, client, node, true);
  const gone = new Set<string>();
  const refused = new Map<string, string>();
  try {
    await drainNode(ctx, {
      client,
      node,
      rules,
      timeoutMs,
      retryMs: 5000,
      onEvent: ({ kind, pod, message = '' }) => {
        if (kind === 'blocked') refused.set(pod, message);
        if (kind !== 'gone') return;
        gone.add(pod);
        refused.delete(pod);
      },
    });
  } catch (error) {
    if (!hasCode(error, 'DrainBlocked')) throw error;
    for (const message of refused.values()) blockedBy.add(/disruption budget (\S+)/.exec(message)?.[1] ?? message);
  }
  await cordon(ctx, client, node, false);
  const endMs = ctx.clock.monotonic() + options.backMs;
  while (ctx.clock.monotonic() < endMs && !(await areBack(ctx, client, readyBefore))) await sleep(ctx, lookMs);
  return gone.size;
}

/** Kubelets write to the node too: what lost the race is done again. */
async function cordon(ctx: Context, client: KubeClient, node: string, wanted: boolean): Promise<void> {
  for (let left = triesMax; ; left--) {
    try {
      await setUnschedulable(ctx, client, node, wanted);
      return;
    } catch (error) {
      if (left === 0 || !isStatus(error, 'Conflict')) throw error;
    }
  }
}

async function areBack(ctx: Context, client: KubeClient, before: ReadonlyMap<string, number>): Promise<boolean> {
  const now = await readyCounts(ctx, client);
  return [...before].every(([uid, count]) => (now.get(uid) ?? 0) >= count);
}

/** Ready pods by controller. */
async function readyCounts(ctx: Context, client: KubeClient): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (const pod of (await client.listAll<Pod>(ctx, pods)).items) {
    const uid = controllerOf(pod)?.uid;
    if (uid !== undefined && isReady(pod)) counts.set(uid, (counts.get(uid) ?? 0) + 1);
  }
  return counts;
}
