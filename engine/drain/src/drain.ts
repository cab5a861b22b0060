/**
 * Draining a node by the eviction API: budgets are the owners' choice, so a 429 is waited for, never worked around. Every
 * eviction names the pod's uid, so that a successor of the same name is never hit.
 */
import { throwIfCancelled, type Context } from '@polyanthus/ground-base/context';
import type { DeleteOptions, KubeClient } from '@polyanthus/kube-client/client';
import { unlessGone } from '@polyanthus/kube-client/gone';
import { nodes, pods, type Node, type Pod } from '@polyanthus/kube-kinds/core';
import type { KubeList, KubeObject } from '@polyanthus/kube-objects/meta';
import { resourceType } from '@polyanthus/kube-objects/resource';
import { isStatus, StatusError } from '@polyanthus/kube-objects/status';
import { BudgetBells } from './budget-bells.ts';
import { drainErrors } from './errors.ts';
import { judgePods, refusalText, type DrainRules, type PodVerdict } from './filters.ts';
import { PodEndings, type KubeletWord } from './pod-endings.ts';

/** What is asked for. */
export interface DrainOptions {
  readonly client: KubeClient;
  readonly node: string;
  readonly rules: DrainRules;
  /** Absent: every pod's own. */
  readonly gracePeriodSeconds?: number;
  /** Over everything; then DrainBlocked. Infinity waits for ever. */
  readonly timeoutMs: number;
  /** Between two tries of a pod whose budget said no, unless the budget allows it sooner; kubectl's is 5 s. */
  readonly retryMs: number;
  /** Asked after each refusal: whether to overrule the budget by deleting the pod. Absent: never. */
  readonly overrule?: (ctx: Context, refused: RefusedPod) => Promise<boolean>;
  /** Once, as soon as no eviction is left to be asked for, and before the last pods have ended: what is missing is missing now. */
  readonly onAllEvicted?: (ctx: Context) => Promise<void>;
  readonly onEvent?: (event: DrainEvent) => void;
}

/** A pod that may not be evicted now. */
export interface RefusedPod {
  readonly pod: string;
  readonly uid: string;
  /** The API server's words: they name the budget. */
  readonly refusal: string;
  /** Since its first eviction was tried. */
  readonly waitedMs: number;
}

/** What happened to a pod, as it happens. */
export interface DrainEvent {
  readonly kind: 'evicting' | 'evicted' | 'blocked' | 'overruled' | 'refused' | 'gone';
  readonly pod: string;
  /** The API server's words: for `blocked` with the budget's name, for `refused` why it never will. */
  readonly message?: string;
}

/** What a drain did. */
export interface DrainResult {
  readonly evicted: readonly string[];
  readonly kept: readonly PodVerdict[];
  /** How often budgets said no. */
  readonly blockedTimes: number;
  /** Absent: no pod ran, or its end could not be followed. */
  readonly word?: KubeletWord;
}

const daemonSets = resourceType('apps', 'v1', 'daemonsets', 'DaemonSet', true);
/** Between two looks whether a pod is gone: while its end would be told, and else. */
const followedMs = 5000;
const pollMs = 1000;
/** Evictions under way at once. */
const parallelMax = 32;

/** Sets or takes away `spec.unschedulable`; answers what it was before, so that it can be put back. */
export async function setUnschedulable(
  ctx: Context,
  client: KubeClient,
  node: string,
  unschedulable: boolean,
): Promise<boolean> {
  const before: Node = await client.get(ctx, nodes, { name: node });
  const was = before.spec?.unschedulable === true;
  if (was === unschedulable) return was;
  const body = {
    metadata: { uid: before.metadata.uid, resourceVersion: before.metadata.resourceVersion },
    spec: { unschedulable: unschedulable ? true : null },
  };
  await client.patch(ctx, nodes, { name: node }, { type: 'merge', body });
  return was;
}

/** The pods of a node and what the rules say of each. */
export async function judgeNode(
  ctx: Context,
  client: KubeClient,
  node: string,
  allowed: DrainRules,
): Promise<readonly PodVerdict[]> {
  return judgeList(ctx, client, await podsOf(ctx, client, node), allowed);
}

const podsOf = (ctx: Context, client: KubeClient, node: string): Promise<KubeList<Pod>> =>
  client.listAll(ctx, pods, { fieldSelector: `spec.nodeName=${node}` });

async function judgeList(
  ctx: Context,
  client: KubeClient,
  { items }: KubeList<Pod>,
  allowed: DrainRules,
): Promise<readonly PodVerdict[]> {
  const owners = new Set<string>();
  for (const pod of items) {
    const owner = pod.metadata.ownerReferences?.find((one) => one.controller === true && one.kind === 'DaemonSet');
    const key = `${pod.metadata.namespace ?? ''}/${owner?.name ?? ''}`;
    if (owner === undefined || owners.has(key)) continue;
    if (await exists(client.get(ctx, daemonSets, { namespace: pod.metadata.namespace, name: owner.name })))
      owners.add(key);
  }
  return judgePods(items, {
    allowed,
    daemonSetExists: (namespace, name) => owners.has(`${namespace}/${name}`),
    nowMs: ctx.clock.now(),
  });
}

/** What every pod of a drain shares. */
interface Drain {
  readonly options: DrainOptions;
  readonly deadlineMs: number;
  readonly endings: PodEndings;
  readonly bells: BudgetBells;
  /** Evictions that are still to be granted. */
  left: number;
}

/** Evicts everything that the rules let go and waits until it is gone. Errors: DrainRefused, EvictionRefused, DrainBlocked. */
export async function drainNode(ctx: Context, options: DrainOptions): Promise<DrainResult> {
  const { client, node, rules, timeoutMs } = options;
  const list = await podsOf(ctx, client, node);
  const verdicts = await judgeList(ctx, client, list, rules);
  const refusal = refusalText(verdicts);
  if (refusal !== '') throw drainErrors.error('DrainRefused', `node ${node}: ${refusal}`);
  const waiting = verdicts.filter((one) => one.evict).map((one) => one.pod);
  const kept = verdicts.filter((one) => !one.evict);
  if (waiting.length === 0) {
    await options.onAllEvicted?.(ctx);
    return { evicted: [], kept, blockedTimes: 0 };
  }
  const evicted = waiting.map(nameOf);
  const endings = new PodEndings(ctx, client, node, list);
  const bells = new BudgetBells(ctx, client);
  // Monotonic: a wall clock that jumps must not end the owners' budgets early.
  const drain = { options, deadlineMs: ctx.clock.monotonic() + timeoutMs, endings, bells, left: waiting.length };
  try {
    const blockedTimes = await evictAll(ctx, drain, waiting);
    return { evicted, kept, blockedTimes, ...(endings.word === undefined ? {} : { word: endings.word }) };
  } finally {
    endings.stop();
    bells.stop();
  }
}

/** Answers how often budgets said no. */
async function evictAll(ctx: Context, drain: Drain, waiting: Pod[]): Promise<number> {
  let blockedTimes = 0;
  const work = async (): Promise<void> => {
    for (let pod = waiting.shift(); pod !== undefined; pod = waiting.shift()) {
      // Not in one expression: what others add meanwhile would be lost.
      const times = await evictAndWait(ctx, drain, pod);
      blockedTimes += times;
    }
  };
  // To the end of every one of them: nothing is evicted any more once a drain is said to have failed.
  const ends = await Promise.allSettled(Array.from({ length: Math.min(parallelMax, waiting.length) }, work));
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return blockedTimes;
}

const nameOf = (pod: KubeObject): string => `${pod.metadata.namespace ?? ''}/${pod.metadata.name ?? ''}`;

/** Answers how often a budget said no. */
async function evictAndWait(ctx: Context, drain: Drain, pod: Pod): Promise<number> {
  const { options } = drain;
  const blocked = await evict(ctx, drain, pod);
  drain.left -= 1;
  if (drain.left === 0) await options.onAllEvicted?.(ctx);
  await untilGone(ctx, drain, pod);
  options.onEvent?.({ kind: 'gone', pod: nameOf(pod) });
  return blocked;
}

async function evict(ctx: Context, { options, deadlineMs, bells }: Drain, pod: Pod): Promise<number> {
  let blocked = 0;
  const beganMs = ctx.clock.monotonic();
  options.onEvent?.({ kind: 'evicting', pod: nameOf(pod) });
  for (;;) {
    throwIfCancelled(ctx);
    const refusal = await evictOnce(ctx, options, pod);
    if (refusal === undefined) {
      options.onEvent?.({ kind: 'evicted', pod: nameOf(pod) });
      return blocked;
    }
    blocked += 1;
    options.onEvent?.({ kind: 'blocked', pod: nameOf(pod), message: refusal });
    const waitedMs = ctx.clock.monotonic() - beganMs;
    const refused = { pod: nameOf(pod), uid: pod.metadata.uid ?? '', refusal, waitedMs };
    if ((await options.overrule?.(ctx, refused)) === true) {
      options.onEvent?.({ kind: 'overruled', pod: nameOf(pod), message: refusal });
      await deletePod(ctx, options, pod);
      return blocked;
    }
    if (ctx.clock.monotonic() + options.retryMs > deadlineMs)
      throw drainErrors.error(
        'DrainBlocked',
        `node ${options.node}: pod ${nameOf(pod)} could not be evicted within ${Math.round(options.timeoutMs / 1000)} s: ${refusal}`,
      );
    await bells.wait(ctx, pod, options.retryMs);
  }
}

function deleteOptionsOf({ gracePeriodSeconds }: DrainOptions, { metadata }: Pod): DeleteOptions {
  return {
    preconditions: { uid: metadata.uid ?? '' },
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
  };
}

async function deletePod(ctx: Context, options: DrainOptions, pod: Pod): Promise<void> {
  const { name = '', namespace } = pod.metadata;
  try {
    await options.client.delete(ctx, pods, { namespace, name }, deleteOptionsOf(options, pod));
  } catch (error) {
    if (!isStatus(error, 'NotFound') && !isStatus(error, 'Conflict')) throw error;
  }
}

/** Undefined when it is under way or gone; the server's words when it may succeed later. */
async function evictOnce(ctx: Context, options: DrainOptions, pod: Pod): Promise<string | undefined> {
  const { name = '', namespace } = pod.metadata;
  const deleteOptions = deleteOptionsOf(options, pod);
  try {
    await options.client.createAt(ctx, pods, { namespace, name }, 'eviction', {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name, namespace },
      deleteOptions,
    });
    return undefined;
  } catch (error) {
    if (isStatus(error, 'NotFound') || isStatus(error, 'Conflict')) return undefined;
    if (error instanceof StatusError && error.code === 'TooManyRequests') return wordsOf(error);
    if (error instanceof StatusError && inTerminatingNamespace(error))
      return pod.metadata.deletionTimestamp === undefined ? error.message : undefined;
    const message = error instanceof Error ? error.message : String(error);
    options.onEvent?.({ kind: 'refused', pod: nameOf(pod), message });
    throw drainErrors.error('EvictionRefused', `node ${options.node}: pod ${nameOf(pod)} was not evicted`, {
      cause: error,
    });
  }
}

/** The message, and the causes, which alone name the budget. */
function wordsOf({ message, status }: StatusError): string {
  const causes = (status.details?.causes ?? []).map((cause) => cause.message ?? '');
  return [message, ...causes].filter((text) => text !== '').join(' ');
}

/** An eviction in a namespace that is being deleted is refused; the pod goes with its namespace. */
function inTerminatingNamespace(error: StatusError): boolean {
  return (
    error.code === 'Forbidden' &&
    error.status.details?.causes?.some((cause) => cause.reason === 'NamespaceTerminating') === true
  );
}

async function untilGone(ctx: Context, { options, deadlineMs, endings }: Drain, pod: Pod): Promise<void> {
  const { namespace, name = '', uid = '' } = pod.metadata;
  const told = options.rules.skipWaitForDeleteTimeoutSeconds === 0;
  for (;;) {
    await endings.wait(ctx, uid, told && endings.alive ? followedMs : pollMs);
    if (endings.isGone(uid)) return;
    const live = await unlessGone(options.client.get(ctx, pods, { namespace, name }));
    if (live === undefined || live.metadata.uid !== uid || skipped(ctx, options, live)) return;
    if (ctx.clock.monotonic() > deadlineMs)
      throw drainErrors.error(
        'DrainBlocked',
        `node ${options.node}: pod ${nameOf(pod)} was evicted but did not end within ${Math.round(options.timeoutMs / 1000)} s`,
      );
  }
}

function skipped(ctx: Context, options: DrainOptions, live: Pod): boolean {
  const limitSeconds = options.rules.skipWaitForDeleteTimeoutSeconds;
  const since = live.metadata.deletionTimestamp;
  return limitSeconds > 0 && since !== undefined && ctx.clock.now() - Date.parse(since) > limitSeconds * 1000;
}

async function exists(promise: Promise<unknown>): Promise<boolean> {
  return (await unlessGone(promise)) !== undefined;
}
