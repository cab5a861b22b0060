/**
 * Leader election by a Lease (client-go tools/leaderelection). Whether a lease has run out is judged by the own monotonic
 * clock since the record was last seen to change, never by the times in it: clocks of candidates may differ.
 *
 * It does not fence: a leader that hangs may wake after another took over. What must not happen twice needs an epoch.
 */
import {
  background,
  sleep,
  untilAborted,
  withCancel,
  withTimeout,
  type Context,
} from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import type { Random } from '@polyanthus/ground-base/random';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { leases, type Lease } from '@polyanthus/kube-kinds/core';
import { runtimeErrors } from './errors.ts';
import { jsonEqual } from './equal.ts';
import { kubeMicroTime } from './times.ts';

/** The Lease, the candidate and the three times of client-go. */
export interface LeaderOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  /** Of the Lease. */
  readonly name: string;
  /** Unique among the candidates: `<host>_<uuid>`. */
  readonly identity: string;
  readonly random: Random;
  readonly metrics?: MetricsRegistry;
  /** How long others wait after the last renewal that they saw; 15 s. */
  readonly leaseDurationMs?: number;
  /** A leader that could not renew for this long gives up; 10 s. */
  readonly renewDeadlineMs?: number;
  /** Between attempts; jittered up to 2.2 times while waiting to lead; 2 s. */
  readonly retryPeriodMs?: number;
  readonly onNewLeader?: (identity: string) => void;
}

/** client-go's JitterFactor. */
const jitterFactor = 1.2;

/**
 * Waits to lead, then calls `lead` with a context that is cancelled when leadership is lost, and waits for it to end.
 * Resolves when `lead` ended by itself or `ctx` was cancelled; the Lease is then released, so that a successor need not
 * wait. Throws LeadershipLost when the Lease could not be renewed, and what `lead` throws.
 */
export async function runWhenLeading(
  ctx: Context,
  options: LeaderOptions,
  lead: (ctx: Context) => Promise<void>,
): Promise<void> {
  const elector = new Elector(options);
  if (!(await acquire(ctx, options, elector))) return;
  const gauge = options.metrics?.gauge(
    'leader_election_master_status',
    'Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 indicates master.',
  );
  gauge?.set(1, { name: options.name });
  ctx.log.info('became leader', { lease: `${options.namespace}/${options.name}`, identity: options.identity });
  const { ctx: leading, cancel } = withCancel(ctx);
  const renewing = renew(leading, options, elector).catch((error: unknown) => cancel(error));
  try {
    await leadUntilEnd(leading, lead);
  } finally {
    cancel();
    await renewing;
    gauge?.set(0, { name: options.name });
    await release(ctx, options, elector);
  }
  if (!ctx.signal.aborted && leading.signal.reason !== undefined && hasCode(leading.signal.reason, 'LeadershipLost'))
    throw leading.signal.reason;
}

/** What `lead` throws because it was told to stop is no failure of its own. */
async function leadUntilEnd(leading: Context, lead: (ctx: Context) => Promise<void>): Promise<void> {
  try {
    await lead(leading);
  } catch (error) {
    if (!leading.signal.aborted) throw error;
  }
}

async function acquire(ctx: Context, options: LeaderOptions, elector: Elector): Promise<boolean> {
  const periodMs = options.retryPeriodMs ?? 2000;
  for (;;) {
    if (ctx.signal.aborted) return false;
    // Bounded, so that a call that hangs is not waited for for ever.
    const boundMs = options.renewDeadlineMs ?? 10_000;
    const acquired = withTimeout(ctx, boundMs, 'acquiring the lease', (inner) => elector.attempt(inner));
    if (await acquired.catch(() => false)) return true;
    await sleep(ctx, periodMs * (1 + jitterFactor * options.random.float())).catch(() => undefined);
  }
}

/** Renews until it fails for renewDeadline (throws LeadershipLost) or the context ends. */
async function renew(ctx: Context, options: LeaderOptions, elector: Elector): Promise<void> {
  const { retryPeriodMs = 2000, renewDeadlineMs = 10_000 } = options;
  let renewedMs = ctx.clock.monotonic();
  while (!ctx.signal.aborted) {
    await sleep(ctx, retryPeriodMs).catch(() => undefined);
    const leftMs = renewDeadlineMs - (ctx.clock.monotonic() - renewedMs);
    const renewed =
      leftMs > 0 &&
      (await withTimeout(ctx, leftMs, 'renewing the lease', (inner) => elector.attempt(inner)).catch(() => false));
    if (renewed) renewedMs = ctx.clock.monotonic();
    else if (elector.lost || ctx.clock.monotonic() - renewedMs >= renewDeadlineMs)
      throw lostBy(options, elector, renewDeadlineMs);
  }
}

function lostBy({ namespace, name }: LeaderOptions, elector: Elector, renewDeadlineMs: number): Error {
  const lease = `the lease ${namespace}/${name}`;
  const why = elector.lost
    ? `${lease} is held by another now`
    : elector.gone
      ? `${lease} was deleted, and its namespace with it`
      : `${lease} could not be renewed within ${renewDeadlineMs} ms`;
  return runtimeErrors.error('LeadershipLost', why);
}

/** Gives the Lease up if it is still ours; bounded by the renew deadline, and best effort. */
async function release(ctx: Context, options: LeaderOptions, elector: Elector): Promise<void> {
  const fresh = background({ log: ctx.log, clock: ctx.clock });
  try {
    await withTimeout(fresh, options.renewDeadlineMs ?? 10_000, 'releasing the lease', (inner) =>
      untilAborted(inner, elector.release(inner)),
    );
  } catch (error) {
    // A Lease that is not there keeps nobody waiting.
    if (hasCode(error, 'NotFound')) return;
    ctx.log.warn('the lease was not released; it runs out by itself', {
      lease: `${options.namespace}/${options.name}`,
      error,
    });
  }
}

class Elector {
  readonly #options: LeaderOptions;
  #observed: Lease | undefined;
  #observedMs = 0;
  #leader: string | undefined;
  #gone = false;

  constructor(options: LeaderOptions) {
    this.#options = options;
  }

  /** Somebody else holds the Lease that we thought ours. */
  get lost(): boolean {
    const holder = this.#observed?.spec?.holderIdentity;
    return holder !== undefined && holder !== this.#options.identity;
  }

  /** The Lease was deleted and cannot be made again, because its namespace is gone, too. */
  get gone(): boolean {
    return this.#gone;
  }

  /** Takes or renews the Lease; false when another holds it or the API failed (logged). */
  async attempt(ctx: Context): Promise<boolean> {
    try {
      return await this.#attempt(ctx);
    } catch (error) {
      this.#gone = hasCode(error, 'NotFound');
      const { namespace, name } = this.#options;
      // What follows from a Lease that is gone is said by who loses it.
      if (!ctx.signal.aborted && !(this.#gone && this.#observed !== undefined))
        ctx.log.warn('the lease cannot be taken or renewed now, trying again', {
          lease: `${namespace}/${name}`,
          error,
        });
      return false;
    }
  }

  async release(ctx: Context): Promise<void> {
    const { client, identity } = this.#options;
    const current = await client.get(ctx, leases, this.#key());
    if (current.spec?.holderIdentity !== identity) return;
    const now = kubeMicroTime(ctx.clock.now());
    const spec = {
      leaseDurationSeconds: 1,
      renewTime: now,
      acquireTime: now,
      leaseTransitions: current.spec.leaseTransitions ?? 0,
      holderIdentity: '',
    };
    await client.update(ctx, leases, { ...current, spec });
  }

  async #attempt(ctx: Context): Promise<boolean> {
    const { client, identity } = this.#options;
    const current = await this.#read(ctx);
    if (current === undefined) {
      this.#observe(ctx, await client.create(ctx, leases, this.#fresh(ctx, 0)));
      return true;
    }
    if (!jsonEqual(current.spec, this.#observed?.spec)) this.#observe(ctx, current);
    const holder = current.spec?.holderIdentity ?? '';
    if (holder !== '' && holder !== identity && !this.#expired(ctx, current)) return false;
    const transitions = (current.spec?.leaseTransitions ?? 0) + (holder === identity ? 0 : 1);
    const wanted = this.#fresh(ctx, transitions);
    const acquireTime = holder === identity ? current.spec?.acquireTime : undefined;
    const spec = { ...wanted.spec, ...(acquireTime === undefined ? {} : { acquireTime }) };
    this.#observe(ctx, await client.update(ctx, leases, { ...current, spec }));
    return true;
  }

  async #read(ctx: Context): Promise<Lease | undefined> {
    try {
      return await this.#options.client.get(ctx, leases, this.#key());
    } catch (error) {
      if (hasCode(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  #expired(ctx: Context, current: Lease): boolean {
    const durationMs = (current.spec?.leaseDurationSeconds ?? 0) * 1000;
    return ctx.clock.monotonic() - this.#observedMs > durationMs;
  }

  #observe(ctx: Context, lease: Lease): void {
    this.#observed = lease;
    this.#observedMs = ctx.clock.monotonic();
    const holder = lease.spec?.holderIdentity ?? '';
    if (holder === this.#leader || holder === '') return;
    this.#leader = holder;
    this.#options.onNewLeader?.(holder);
  }

  #fresh(ctx: Context, leaseTransitions: number): Lease {
    const { identity, leaseDurationMs = 15_000, namespace, name } = this.#options;
    const now = kubeMicroTime(ctx.clock.now());
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { namespace, name },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: Math.ceil(leaseDurationMs / 1000),
        acquireTime: now,
        renewTime: now,
        leaseTransitions,
      },
    };
  }

  #key(): { readonly namespace: string; readonly name: string } {
    return { namespace: this.#options.namespace, name: this.#options.name };
  }
}
