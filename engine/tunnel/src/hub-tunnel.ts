/** One tunnel at the hub: admission, the limit on stalled readers, the control stream, and its end. */
import type { ClientHttp2Session } from 'node:http2';
import type { Duplex } from 'node:stream';
import { withCancel, type Context } from '@polyanthus/ground-base/context';
import { BoundedQueue } from '@polyanthus/ground-base/queue';
import type { HttpRequest, HttpResponse, Transport, UpgradeResult } from '@polyanthus/ground-http/message';
import { Admission, isLongLived, type AdmissionLimits } from './admission.ts';
import { keepAlive, type HeartbeatOptions, type Liveness } from './liveness.ts';
import { readLines } from './lines.ts';
import { requestOn, upgradeOn, type StreamOptions } from './session-transport.ts';
import { Stalls, type StallLimits } from './stalls.ts';
import { resetStream } from './stream-body.ts';
import { controlAuthority, encodeLine, probeHeader, type AgentMessage, type HubMessage } from './wire.ts';

/** Who is at the other end, as the handshake proved it. */
export interface TunnelIdentity {
  readonly membershipUid: string;
  /** `fleet/name`. */
  readonly membership: string;
  readonly keyHash: string;
  readonly epoch: number;
  readonly instance: string;
  readonly agentVersion: string;
  readonly version: number;
}

/** Limits and times (milliseconds) of one tunnel. */
export interface HubTunnelOptions {
  readonly admission: AdmissionLimits;
  readonly stalls: StallLimits;
  readonly heartbeat: HeartbeatOptions;
  /** Time that the streams of a retired tunnel get to end by themselves. */
  readonly retireMs: number;
  /** Answers a renewal: the new certificate, or throws with the reason. */
  readonly renew: (ctx: Context, identity: TunnelIdentity, csrPem: string) => Promise<string>;
}

/** One agent's connection as a Transport. Errors: TunnelAway, TunnelBusy, ConnectionBroken, Cancelled. */
export class HubTunnel implements Transport {
  readonly identity: TunnelIdentity;
  /** Resolves when the session is over. */
  readonly closed: Promise<void>;
  readonly #ctx: Context;
  readonly #cancel: () => void;
  readonly #session: ClientHttp2Session;
  readonly #options: HubTunnelOptions;
  readonly #admission: Admission;
  readonly #stalls: Stalls;
  readonly #liveness: Liveness;
  readonly #outbox = new BoundedQueue<Uint8Array>(64);
  #retired = false;

  constructor(
    ctx: Context,
    session: ClientHttp2Session,
    connection: Duplex,
    identity: TunnelIdentity,
    options: HubTunnelOptions,
  ) {
    const scope = withCancel(ctx);
    this.#ctx = scope.ctx;
    this.#cancel = scope.cancel;
    this.#session = session;
    this.#options = options;
    this.identity = identity;
    this.#admission = new Admission(ctx.clock, options.admission);
    this.#stalls = new Stalls(ctx.clock, options.stalls);
    this.closed = new Promise((resolve) => session.once('close', resolve));
    void this.closed.then(() => this.#end());
    scope.ctx.signal.addEventListener('abort', () => session.destroy(), { once: true });
    this.#liveness = keepAlive(ctx.clock, session, connection, options.heartbeat);
    void this.#control().catch((error: unknown) => {
      if (!session.destroyed)
        ctx.log.warn('the control stream of a tunnel ended', { membership: identity.membership, error });
      if (!this.#retired) session.destroy();
    });
  }

  /** Whether new requests may go here. */
  get open(): boolean {
    return !this.#session.closed && !this.#session.destroyed;
  }

  get retired(): boolean {
    return this.#retired;
  }

  get counts(): Admission['counts'] {
    return this.#admission.counts;
  }

  async request(ctx: Context, request: HttpRequest): Promise<HttpResponse> {
    const options = await this.#enter(ctx, isLongLived(request));
    return requestOn(ctx, this.#session, request, options);
  }

  async upgrade(ctx: Context, request: HttpRequest): Promise<UpgradeResult> {
    const options = await this.#enter(ctx, true);
    return upgradeOn(ctx, this.#session, request, options);
  }

  /** A GET of the hub itself for the member's health, which the agent answers as itself: `/livez`, `/readyz`, `/healthz`, `/version`. */
  async probe(ctx: Context, path: string): Promise<HttpResponse> {
    const options = await this.#enter(ctx, false);
    return requestOn(
      ctx,
      this.#session,
      { method: 'GET', url: path, headers: {}, body: null },
      { ...options, own: { [probeHeader]: '1' } },
    );
  }

  /** Asks the agent to open another tunnel before this one closes. */
  drain(reason: string): void {
    this.#outbox.push(encodeLine({ type: 'drain', reason }));
  }

  /** Tells the agent that another process has taken over with its key. */
  tellReplaced(instance: string): void {
    this.#outbox.push(encodeLine({ type: 'replaced', instance }));
  }

  /** No new requests; those under way end by themselves within the options' time, then the session is closed. */
  retire(): void {
    if (this.#retired) return;
    this.#retired = true;
    this.#outbox.close();
    this.#session.close();
    const timer = this.#ctx.clock.after(this.#options.retireMs, () => this.#session.destroy(), { unref: true });
    void this.closed.then(() => timer.cancel());
  }

  /** Ends it now; answers under way break. */
  async close(): Promise<void> {
    this.#session.destroy();
    await this.closed;
  }

  async #enter(ctx: Context, longLived: boolean): Promise<StreamOptions> {
    const release = await this.#admission.enter(ctx, longLived);
    this.#liveness.ask();
    const reset = this.#stalls.enforce();
    if (reset > 0)
      this.#ctx.log.warn('stalled streams were reset', { membership: this.identity.membership, count: reset });
    let abort = (): void => undefined;
    const pace = this.#stalls.follow(() => abort());
    return {
      pace,
      onStream: (stream) => (abort = () => resetStream(stream, new Error('the reader stalled'))),
      onClose: () => {
        pace.done();
        release();
      },
    };
  }

  async #control(): Promise<void> {
    const request = { method: 'POST', url: '/', headers: {}, body: this.#outbox };
    const answer = await requestOn(this.#ctx, this.#session, request, { authority: controlAuthority });
    for await (const line of readLines(answer.body)) await this.#hear(line as AgentMessage);
  }

  async #hear(message: AgentMessage): Promise<void> {
    if (message.type !== 'renew' || typeof message.csrPem !== 'string') return;
    this.#outbox.push(encodeLine(await this.#renewal(message.csrPem)));
  }

  async #renewal(csrPem: string): Promise<HubMessage> {
    try {
      return { type: 'certificate', certificatePem: await this.#options.renew(this.#ctx, this.identity, csrPem) };
    } catch (error) {
      return { type: 'renewalRefused', message: error instanceof Error ? error.message : 'unknown reason' };
    }
  }

  #end(): void {
    this.#outbox.close();
    this.#cancel();
  }
}
