/** The agent's life: one tunnel, always; a second while the hub drains the first; a certificate that never runs out. */
import { setMaxListeners } from 'node:events';
import { sleep, withCancel, type Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { backoffMs, type RetryPolicy } from '@polyanthus/ground-base/retry';
import { parseCertificate } from '@polyanthus/ground-pki/certificate';
import { dialTunnel, type AgentTunnel, type DialOptions } from './agent-tunnel.ts';
import { defaultHeartbeat, type HeartbeatOptions } from './liveness.ts';
import type { HubMessage } from './wire.ts';

/** What the tunnel role of the agent is built from; times in milliseconds. */
export interface RunTunnelAgentOptions extends Omit<
  DialOptions,
  'instance' | 'heartbeat' | 'helloTimeoutMs' | 'onMessage'
> {
  readonly heartbeat?: HeartbeatOptions;
  readonly helloTimeoutMs?: number;
  readonly backoff?: RetryPolicy;
  /** A new request for the same key, and where the new certificate goes; absent: certificates are renewed elsewhere. */
  readonly renewal?: {
    readonly csr: () => Promise<string>;
    readonly store: (certificatePem: string) => Promise<void>;
    readonly beforeMs: number;
  };
  /** Told that the hub refused key or certificate, before the next dial: the moment to enrol again. */
  readonly onRefused?: () => Promise<void>;
  /** Told when a tunnel serves and when it is gone. */
  readonly onTunnel?: (tunnel: AgentTunnel, open: boolean) => void;
}

/** Full jitter, for ever: a hub that returns is not met by all agents at once. */
export const defaultBackoff: RetryPolicy = {
  initialMs: 500,
  maxMs: 30_000,
  factor: 2,
  jitter: 1,
  attempts: Number.POSITIVE_INFINITY,
};

/** A tunnel that lived so long has shown that dialling works, so that backoff begins anew. */
const settledMs = 10_000;
/** A drained tunnel that the hub does not close is closed from here. */
const drainedMs = 120_000;

/** Keeps a tunnel to the hub until `ctx` is cancelled; then lets requests under way end and returns. Never throws for trouble on the way. */
export async function runTunnelAgent(ctx: Context, options: RunTunnelAgentOptions): Promise<void> {
  setMaxListeners(0, ctx.signal);
  const agent = new Agent(ctx, options);
  while (!ctx.signal.aborted) await agent.round();
}

class Agent {
  readonly #ctx: Context;
  readonly #options: RunTunnelAgentOptions;
  readonly #instance: string;
  #attempt = 0;

  constructor(ctx: Context, options: RunTunnelAgentOptions) {
    this.#ctx = ctx;
    this.#options = options;
    this.#instance = options.random.uuid();
  }

  /** Dials, and returns when another tunnel is wanted. */
  async round(): Promise<void> {
    const startedMs = this.#ctx.clock.monotonic();
    let wanted: 'drain' | 'replaced' | undefined;
    try {
      wanted = await this.#serveOnce();
    } catch (error) {
      if (this.#ctx.signal.aborted) return;
      this.#ctx.log.warn('no tunnel to the hub, dialling again', { attempt: this.#attempt + 1, error });
      if (hasCode(error, 'TunnelRefused')) await this.#refused();
    }
    if (wanted === 'drain') return;
    if (this.#ctx.clock.monotonic() - startedMs >= settledMs) this.#attempt = 0;
    await this.#pause(wanted === 'replaced');
  }

  async #refused(): Promise<void> {
    try {
      await this.#options.onRefused?.();
    } catch (error) {
      this.#ctx.log.error('the agent could not enrol again', { error });
    }
  }

  async #pause(longest: boolean): Promise<void> {
    const policy = this.#options.backoff ?? defaultBackoff;
    this.#attempt++;
    const delayMs = longest ? policy.maxMs : backoffMs(policy, this.#attempt, this.#options.random);
    await sleep(this.#ctx, delayMs).catch(() => undefined);
  }

  async #serveOnce(): Promise<'drain' | 'replaced' | undefined> {
    const asked = Promise.withResolvers<'drain' | 'replaced'>();
    const tunnel = await dialTunnel(this.#ctx, {
      ...this.#options,
      instance: this.#instance,
      heartbeat: this.#options.heartbeat ?? defaultHeartbeat,
      helloTimeoutMs: this.#options.helloTimeoutMs ?? 15_000,
      onMessage: (message) => this.#hear(message, asked.resolve),
    });
    this.#ctx.log.info('tunnel to the hub is open', { epoch: tunnel.epoch, version: tunnel.version });
    this.#options.onTunnel?.(tunnel, true);
    const scope = withCancel(this.#ctx);
    void tunnel.closed.then(() => {
      scope.cancel();
      this.#options.onTunnel?.(tunnel, false);
    });
    void this.#renew(scope.ctx, tunnel);
    const wanted = await Promise.race([asked.promise, tunnel.closed.then(() => undefined)]);
    if (wanted !== undefined) void this.#leave(tunnel);
    return wanted;
  }

  #hear(message: HubMessage, want: (what: 'drain' | 'replaced') => void): void {
    switch (message.type) {
      case 'drain':
        this.#ctx.log.info('the hub asks for another tunnel', { reason: message.reason });
        return want('drain');
      case 'replaced':
        this.#ctx.log.warn('another agent with the same key has taken over; run one agent a cluster', {
          instance: message.instance,
        });
        return want('replaced');
      case 'certificate':
        void this.#options.renewal
          ?.store(message.certificatePem)
          .catch((error: unknown) => this.#ctx.log.error('the renewed certificate could not be kept', { error }));
        return;
      case 'renewalRefused':
        this.#ctx.log.error('the hub refused to renew the certificate', { reason: message.message });
    }
  }

  /** The hub closes a drained tunnel when its requests have ended; this is for a hub that forgets. */
  async #leave(tunnel: AgentTunnel): Promise<void> {
    const scope = withCancel(this.#ctx);
    await Promise.race([tunnel.closed, sleep(scope.ctx, drainedMs).catch(() => undefined)]);
    scope.cancel();
    tunnel.finish();
  }

  async #renew(ctx: Context, tunnel: AgentTunnel): Promise<void> {
    const { renewal, credentials } = this.#options;
    if (renewal === undefined) return;
    try {
      for (;;) {
        const { certificatePem } = await credentials();
        const waitMs = parseCertificate(certificatePem).notAfterMs - renewal.beforeMs - ctx.clock.now();
        if (waitMs <= 0) tunnel.send({ type: 'renew', csrPem: await renewal.csr() });
        await sleep(ctx, Math.min(Math.max(waitMs, 60_000), 6 * 3_600_000));
      }
    } catch (error) {
      if (!ctx.signal.aborted) this.#ctx.log.error('the certificate could not be renewed', { error });
    }
  }
}
