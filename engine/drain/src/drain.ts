/**
 * Draining a node by the eviction API: budgets are the owners' choice, so a 429 is waited for, never worked around. Every
 * eviction names the pod's uid, so that a successor of the same name is never hit.
 */
import { sleep, throwIfCancelled, type Context } from '@polyanthus/ground-base/context';
import type { DeleteOptions, KubeClient } from '@polyanthus/kube-client/client';
import { unlessGone } from '@polyanthus/kube-client/gone';
import { nodes, pods, type Node, type Pod } from '@polyanthus/kube-kinds/core';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { resourceType } from '@polyanthus/kube-objects/resource';
import { isStatus, StatusError } from '@polyanthus/kube-objects/status';
import { drainErrors } from './errors.ts';
import { judgePods, refusalText, type DrainRules, type PodVerdict } from './filters.ts';

/** What is asked for. */
export interface DrainOptions {
  readonly client: KubeClient;
  readonly node: string;
  readonly rules: DrainRules;
  /** Absent: every pod's own. */
  readonly gracePeriodSeconds?: number;
  /** Over everything; then DrainBlocked. Infinity waits for ever. */
  readonly timeoutMs: number;
  /** Between two tries of a pod whose budget said no; kubectl's is 5 s. */
  readonly retryMs: number;
  /** Asked after each refusal: whether to overrule the budget by deleting the pod. Absent: never. */
  readonly overrule?: (ctx: Context, refused: RefusedPod) => Promise<boolean>;
  readonly onEvent?: (event: DrainEvent) => void;
}

/** A pod that may not be evicted now. */
export interface RefusedPod {
  readonly pod: string;
  /** The API server's words: they name the budget. */
  readonly refusal: string;
  /** Since its first eviction was tried. */
  readonly waitedMs: number;
}

/** What happened to a pod, as it happens. */
export interface DrainEvent {
  readonly kind: 'evicting' | 'blocked' | 'overruled' | 'refused' | 'gone';
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
}

const daemonSets = resourceType('apps', 'v1', 'daemonsets', 'DaemonSet', true);
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
  const found = (await client.listAll(ctx, pods, { fieldSelector: `spec.nodeName=${node}` })).items;
  const owners = new Set<string>();
  for (const pod of found) {
    const owner = pod.metadata.ownerReferences?.find((one) => one.controller === true && one.kind === 'DaemonSet');
    const key = `${pod.metadata.namespace ?? ''}/${owner?.name ?? ''}`;
    if (owner === undefined || owners.has(key)) continue;
    if (await exists(client.get(ctx, daemonSets, { namespace: pod.metadata.namespace, name: owner.name })))
      owners.add(key);
  }
  return judgePods(found, {
    allowed,
    daemonSetExists: (namespace, name) => owners.has(`${namespace}/${name}`),
    nowMs: ctx.clock.now(),
  });
}

/** Evicts everything that the rules let go and waits until it is gone. Errors: DrainRefused, EvictionRefused, DrainBlocked. */
export async function drainNode(ctx: Context, options: DrainOptions): Promise<DrainResult> {
  const verdicts = await judgeNode(ctx, options.client, options.node, options.rules);
  const refusal = refusalText(verdicts);
  if (refusal !== '') throw drainErrors.error('DrainRefused', `node ${options.node}: ${refusal}`);
  // Monotonic: a wall clock that jumps must not end the owners' budgets early.
  const deadlineMs = ctx.clock.monotonic() + options.timeoutMs;
  const waiting = verdicts.filter((one) => one.evict).map((one) => one.pod);
  const evicted = waiting.map(nameOf);
  let blockedTimes = 0;
  const work = async (): Promise<void> => {
    for (let pod = waiting.shift(); pod !== undefined; pod = waiting.shift())
      blockedTimes += await evictAndWait(ctx, options, pod, deadlineMs);
  };
  // To the end of every one of them: nothing is evicted any more once a drain is said to have failed.
  const ends = await Promise.allSettled(Array.from({ length: Math.min(parallelMax, waiting.length) }, work));
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return { evicted, kept: verdicts.filter((one) => !one.evict), blockedTimes };
}

const nameOf = (pod: KubeObject): string => `${pod.metadata.namespace ?? ''}/${pod.metadata.name ?? ''}`;

/** Answers how often a budget said no. */
async function evictAndWait(ctx: Context, options: DrainOptions, pod: Pod, deadlineMs: number): Promise<number> {
  let blocked = 0;
  const beganMs = ctx.clock.monotonic();
  options.onEvent?.({ kind: 'evicting', pod: nameOf(pod) });
  for (;;) {
    throwIfCancelled(ctx);
    const refusal = await evictOnce(ctx, options, pod);
    if (refusal === undefined) break;
    blocked += 1;
    options.onEvent?.({ kind: 'blocked', pod: nameOf(pod), message: refusal });
    const waitedMs = ctx.clock.monotonic() - beganMs;
    if ((await options.overrule?.(ctx, { pod: nameOf(pod), refusal, waitedMs })) === true) {
      options.onEvent?.({ kind: 'overruled', pod: nameOf(pod), message: refusal });
      await deletePod(ctx, options, pod);
      break;
    }
    if (ctx.clock.monotonic() + options.retryMs > deadlineMs)
      throw drainErrors.error(
        'DrainBlocked',
        `node ${options.node}: pod ${nameOf(pod)} could not be evicted within ${Math.round(options.timeoutMs / 1000)} s: ${refusal}`,
      );
    await sleep(ctx, options.retryMs);
  }
  await untilGone(ctx, options, pod, deadlineMs);
  options.onEvent?.({ kind: 'gone', pod: nameOf(pod) });
  return blocked;
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

async function untilGone(ctx: Context, options: DrainOptions, pod: Pod, deadlineMs: number): Promise<void> {
  for (;;) {
    const live = await unlessGone(
      options.client.get(ctx, pods, { namespace: pod.metadata.namespace, name: pod.metadata.name ?? '' }),
    );
    if (live === undefined || live.metadata.uid !== pod.metadata.uid || skipped(ctx, options, live)) return;
    if (ctx.clock.monotonic() > deadlineMs)
      throw drainErrors.error(
        'DrainBlocked',
        `node ${options.node}: pod ${nameOf(pod)} was evicted but did not end within ${Math.round(options.timeoutMs / 1000)} s`,
      );
    await sleep(ctx, pollMs);
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
