/** The hub's end of all tunnels: takes agents in, and gives a Transport for every membership, whoever holds its tunnel. */
import type { Duplex } from 'node:stream';
import { sleep, withTimeout, type Context } from '@polyanthus/ground-base/context';
import { describeError } from '@polyanthus/ground-base/log';
import type { Handler, Peer, ServerRequest, ServerResponse, Transport } from '@polyanthus/ground-http/message';
import { defaultAdmission, type AdmissionLimits } from './admission.ts';
import { tunnelErrors } from './errors.ts';
import { openClientSession } from './h2.ts';
import { acceptAgent, type AcceptOptions } from './hub-accept.ts';
import { HubTunnel, type TunnelIdentity } from './hub-tunnel.ts';
import { defaultHeartbeat, type HeartbeatOptions } from './liveness.ts';
import { memberVia } from './replica-client.ts';
import { defaultStalls, type StallLimits } from './stalls.ts';
import { acceptSocket, isTunnelRequest } from './tunnel-socket.ts';

/** What a hub replica is built from; times in milliseconds. */
export interface TunnelHubOptions extends AcceptOptions {
  /** This replica's name, as the directory knows it. */
  readonly replica: string;
  /** Reaches another replica's internal port with the hub's internal client certificate; undefined: it is unknown. */
  readonly replicaTransport: (replica: string) => Transport | undefined;
  /** Signs a renewal for a proven agent; throws with the reason otherwise. */
  readonly renew: (ctx: Context, identity: TunnelIdentity, csrPem: string) => Promise<string>;
  readonly admission?: AdmissionLimits;
  readonly stalls?: StallLimits;
  readonly heartbeat?: HeartbeatOptions;
  readonly helloTimeoutMs?: number;
  readonly retireMs?: number;
  /** Time that a request is held while the tunnel is being moved by a drain that this hub announced. */
  readonly drainHoldMs?: number;
  /** Told of an agent whose first words were not good; its connection was a 101. */
  readonly onRefused?: (peerAddress: string, reason: string) => void;
  /** Told of every tunnel that opened or closed. */
  readonly onChange?: (identity: TunnelIdentity, open: boolean) => void;
}

/** All tunnels of one replica, and the way to those of the others. */
export interface TunnelHub {
  /** Serves GET `/tunnel/v1/connect`; anything else is 404. */
  readonly handleUpgrade: Handler;
  /** Errors of its calls: TunnelAway, TunnelBusy, TunnelLoop, and those of ground/http. */
  transportTo(membershipUid: string): Transport;
  /** This replica's own tunnel, or undefined: for forwarded requests. */
  localTunnel(membershipUid: string): HubTunnel | undefined;
  /** The same; when an agent is in its first words, or a drain moves the tunnel, it waits a moment for it. */
  localTunnelSoon(ctx: Context, membershipUid: string): Promise<HubTunnel | undefined>;
  /** Asks agents (all, or one member's) to open another tunnel first; `stopAccepting` sends them to other replicas. */
  drain(reason: string, options?: { readonly membershipUid?: string; readonly stopAccepting?: boolean }): void;
  tunnels(): readonly HubTunnel[];
  /** Closes the tunnels whose key is no longer that of their membership: call it when Memberships change. Gives how many. */
  recheck(ctx: Context): Promise<number>;
  /** Ends all tunnels at once; resolves when the directory knows. */
  close(): Promise<void>;
}

/** Agents that may be in their first words at the same time. */
const helloMax = 256;

/** Builds it; `ctx` ends all of its tunnels. */
export function createTunnelHub(ctx: Context, options: TunnelHubOptions): TunnelHub {
  const hub = new Hub(ctx, options);
  return {
    handleUpgrade: (_ctx, request) => hub.handle(request),
    transportTo: (membershipUid) => ({
      request: async (inner, request) => (await hub.route(inner, membershipUid)).request(inner, request),
      upgrade: async (inner, request) => (await hub.route(inner, membershipUid)).upgrade(inner, request),
      close: async () => undefined,
    }),
    localTunnel: (membershipUid) => hub.local(membershipUid),
    localTunnelSoon: (inner, membershipUid) => hub.localSoon(inner, membershipUid),
    drain: (reason, drainOptions = {}) => hub.drain(reason, drainOptions),
    tunnels: () => [...hub.all],
    recheck: (inner) => hub.recheck(inner),
    close: () => hub.close(),
  };
}

class Hub {
  readonly all = new Set<HubTunnel>();
  readonly #ctx: Context;
  readonly #options: TunnelHubOptions;
  readonly #current = new Map<string, HubTunnel>();
  /** Until when (monotonic) a member without a tunnel is worth a short wait. */
  readonly #draining = new Map<string, number>();
  /** Members whose agent has made this replica the holder, but whose tunnel is not open yet: how many of each. */
  readonly #arriving = new Map<string, number>();
  readonly #waiting = new Set<() => void>();
  /** Each resolves when the directory knows that a tunnel has ended. */
  readonly #open = new Set<Promise<void>>();
  #greeting = 0;
  #accepting = true;

  constructor(ctx: Context, options: TunnelHubOptions) {
    this.#ctx = ctx;
    this.#options = options;
  }

  async handle(request: ServerRequest): Promise<ServerResponse> {
    if (!isTunnelRequest(request)) return plain(404, 'not found');
    if (!this.#accepting) return plain(503, 'this replica is stopping; dial again to reach another one');
    if (this.#greeting >= helloMax) return plain(503, 'too many agents connect at the same time; dial again');
    return acceptSocket(this.#ctx, request, (connection) => {
      this.#greeting++;
      void this.#take(connection, request.peer).catch((error: unknown) => {
        connection.destroy();
        this.#options.onRefused?.(request.peer.address, describeError(error));
        this.#ctx.log.warn('an agent was not accepted', { peer: request.peer.address, error });
      });
    });
  }

  async #take(connection: Duplex, peer: Peer): Promise<void> {
    const { tunnel, identity } = await this.#greet(connection, peer).finally(() => this.#greeting--);
    this.all.add(tunnel);
    const before = this.#current.get(identity.membershipUid);
    this.#current.set(identity.membershipUid, tunnel);
    if (before !== undefined) {
      if (before.identity.instance !== identity.instance) before.tellReplaced(identity.instance);
      before.retire();
    }
    this.#draining.delete(identity.membershipUid);
    for (const wake of this.#waiting) wake();
    this.#options.onChange?.(identity, true);
    this.#ctx.log.info('tunnel opened', {
      membership: identity.membership,
      epoch: identity.epoch,
      agentVersion: identity.agentVersion,
    });
    const ended = tunnel.closed.then(() => this.#forget(tunnel));
    this.#open.add(ended);
    await ended
      .catch((error: unknown) =>
        this.#ctx.log.warn('the end of a tunnel could not be recorded', { membership: identity.membership, error }),
      )
      .finally(() => this.#open.delete(ended));
  }

  async #greet(
    connection: Duplex,
    peer: Peer,
  ): Promise<{ readonly tunnel: HubTunnel; readonly identity: TunnelIdentity }> {
    const arrived: string[] = [];
    const claim = async (ctx: Context, membershipUid: string): Promise<number> => {
      arrived.push(membershipUid);
      this.#arriving.set(membershipUid, (this.#arriving.get(membershipUid) ?? 0) + 1);
      return this.#options.directory.claim(ctx, membershipUid);
    };
    const options = { ...this.#options, directory: { claim } };
    const greeted = withTimeout(
      this.#ctx,
      this.#options.helloTimeoutMs ?? 10_000,
      "the agent's first words",
      async (ctx) => {
        const identity = await acceptAgent(ctx, connection, peer, options);
        const session = await openClientSession(connection);
        const tunnel = new HubTunnel(this.#ctx, session, connection, identity, {
          admission: this.#options.admission ?? defaultAdmission,
          stalls: this.#options.stalls ?? defaultStalls,
          heartbeat: this.#options.heartbeat ?? defaultHeartbeat,
          retireMs: this.#options.retireMs ?? 60_000,
          renew: this.#options.renew,
        });
        return { tunnel, identity };
      },
    );
    return greeted.finally(() => arrived.forEach((membershipUid) => this.#arrived(membershipUid)));
  }

  #arrived(membershipUid: string): void {
    const left = (this.#arriving.get(membershipUid) ?? 1) - 1;
    if (left === 0) this.#arriving.delete(membershipUid);
    else this.#arriving.set(membershipUid, left);
  }

  async #forget(tunnel: HubTunnel): Promise<void> {
    const { identity } = tunnel;
    this.all.delete(tunnel);
    this.#options.onChange?.(identity, false);
    this.#ctx.log.info('tunnel closed', { membership: identity.membership, epoch: identity.epoch });
    if (this.#current.get(identity.membershipUid) !== tunnel) return;
    this.#current.delete(identity.membershipUid);
    await this.#options.directory.release(this.#ctx, identity.membershipUid, identity.epoch);
  }

  local(membershipUid: string): HubTunnel | undefined {
    const tunnel = this.#current.get(membershipUid);
    return tunnel?.open === true ? tunnel : undefined;
  }

  async route(ctx: Context, membershipUid: string): Promise<Transport> {
    const found =
      this.local(membershipUid) ??
      (await this.#elsewhere(ctx, membershipUid)) ??
      (await this.#held(ctx, membershipUid, () => this.#elsewhere(ctx, membershipUid)));
    if (found === undefined) throw tunnelErrors.error('TunnelAway', 'the agent has no connection to the hub');
    return found;
  }

  async #elsewhere(ctx: Context, membershipUid: string): Promise<Transport | undefined> {
    const holder = await this.#options.directory.holderOf(ctx, membershipUid);
    if (holder === undefined || holder.replica === this.#options.replica) return undefined;
    const replica = this.#options.replicaTransport(holder.replica);
    return replica === undefined ? undefined : memberVia(replica, membershipUid);
  }

  localSoon(ctx: Context, membershipUid: string): Promise<HubTunnel | undefined> {
    const now = this.local(membershipUid);
    return now === undefined ? this.#held(ctx, membershipUid, async () => undefined) : Promise.resolve(now);
  }

  /** While an agent arrives here, or a drain that we announced moves its tunnel: here, or to another replica. */
  async #held<T>(
    ctx: Context,
    membershipUid: string,
    elsewhere: () => Promise<T | undefined>,
  ): Promise<HubTunnel | T | undefined> {
    const startMs = ctx.clock.monotonic();
    const holdMs = this.#options.drainHoldMs ?? 500;
    const worthIt = (): boolean =>
      this.#arriving.has(membershipUid) || ctx.clock.monotonic() < (this.#draining.get(membershipUid) ?? 0);
    while (worthIt() && ctx.clock.monotonic() < startMs + holdMs) {
      await this.#nextTunnel(ctx, Math.min(50, startMs + holdMs - ctx.clock.monotonic()));
      const found = this.local(membershipUid) ?? (await elsewhere());
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async #nextTunnel(ctx: Context, waitMs: number): Promise<void> {
    let wake = (): void => undefined;
    const opened = new Promise<void>((resolve) => (wake = resolve));
    this.#waiting.add(wake);
    try {
      await Promise.race([opened, sleep(ctx, waitMs)]);
    } finally {
      this.#waiting.delete(wake);
    }
  }

  drain(reason: string, options: { readonly membershipUid?: string; readonly stopAccepting?: boolean }): void {
    if (options.stopAccepting === true) this.#accepting = false;
    for (const tunnel of this.#current.values()) {
      if (options.membershipUid !== undefined && tunnel.identity.membershipUid !== options.membershipUid) continue;
      this.#draining.set(tunnel.identity.membershipUid, this.#ctx.clock.monotonic() + 60_000);
      tunnel.drain(reason);
    }
  }

  async recheck(ctx: Context): Promise<number> {
    let closed = 0;
    for (const tunnel of this.all) {
      const member = await this.#options.store.memberOfKey(ctx, tunnel.identity.keyHash);
      if (member?.membershipUid === tunnel.identity.membershipUid) continue;
      closed++;
      await tunnel.close();
    }
    return closed;
  }

  async close(): Promise<void> {
    this.#accepting = false;
    await Promise.all([...this.all].map((tunnel) => tunnel.close()));
    await Promise.allSettled(this.#open);
  }
}

function plain(status: number, message: string): ServerResponse {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: Buffer.from(`${message}\n`) };
}
