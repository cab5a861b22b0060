/** The loop under an informer: it lists and watches for ever, and never stops but by its context. */
import { sleep, untilAborted, withCancel, withTimeout, type Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import type { Random } from '@polyanthus/ground-base/random';
import { backoffMs, type RetryPolicy } from '@polyanthus/ground-base/retry';
import type { KubeClient, WatchEvent, WatchOptions } from '@polyanthus/kube-client/client';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import { StatusError } from '@polyanthus/kube-objects/status';
import { runtimeErrors } from './errors.ts';

/** Where the loop puts what it learns. */
export interface ReflectorSink<T extends KubeObject> {
  replace(objects: readonly T[]): void;
  apply(event: WatchEvent<T>): void;
}

interface ReflectorOptions {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly pageSize?: number;
  readonly progressTimeoutMs?: number;
  readonly random: Random;
  readonly metrics?: MetricsRegistry;
}

/** client-go's reflector backoff: 0.8 s doubling to 30 s, jittered, without end. */
const backoff: RetryPolicy = { initialMs: 800, maxMs: 30_000, factor: 2, jitter: 0.5, attempts: Infinity };
/** A watch that lasted less and told nothing counts as a failure, else a closing server is asked in a hot loop. */
const shortWatchMs = 1000;
/** All pages of a list together. */
const listTimeoutMs = 300_000;
const endOfInitialEvents = 'k8s.io/initial-events-end';

/** Follows until `ctx` is cancelled; every other failure is logged, counted and answered by a fresh attempt. */
export async function followForEver<T extends KubeObject>(
  ctx: Context,
  client: KubeClient,
  type: ResourceType<T>,
  options: ReflectorOptions,
  sink: ReflectorSink<T>,
): Promise<void> {
  const reflector = new Reflector(client, type, options, sink);
  let failures = 0;
  while (!ctx.signal.aborted) {
    const startedMs = ctx.clock.monotonic();
    try {
      const told = await reflector.session(ctx);
      if (told || ctx.clock.monotonic() - startedMs >= shortWatchMs) failures = 0;
      else failures++;
    } catch (error) {
      if (ctx.signal.aborted) return;
      failures = reflector.progressed ? 1 : failures + 1;
      reflector.failed(ctx, error, failures);
    }
    if (failures > 0) await sleep(ctx, backoffMs(backoff, failures, options.random)).catch(() => undefined);
  }
}

class Reflector<T extends KubeObject> {
  /** Whether the running session has told anything yet. */
  progressed = false;
  readonly #client: KubeClient;
  readonly #type: ResourceType<T>;
  readonly #options: ReflectorOptions;
  readonly #sink: ReflectorSink<T>;
  /** Where to go on watching; undefined asks for a list. */
  #resourceVersion: string | undefined;
  /** Until the server refuses it. */
  #streamingList = true;

  constructor(client: KubeClient, type: ResourceType<T>, options: ReflectorOptions, sink: ReflectorSink<T>) {
    this.#client = client;
    this.#type = type;
    this.#options = options;
    this.#sink = sink;
  }

  /** One list where needed and one watch; answers whether anything was told. */
  async session(ctx: Context): Promise<boolean> {
    this.progressed = false;
    if (this.#resourceVersion === undefined && this.#streamingList) {
      try {
        await this.#watch(ctx);
        return this.progressed;
      } catch (error) {
        if (!refusesStreaming(error)) throw error;
        this.#streamingList = false;
        ctx.log.debug('the server streams no lists, paging instead', { resource: this.#type.resource, error });
      }
    }
    if (this.#resourceVersion === undefined) await this.#list(ctx);
    await this.#watch(ctx);
    return this.progressed;
  }

  failed(ctx: Context, error: unknown, failures: number): void {
    const reason =
      hasCode(error, 'Expired') || hasCode(error, 'Gone')
        ? 'expired'
        : String((error as { code?: unknown }).code ?? 'error');
    this.#count('polyanthus_informer_failures_total', 'Failures of lists and watches of informers.', { reason });
    if (reason === 'expired') this.#resourceVersion = undefined;
    ctx.log.warn('informer goes on after a failure', {
      resource: this.#type.resource,
      group: this.#type.group,
      failures,
      error,
    });
  }

  async #list(ctx: Context): Promise<void> {
    const { namespace, labelSelector, fieldSelector, pageSize } = this.#options;
    const at = { namespace, labelSelector, fieldSelector, ...(pageSize === undefined ? {} : { pageSize }) };
    const what = `listing ${this.#type.resource}`;
    const list = await withTimeout(ctx, listTimeoutMs, what, (inner) => this.#client.listAll(inner, this.#type, at));
    this.#replace(list.items, list.metadata.resourceVersion);
  }

  async #watch(ctx: Context): Promise<void> {
    const collecting = this.#resourceVersion === undefined ? new Map<string, T>() : undefined;
    const limitMs = this.#options.progressTimeoutMs ?? 150_000;
    const { ctx: inner, cancel } = withCancel(ctx);
    const watchdog = startWatchdog(ctx, limitMs, () =>
      cancel(runtimeErrors.error('WatchStalled', `the watch of ${this.#type.resource} was silent for ${limitMs} ms`)),
    );
    const events = this.#client.watch(inner, this.#type, this.#watchOptions(collecting !== undefined));
    const iterator = events[Symbol.asyncIterator]();
    try {
      await this.#consume(inner, iterator, collecting, watchdog);
    } finally {
      watchdog.stop();
      cancel();
      void iterator.return?.().then(undefined, () => undefined);
    }
  }

  async #consume(
    inner: Context,
    iterator: AsyncIterator<WatchEvent<T>>,
    initial: Map<string, T> | undefined,
    watchdog: Watchdog,
  ): Promise<void> {
    let collecting = initial;
    for (;;) {
      const result = await untilAborted(inner, iterator.next());
      if (result.done === true) break;
      watchdog.kick();
      const event = result.value;
      if (collecting === undefined) this.#apply(event);
      else if (event.type !== 'BOOKMARK') collectInitial(collecting, event);
      else if (event.object.metadata.annotations?.[endOfInitialEvents] === 'true') {
        this.#replace([...collecting.values()], event.object.metadata.resourceVersion);
        collecting = undefined;
      }
    }
    if (collecting === undefined) return;
    throw runtimeErrors.error(
      'StreamingListUnfinished',
      `the streaming list of ${this.#type.resource} ended without its end mark`,
    );
  }

  #watchOptions(streaming: boolean): WatchOptions {
    const { namespace, labelSelector, fieldSelector, random } = this.#options;
    // Between 5 and 10 minutes, so that many watches never end at one moment (client-go's minWatchTimeout).
    const timeoutSeconds = Math.floor(300 * (1 + random.float()));
    const common = { namespace, labelSelector, fieldSelector, allowBookmarks: true, timeoutSeconds };
    if (streaming) return { ...common, sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' };
    return { ...common, resourceVersion: this.#resourceVersion };
  }

  #apply(event: WatchEvent<T>): void {
    this.progressed = true;
    if (event.type !== 'BOOKMARK') this.#sink.apply(event);
    this.#resourceVersion = event.object.metadata.resourceVersion ?? this.#resourceVersion;
  }

  #replace(objects: readonly T[], resourceVersion: string | undefined): void {
    this.progressed = true;
    this.#count('polyanthus_informer_lists_total', 'Complete lists that informers took in.', {});
    this.#sink.replace(objects);
    this.#resourceVersion = resourceVersion ?? '';
  }

  #count(name: string, help: string, labels: Readonly<Record<string, string>>): void {
    this.#options.metrics
      ?.counter(name, help)
      .add({ group: this.#type.group, resource: this.#type.resource, ...labels });
  }
}

function collectInitial<T extends KubeObject>(collecting: Map<string, T>, event: WatchEvent<T>): void {
  const key = `${event.object.metadata.namespace ?? ''}/${event.object.metadata.name ?? ''}`;
  if (event.type === 'DELETED') collecting.delete(key);
  else collecting.set(key, event.object);
}

/** A server without sendInitialEvents says 422 (feature off) or 400, or ignores the parameter and never marks the end. */
function refusesStreaming(error: unknown): boolean {
  if (hasCode(error, 'StreamingListUnfinished')) return true;
  return error instanceof StatusError && (error.httpStatus === 422 || error.httpStatus === 400);
}

interface Watchdog {
  kick(): void;
  stop(): void;
}

/** Calls `bark` when not kicked for `limitMs`. A kick only notes the time: one timer serves all events. */
function startWatchdog(ctx: Context, limitMs: number, bark: () => void): Watchdog {
  let kickedMs = ctx.clock.monotonic();
  const check = (): void => {
    const silentMs = ctx.clock.monotonic() - kickedMs;
    if (silentMs >= limitMs) bark();
    else timer = ctx.clock.after(limitMs - silentMs, check, { unref: true });
  };
  let timer = ctx.clock.after(limitMs, check, { unref: true });
  return { kick: () => void (kickedMs = ctx.clock.monotonic()), stop: () => timer.cancel() };
}
