/**
 * Controllers: level-based, named keys, nothing about the event that woke them (controller-runtime's contract).
 *
 * What `reconcile` answers decides what follows: nothing, the key is done until something changes; `requeueAfterMs`, it is
 * called again after that time; a throw, it is called again with exponential delay; a throw with `terminal`, it is
 * logged, counted and not called again until something changes.
 */
import { untilAborted, withinTime, withLog, type Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import { StatusError } from '@polyanthus/kube-objects/status';
import type { PolicyRule } from '@polyanthus/kube-kinds/core';
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import { controllerMetrics, type ControllerMetrics } from './controller-metrics.ts';
import { runtimeErrors } from './errors.ts';
import type { Informer } from './informer.ts';
import type { WorkQueue } from './queue.ts';

/** What a controller reads, writes and may do, as data beside its code: manifests and docs are generated from it. */
export interface ControllerSpec {
  readonly name: string;
  readonly inputs: readonly ResourceType[];
  readonly outputs: readonly ResourceType[];
  readonly rbac: readonly PolicyRule[];
}

/** Asks to be called again after this time, whatever happens meanwhile. */
export interface ReconcileResult {
  readonly requeueAfterMs: number;
}

/** A controller to run: its queue is fed by watches, before or after the start. */
export interface ControllerOptions {
  readonly name: string;
  /** Leaves nothing behind that still runs under its context. */
  readonly reconcile: (ctx: Context, key: string) => Promise<ReconcileResult | void>;
  readonly queue: WorkQueue;
  /** Must have synced before the first reconcile. */
  readonly informers?: readonly Pick<Informer, 'synced'>[];
  /** Keys that are worked on at once; 1. */
  readonly workers?: number;
  /** One reconcile at most; 60 s. */
  readonly reconcileTimeoutMs?: number;
  readonly metrics?: MetricsRegistry;
}

/** Works until `ctx` is cancelled; resolves when no reconcile runs any more. */
export async function runController(ctx: Context, options: ControllerOptions): Promise<void> {
  const inner = withLog(ctx, { controller: options.name });
  const metrics = controllerMetrics(options.metrics ?? new MetricsRegistry(), options.name, options.workers ?? 1);
  const running = new Set<Promise<void>>();
  try {
    await untilAborted(ctx, Promise.all((options.informers ?? []).map((informer) => informer.synced)));
    await Promise.all(Array.from({ length: options.workers ?? 1 }, () => work(inner, options, metrics, running)));
  } catch (error) {
    if (!ctx.signal.aborted) throw error;
  } finally {
    options.queue.close();
    await Promise.all(running);
  }
}

async function work(
  ctx: Context,
  options: ControllerOptions,
  metrics: ControllerMetrics,
  running: Set<Promise<void>>,
): Promise<void> {
  while (!ctx.signal.aborted) {
    const key = await options.queue.take(ctx).catch(() => undefined);
    if (key === undefined) return;
    await reconcileOne(ctx, key, options, metrics, running);
  }
}

/** The key stays "in work" until reconcile itself has ended, even where its deadline has passed: never two at once. */
async function reconcileOne(
  ctx: Context,
  key: string,
  options: ControllerOptions,
  metrics: ControllerMetrics,
  running: Set<Promise<void>>,
): Promise<void> {
  const startedMs = ctx.clock.monotonic();
  let call: Promise<ReconcileResult | void> | undefined;
  metrics.active(1);
  try {
    const result = await withinTime(
      withLog(ctx, { key }),
      options.reconcileTimeoutMs ?? 60_000,
      `reconciling ${options.name} ${key}`,
      (inner) => {
        call = Promise.resolve().then(() => options.reconcile(inner, key));
        return call;
      },
    );
    succeeded(options.queue, key, result, metrics);
  } catch (error) {
    failed(ctx, key, error, options.queue, metrics);
  }
  metrics.active(-1);
  metrics.took(ctx.clock.monotonic() - startedMs);
  const ended = (call ?? Promise.resolve()).then(
    () => options.queue.done(key),
    () => options.queue.done(key),
  );
  running.add(ended);
  void ended.then(() => running.delete(ended));
}

function succeeded(queue: WorkQueue, key: string, result: ReconcileResult | void, metrics: ControllerMetrics): void {
  queue.forget(key);
  if (result === undefined) {
    metrics.result('success');
    return;
  }
  metrics.result('requeue_after');
  queue.addAfter(key, result.requeueAfterMs);
}

function failed(ctx: Context, key: string, error: unknown, queue: WorkQueue, metrics: ControllerMetrics): void {
  if (ctx.signal.aborted) return;
  metrics.result('error');
  if (hasCode(error, 'DeadlineExceeded')) metrics.timedOut();
  if (isTerminal(error)) {
    metrics.terminal();
    queue.forget(key);
    ctx.log.error('reconcile failed for good; it waits for a change', { key, error });
    return;
  }
  queue.addRateLimited(key);
  const retries = queue.retries(key);
  // A lost race is an everyday matter: the next round reads the newer object.
  if (hasCode(error, 'Conflict')) ctx.log.debug('reconcile lost a race, retrying', { key, retries, error });
  else ctx.log.error('reconcile failed, retrying', { key, retries, error: crashed(error, metrics) });
}

/** A TypeError or the like is a defect of ours: it is counted apart and gets a code. */
function crashed(error: unknown, metrics: ControllerMetrics): unknown {
  if (error instanceof StatusError || typeof (error as { code?: unknown } | null)?.code === 'string') return error;
  metrics.panicked();
  return runtimeErrors.error('ReconcileCrashed', 'the controller threw an error without a code', { cause: error });
}

function isTerminal(error: unknown): boolean {
  return typeof error === 'object' && error !== null && (error as { terminal?: unknown }).terminal === true;
}
