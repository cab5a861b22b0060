/** Maintenance carried out on a copy with simulated nodes: slow beside the planner, and what checks it. */
import { sleep, withCancel, type Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { Random } from '@polyanthus/ground-base/random';
import { drainNode, setUnschedulable } from '@polyanthus/engine-drain/drain';
import type { DrainRules } from '@polyanthus/engine-drain/filters';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { pods, type Pod } from '@polyanthus/kube-kinds/core';
import { isServing } from '@polyanthus/kube-kinds/ready';
import { isStatus } from '@polyanthus/kube-objects/status';
import { createInformer, type Informer } from '@polyanthus/kube-runtime/informer';
import { controllerOf } from './model/objects.ts';

/** What is carried out. */
export interface ReplayOptions {
  readonly client: KubeClient;
  readonly random: Random;
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
export async function replayMaintenance(outer: Context, options: ReplayOptions): Promise<Replayed> {
  const { ctx, cancel } = withCancel(outer);
  // Followed, not listed: every lane looks every second, and a list of a large cluster is megabytes.
  const cache = createInformer<Pod>(options.client, pods, { random: options.random });
  cache.start(ctx);
  try {
    await cache.synced;
    return await maintainAll(ctx, options, cache);
  } finally {
    cancel();
    await cache.stopped;
  }
}

async function maintainAll(ctx: Context, options: ReplayOptions, cache: Informer<Pod>): Promise<Replayed> {
  const waiting = [...options.nodes];
  const blockedBy = new Set<string>();
  const ready = readyCountsOf(ctx, cache);
  let evictions = 0;
  const work = async (): Promise<void> => {
    for (let node = waiting.shift(); node !== undefined; node = waiting.shift()) {
      const evicted = await maintain(ctx, { ...options, ready }, node, blockedBy);
      evictions += evicted;
    }
  };
  await Promise.all(Array.from({ length: Math.min(options.window, waiting.length) }, work));
  return { evictions, blockedBy: [...blockedBy].toSorted() };
}

type ReadyCounts = () => ReadonlyMap<string, number>;

async function maintain(
  ctx: Context,
  options: ReplayOptions & { readonly ready: ReadyCounts },
  node: string,
  blockedBy: Set<string>,
): Promise<number> {
  const { client, rules, timeoutMs, ready } = options;
  const readyBefore = ready();
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
  while (ctx.clock.monotonic() < endMs && !areBack(readyBefore, ready())) await sleep(ctx, lookMs);
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

function areBack(before: ReadonlyMap<string, number>, now: ReadonlyMap<string, number>): boolean {
  return [...before].every(([uid, count]) => (now.get(uid) ?? 0) >= count);
}

/** One count for all lanes that look within a second: they go on together, and none waits for what the next one takes. */
function readyCountsOf({ clock }: Context, cache: Informer<Pod>): ReadyCounts {
  let last: { readonly atMs: number; readonly counts: ReadonlyMap<string, number> } | undefined;
  return () => {
    const nowMs = clock.monotonic();
    if (last === undefined || nowMs - last.atMs >= lookMs) last = { atMs: nowMs, counts: readyCounts(cache) };
    return last.counts;
  };
}

/** Ready pods by controller. */
function readyCounts(cache: Informer<Pod>): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const pod of cache.list()) {
    const uid = controllerOf(pod)?.uid;
    if (uid !== undefined && isServing(pod)) counts.set(uid, (counts.get(uid) ?? 0) + 1);
  }
  return counts;
}
