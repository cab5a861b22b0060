/**
 * The directory of several replicas: each renews one Lease, which says that it lives and where its internal port is; a
 * Membership's status names the holder and changes only when the holder does (DESIGN section 4).
 */
import { background, sleep, withTimeout, type Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { KubeClient, ObjectKey } from '@polyanthus/kube-client/client';
import { leases, type Lease } from '@polyanthus/kube-kinds/core';
import { memberships, type Membership } from '@polyanthus/kube-kinds/own/fleet';
import type { TunnelDirectory } from './directory.ts';
import { tunnelErrors } from './errors.ts';

/** Where the Leases are and who this replica is; times in milliseconds. */
export interface LeaseDirectoryOptions {
  readonly client: KubeClient;
  /** Of the replicas' Leases. */
  readonly namespace: string;
  /** A DNS name, unique among the replicas: the pod's. */
  readonly replica: string;
  /** `https://address:port` of this replica's internal port. */
  readonly internalUrl: string;
  /** From the hub's informer; what it lacks is unknown. */
  readonly findMembership: (membershipUid: string) => Membership | undefined;
  readonly renewEveryMs?: number;
  /** A Lease that did not change for so long, by our own clock, is a dead replica. */
  readonly deadAfterMs?: number;
}

/** The directory, and its own loop. */
export interface LeaseDirectory extends TunnelDirectory {
  /** Renews our Lease and reads the others' until `ctx` is cancelled, then deletes ours. */
  run(ctx: Context): Promise<void>;
  /** The internal port of a live replica. */
  urlOf(replica: string): string | undefined;
}

const label = 'fleet.polyanthus.dev/hub-replica';
const urlAnnotation = 'fleet.polyanthus.dev/internal-url';
const claimAttempts = 8;
const meetEveryMs = 1_000;
const meetTimeoutMs = 2_000;
const leaseName = (replica: string): string => `polyanthus-hub-${replica}`;
/** A Lease is removed when it is dead for this many times `deadAfterMs`: 5 minutes. */
const forgetAfter = 20;

/** Builds it; nothing is alive before the first round of `run`. */
export function createLeaseDirectory(options: LeaseDirectoryOptions): LeaseDirectory {
  const directory = new Leases(options);
  return {
    run: (ctx) => directory.run(ctx),
    urlOf: (replica) => directory.alive.get(replica)?.url,
    holderOf: async (ctx, membershipUid) => {
      const holder = options.findMembership(membershipUid)?.status?.holder;
      if (holder === undefined || holder.replica === '') return undefined;
      await directory.meet(ctx, holder.replica);
      return directory.alive.has(holder.replica) ? holder : undefined;
    },
    claim: (ctx, membershipUid) => directory.claim(ctx, membershipUid),
    release: (ctx, membershipUid, epoch) => directory.release(ctx, membershipUid, epoch),
  };
}

interface Seen {
  readonly url: string;
  readonly renewTime: string;
  readonly atMs: number;
}

class Leases {
  readonly alive = new Map<string, Seen>();
  readonly #options: LeaseDirectoryOptions;
  readonly #seen = new Map<string, Seen>();
  readonly #meetings = new Map<string, { readonly atMs: number; readonly met: Promise<void> }>();

  constructor(options: LeaseDirectoryOptions) {
    this.#options = options;
  }

  async run(ctx: Context): Promise<void> {
    while (!ctx.signal.aborted) {
      await this.#round(ctx).catch((error: unknown) =>
        ctx.log.warn('the Lease of this replica was not renewed', { error }),
      );
      await sleep(ctx, this.#options.renewEveryMs ?? 5_000).catch(() => undefined);
    }
    const last: Context = { ...ctx, signal: AbortSignal.timeout(2_000) };
    await this.#options.client.delete(last, leases, this.#key()).catch(() => undefined);
  }

  async #round(ctx: Context): Promise<void> {
    await this.#renew(ctx);
    const { items } = await this.#options.client.list(ctx, leases, {
      namespace: this.#options.namespace,
      labelSelector: label,
    });
    const nowMs = ctx.clock.monotonic();
    const names = new Set<string>();
    for (const lease of items) {
      const replica = lease.spec?.holderIdentity ?? '';
      names.add(replica);
      this.#note(replica, lease, nowMs);
    }
    this.#meetings.clear();
    for (const replica of this.#seen.keys()) if (!names.has(replica)) this.#seen.delete(replica);
    this.alive.clear();
    const deadAfterMs = this.#options.deadAfterMs ?? 15_000;
    for (const [replica, seen] of this.#seen) if (nowMs - seen.atMs < deadAfterMs) this.alive.set(replica, seen);
    for (const lease of items) await this.#forgetDead(ctx, lease, nowMs);
  }

  /** Pods never come again under a name: what a killed one left is removed, unless it is renewed at this moment. */
  async #forgetDead(ctx: Context, lease: Lease, nowMs: number): Promise<void> {
    const seen = this.#seen.get(lease.spec?.holderIdentity ?? '');
    const { namespace, name = '', uid = '', resourceVersion = '' } = lease.metadata;
    if (seen === undefined || nowMs - seen.atMs < forgetAfter * (this.#options.deadAfterMs ?? 15_000)) return;
    await this.#options.client
      .delete(ctx, leases, { namespace, name }, { preconditions: { uid, resourceVersion } })
      .catch((error: unknown) => ctx.log.debug('the Lease of a dead replica was not removed', { name, error }));
  }

  /** A replica that is younger than our last round is looked up by itself, once a second at most. */
  async meet(ctx: Context, replica: string): Promise<void> {
    if (this.#seen.has(replica) || replica === this.#options.replica) return;
    const nowMs = ctx.clock.monotonic();
    const last = this.#meetings.get(replica);
    if (last !== undefined && nowMs - last.atMs < meetEveryMs) return last.met;
    const lasting = background({ log: ctx.log, clock: ctx.clock });
    const met = withTimeout(lasting, meetTimeoutMs, 'reading the Lease of a replica', (inner) =>
      this.#look(inner, replica),
    ).catch((error: unknown) => ctx.log.debug('a replica is not known', { replica, error }));
    this.#meetings.set(replica, { atMs: nowMs, met });
    return met;
  }

  async #look(ctx: Context, replica: string): Promise<void> {
    const { client, namespace } = this.#options;
    const lease = await client.get(ctx, leases, { namespace, name: leaseName(replica) });
    this.#note(replica, lease, ctx.clock.monotonic());
    const seen = this.#seen.get(replica);
    if (seen !== undefined) this.alive.set(replica, seen);
  }

  /** The clocks of replicas are not compared: a Lease lives while we see it change. */
  #note(replica: string, lease: Lease, nowMs: number): void {
    const renewTime = lease.spec?.renewTime ?? '';
    if (this.#seen.get(replica)?.renewTime === renewTime) return;
    this.#seen.set(replica, { url: lease.metadata.annotations?.[urlAnnotation] ?? '', renewTime, atMs: nowMs });
  }

  async #renew(ctx: Context): Promise<void> {
    const { client, replica, internalUrl, namespace, deadAfterMs = 15_000 } = this.#options;
    const renewTime = new Date(ctx.clock.now()).toISOString().replace('Z', '000Z');
    const spec = { holderIdentity: replica, leaseDurationSeconds: Math.ceil(deadAfterMs / 1000), renewTime };
    const metadata = { labels: { [label]: '' }, annotations: { [urlAnnotation]: internalUrl } };
    try {
      await client.patch(ctx, leases, this.#key(), { type: 'merge', body: { metadata, spec } });
    } catch (error) {
      if (!hasCode(error, 'NotFound')) throw error;
      await client.create(ctx, leases, {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { ...metadata, ...this.#key(), namespace },
        spec,
      });
    }
  }

  #key(): { readonly namespace: string; readonly name: string } {
    return { namespace: this.#options.namespace, name: leaseName(this.#options.replica) };
  }

  async claim(ctx: Context, membershipUid: string): Promise<number> {
    return this.#write(ctx, membershipUid, (holder) => ({
      replica: this.#options.replica,
      epoch: (holder?.epoch ?? 0) + 1,
    }));
  }

  /** The epoch stays in the object, so that the next claim is above it. */
  async release(ctx: Context, membershipUid: string, epoch: number): Promise<void> {
    await this.#write(ctx, membershipUid, (holder) => (holder?.epoch === epoch ? { replica: '', epoch } : undefined));
  }

  /** Compare-and-swap on the Membership's resourceVersion; gives the epoch that stands at last. */
  async #write(
    ctx: Context,
    membershipUid: string,
    change: (holder: Holding | undefined) => Holding | undefined,
  ): Promise<number> {
    const found = this.#options.findMembership(membershipUid);
    if (found === undefined) throw tunnelErrors.error('TunnelRefused', 'the membership of this agent was deleted');
    const key: ObjectKey = { namespace: found.metadata.namespace, name: found.metadata.name ?? '' };
    for (let attempt = 1; ; attempt++) {
      const live = await this.#options.client.get(ctx, memberships, key);
      if (live.metadata.uid !== membershipUid)
        throw tunnelErrors.error(
          'TunnelRefused',
          'the membership of this agent was deleted and another one has its name',
        );
      const holder = change(live.status?.holder);
      if (holder === undefined) return live.status?.holder?.epoch ?? 0;
      const body = { metadata: { resourceVersion: live.metadata.resourceVersion }, status: { holder } };
      try {
        await this.#options.client.patch(ctx, memberships, key, { type: 'merge', body }, { subresource: 'status' });
        return holder.epoch;
      } catch (error) {
        if (!hasCode(error, 'Conflict') || attempt === claimAttempts) throw error;
      }
    }
  }
}

interface Holding {
  readonly replica: string;
  readonly epoch: number;
}
