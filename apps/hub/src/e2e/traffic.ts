/** Load on a hub from a client that is not ours (node:https), and what it saw: every answer judged, none taken on trust. */
import { Agent, request } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { background, withCancel } from '@polyanthus/ground-base/context';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { configMaps, type ConfigMap } from '@polyanthus/kube-kinds/core';
import type { KubeList } from '@polyanthus/kube-objects/meta';
import { StatusError } from '@polyanthus/kube-objects/status';

/** How one request ended. `wrong` is an answer that claims to be whole and is not what is stored. */
export interface Outcome {
  readonly kind: '200' | '503' | 'reset' | 'wrong' | 'other';
  readonly detail: string;
  readonly startMs: number;
  readonly endMs: number;
}

/** Where a client asks, and as whom: by a token, or by a client certificate. */
export interface Caller {
  readonly port: number;
  readonly caPem: string;
  readonly token?: string;
  readonly certificate?: { readonly cert: string; readonly key: string };
}

/** Longer than any time that is measured, on a slow machine too: without an answer by then a request has been lost. */
const answerTimeoutMs = 60_000;
/** Above it no request is sent until others have ended: a busy machine must not queue them up until they are too late. */
const underWayMax = 48;
/** How long a watcher that is whole may be behind what is written. */
const behindMs = 60_000;
const resets: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE']);

/** One GET. `whole` judges a body that came to its end. */
export function get(caller: Caller, agent: Agent, path: string, whole: (body: string) => boolean): Promise<Outcome> {
  const startMs = performance.now();
  return new Promise((resolve) => {
    const end = (kind: Outcome['kind'], detail: string): void =>
      resolve({ kind, detail, startMs, endMs: performance.now() });
    const failed = (error: NodeJS.ErrnoException): void =>
      end(resets.has(error.code ?? '') ? 'reset' : 'other', `${error.code ?? ''} ${error.message}`);
    const { port, caPem, token, certificate } = caller;
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const signal = AbortSignal.timeout(answerTimeoutMs);
    const options = { host: '127.0.0.1', port, path, ca: caPem, ...certificate, agent, headers, signal };
    const call = request(options, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.once('error', failed);
      response.once('close', () => end('other', 'closed without end or error'));
      response.once('end', () => {
        if (!response.complete) end('reset', 'cut in the middle of the answer');
        else if (response.statusCode === 503) end('503', body);
        else if (response.statusCode !== 200) end('other', `${response.statusCode} ${body.slice(0, 300)}`);
        else end(judged(body, whole) ? '200' : 'wrong', `${body.length} characters: ${body.slice(0, 300)}`);
      });
    });
    call.once('error', failed);
    call.end();
  });
}

/** A body that cannot be read is as wrong as one with other contents. */
function judged(body: string, whole: (body: string) => boolean): boolean {
  try {
    return whole(body);
  } catch {
    return false;
  }
}

/** Requests at a steady rate, whatever becomes of those before, as long as not too many are under way. */
export class Traffic {
  readonly outcomes: Outcome[] = [];
  readonly #agent = new Agent({ keepAlive: true });
  readonly #pending = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  #count = 0;

  /** `targets` are asked in turn. */
  constructor(
    caller: Caller,
    targets: readonly { readonly path: string; readonly whole: (body: string) => boolean }[],
    perSecond: number,
  ) {
    this.#timer = setInterval(() => {
      const target = targets[this.#count++ % targets.length];
      if (target === undefined || this.#pending.size >= underWayMax) return;
      const asked = get(caller, this.#agent, target.path, target.whole).then((one) => void this.outcomes.push(one));
      this.#pending.add(asked);
      void asked.then(() => this.#pending.delete(asked));
    }, 1000 / perSecond);
  }

  /** Whether the last `count` answers were good and came after `atMs`. */
  goodSince(atMs: number, count: number): boolean {
    const last = this.outcomes.slice(-count);
    return last.length === count && last.every((one) => one.kind === '200' && one.startMs > atMs);
  }

  /** Waits for what is under way and gives everything. */
  async stop(): Promise<readonly Outcome[]> {
    clearInterval(this.#timer);
    await Promise.all(this.#pending);
    this.#agent.destroy();
    return this.outcomes;
  }
}

/** The failures by kind, and the time from `atMs` until the last one had ended. */
export function summary(outcomes: readonly Outcome[], atMs: number) {
  const failures = outcomes.filter((one) => one.kind !== '200');
  const count = (kind: Outcome['kind']): number => failures.filter((one) => one.kind === kind).length;
  const last = Math.max(atMs, ...failures.map((one) => one.endMs));
  return {
    requests: outcomes.length,
    unavailable: count('503'),
    resets: count('reset'),
    others: failures.filter((one) => one.kind === 'wrong' || one.kind === 'other').map((one) => one.detail),
    backMs: Math.round(last - atMs),
    longestMs: Math.round(Math.max(0, ...outcomes.map((one) => one.endMs - one.startMs))),
  };
}

/** Writes numbered ConfigMaps into the member directly, and watches them through the hub: list once, then watch on. */
export class WatchedEvents {
  readonly seen: string[] = [];
  readonly breaks: string[] = [];
  readonly #namespace: string;
  #written = 0;
  #stopping = false;
  readonly #writing: Promise<void>;
  readonly #watching: Promise<void>;
  readonly #life = withCancel(background());

  private constructor(direct: KubeClient, through: KubeClient, namespace: string, first: KubeList<ConfigMap>) {
    this.#namespace = namespace;
    this.seen.push(...first.items.map((one) => one.metadata.name ?? ''));
    this.#writing = settled(this.#write(direct));
    this.#watching = settled(this.#watch(through, first.metadata.resourceVersion ?? ''));
  }

  /** Lists through the hub, then writes and watches. */
  static async start(direct: KubeClient, through: KubeClient, namespace: string): Promise<WatchedEvents> {
    const first = await through.list(background(), configMaps, { namespace });
    return new WatchedEvents(direct, through, namespace, first);
  }

  async #write(client: KubeClient): Promise<void> {
    while (!this.#stopping) {
      const name = `event-${String(this.#written).padStart(6, '0')}`;
      const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: this.#namespace } } as const;
      await client.create(background(), configMaps, object);
      this.#written++;
      await delay(40);
    }
  }

  async #watch(client: KubeClient, from: string): Promise<void> {
    const { ctx } = this.#life;
    const namespace = this.#namespace;
    let resourceVersion = from;
    while (!ctx.signal.aborted) {
      try {
        for await (const event of client.watch(ctx, configMaps, { namespace, resourceVersion })) {
          resourceVersion = event.object.metadata.resourceVersion ?? resourceVersion;
          if (event.type !== 'BOOKMARK') this.seen.push(event.object.metadata.name ?? '');
        }
        this.breaks.push('ended');
      } catch (error) {
        if (ctx.signal.aborted) return;
        this.breaks.push(error instanceof StatusError ? String(error.httpStatus) : (error as { code: string }).code);
      }
      await delay(50);
    }
  }

  /** Waits until the watcher has as many, for a generous while; gives what was written. Throws what the writer met. */
  async stop(): Promise<readonly string[]> {
    this.#stopping = true;
    await this.#writing;
    const untilMs = performance.now() + behindMs;
    while (this.seen.length < this.#written && performance.now() < untilMs) await delay(20);
    this.#life.cancel();
    await this.#watching;
    return Array.from({ length: this.#written }, (_, index) => `event-${String(index).padStart(6, '0')}`);
  }
}

/** The same promise; that it fails is heard when it is awaited, and not before. */
function settled(promise: Promise<void>): Promise<void> {
  promise.catch(() => undefined);
  return promise;
}
