/**
 * Events of controllers (client-go tools/record): the same event again raises a count, many alike become one, one noisy
 * object cannot flood the API, and a slow API server cannot fill memory.
 */
import type { Clock } from '@polyanthus/ground-base/clock';
import { withinTime, type Context } from '@polyanthus/ground-base/context';
import type { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import { BoundedQueue } from '@polyanthus/ground-base/queue';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { events, type Event } from '@polyanthus/kube-kinds/core';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { kubeTime } from './times.ts';

/** The object that an event is about. */
export type EventSubject = Pick<KubeObject, 'apiVersion' | 'kind' | 'metadata'>;

/** Takes events at once and writes them behind. */
export interface EventRecorder {
  /** Takes the event and returns at once. `reason` is CamelCase, `message` a sentence without secrets. */
  record(subject: EventSubject, type: 'Normal' | 'Warning', reason: string, message: string): void;
  /** Writes what was recorded until `ctx` is cancelled. */
  run(ctx: Context): Promise<void>;
}

/** Who speaks, and where to. */
export interface EventRecorderOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  /** Who says it: `deployment-controller`. */
  readonly component: string;
  /** On which node, where that means something. */
  readonly host?: string;
  readonly metrics?: MetricsRegistry;
}

interface Recorded {
  readonly subject: EventSubject;
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly atMs: number;
}
interface Known {
  event: Event;
}
interface Similar {
  readonly messages: Set<string>;
  sinceMs: number;
}

/** client-go's defaults: remembered events, events waiting, alike before they become one, the time that counts. */
const knownMax = 4096;
const waitingMax = 1000;
const similarMax = 10;
const similarWindowMs = 600_000;
/** Events an object may have at once, and one more every five minutes. */
const burst = 25;
const refillMs = 300_000;
/** One write at most: an API server that hangs must not hold up all later events. */
const writeTimeoutMs = 30_000;

/** Makes a recorder; nothing is written until `run`. */
export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const queue = new BoundedQueue<Recorded>(waitingMax);
  const writer = new EventWriter(options);
  const dropped = options.metrics?.counter(
    'polyanthus_events_dropped_total',
    'Events that were not written: too many at once, or too many of one object.',
  );
  return {
    record: (subject, type, reason, message) => {
      const taken = queue.push({ subject, type, reason, message: message.slice(0, 1024), atMs: options.clock.now() });
      if (!taken) dropped?.add({ component: options.component, why: 'queue' });
    },
    run: async (ctx) => {
      const end = (): void => queue.close();
      ctx.signal.addEventListener('abort', end, { once: true });
      if (ctx.signal.aborted) end();
      for await (const recorded of queue) {
        if (ctx.signal.aborted) return;
        if (writer.allows(recorded)) await writer.write(ctx, recorded);
        else dropped?.add({ component: options.component, why: 'object' });
      }
    },
  };
}

class EventWriter {
  readonly #options: EventRecorderOptions;
  readonly #known = new Map<string, Known>();
  readonly #similar = new Map<string, Similar>();
  readonly #buckets = new Map<string, number>();
  #sequence = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  /** A token bucket an object, as its virtual schedule. */
  allows(recorded: Recorded): boolean {
    const key = subjectKey(recorded.subject);
    const next = Math.max(this.#buckets.get(key) ?? -Infinity, recorded.atMs - burst * refillMs) + refillMs;
    if (next > recorded.atMs) return false;
    remember(this.#buckets, key, next);
    return true;
  }

  /** An API failure loses the event and is logged: events are never worth stopping for. */
  async write(ctx: Context, recorded: Recorded): Promise<void> {
    const message = this.#combined(recorded);
    const key = `${subjectKey(recorded.subject)}\n${recorded.type}\n${recorded.reason}\n${message}`;
    try {
      const event = await withinTime(ctx, writeTimeoutMs, 'writing an event', async (inner) => {
        const known = this.#known.get(key);
        const counted = known === undefined ? undefined : await this.#again(inner, known.event, recorded);
        return counted ?? (await this.#create(inner, recorded, message));
      });
      remember(this.#known, key, { event });
    } catch (error) {
      if (!ctx.signal.aborted)
        ctx.log.warn('an event was not written', {
          reason: recorded.reason,
          subject: recorded.subject.metadata.name,
          error,
        });
    }
  }

  /** After ten different messages of one kind in ten minutes, the rest share one. */
  #combined(recorded: Recorded): string {
    const key = `${subjectKey(recorded.subject)}\n${recorded.type}\n${recorded.reason}`;
    let similar = this.#similar.get(key);
    if (similar === undefined || recorded.atMs - similar.sinceMs > similarWindowMs)
      similar = { messages: new Set(), sinceMs: recorded.atMs };
    remember(this.#similar, key, similar);
    if (similar.messages.has(recorded.message)) return recorded.message;
    if (similar.messages.size >= similarMax)
      return `(combined from similar events): ${[...similar.messages][similarMax - 1] ?? ''}`;
    similar.messages.add(recorded.message);
    return recorded.message;
  }

  async #again(ctx: Context, event: Event, recorded: Recorded): Promise<Event | undefined> {
    const { namespace, name = '' } = event.metadata;
    const body = { count: (event.count ?? 1) + 1, lastTimestamp: kubeTime(recorded.atMs) };
    try {
      return await this.#options.client.patch(ctx, events, { namespace, name }, { type: 'merge', body });
    } catch (error) {
      // Events expire; it begins anew.
      if (hasCode(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  #create(ctx: Context, recorded: Recorded, message: string): Promise<Event> {
    const { component, host, client } = this.#options;
    const { metadata } = recorded.subject;
    const namespace = metadata.namespace ?? 'default';
    const at = kubeTime(recorded.atMs);
    const name = `${metadata.name ?? ''}.${Math.floor(recorded.atMs * 1_000_000).toString(16)}${(this.#sequence++).toString(16)}`;
    return client.create(ctx, events, {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { namespace, name },
      involvedObject: reference(recorded.subject),
      reason: recorded.reason,
      message,
      type: recorded.type,
      count: 1,
      firstTimestamp: at,
      lastTimestamp: at,
      source: { component, ...(host === undefined ? {} : { host }) },
      reportingComponent: component,
      reportingInstance: host ?? '',
    });
  }
}

function reference(subject: EventSubject): Event['involvedObject'] & { readonly resourceVersion?: string } {
  const { name, namespace, uid, resourceVersion } = subject.metadata;
  return {
    apiVersion: subject.apiVersion,
    kind: subject.kind,
    ...(name === undefined ? {} : { name }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
}

function subjectKey(subject: EventSubject): string {
  const { namespace, name, uid } = subject.metadata;
  return `${subject.kind}\n${namespace ?? ''}\n${name ?? ''}\n${uid ?? ''}`;
}

/** Sets as the newest and drops the oldest beyond the bound. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= knownMax) return;
  const oldest = map.keys().next();
  if (oldest.done !== true) map.delete(oldest.value);
}
