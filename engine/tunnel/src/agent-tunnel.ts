/** One tunnel at the agent: dials, says the first words, serves, and hears what the hub announces. */
import type { KeyObject } from 'node:crypto';
import type { ServerHttp2Session } from 'node:http2';
import type { Duplex } from 'node:stream';
import { withCancel, withTimeout, type Context } from '@polyanthus/ground-base/context';
import { BoundedQueue } from '@polyanthus/ground-base/queue';
import type { Random } from '@polyanthus/ground-base/random';
import type { Body, Transport } from '@polyanthus/ground-http/message';
import { signWith } from './agent-key.ts';
import { serveMember } from './agent-serve.ts';
import { tunnelErrors } from './errors.ts';
import { openServerSession } from './h2.ts';
import { asChallenge, asVerdict, readMessage, signedBytes, spokenVersions, writeMessage } from './hello.ts';
import { readLines } from './lines.ts';
import { keepAlive, type HeartbeatOptions } from './liveness.ts';
import { dialSocket } from './tunnel-socket.ts';
import { encodeLine, type AgentMessage, type HubMessage } from './wire.ts';

/** What the agent proves itself with; asked before every dial, so that a renewed certificate is used at once. */
export interface AgentCredentials {
  readonly privateKey: KeyObject;
  readonly certificatePem: string;
}

/** What one dial of the agent needs. */
export interface DialOptions {
  /** Reaches the hub: `createTransport({ baseUrl, tls, proxyEnvironment })`. */
  readonly hub: Transport;
  readonly hubId: string;
  /** `fleet/name`, or empty: what the agent believes to be. */
  readonly membership: string;
  readonly agentVersion: string;
  /** Of this process. */
  readonly instance: string;
  readonly credentials: () => Promise<AgentCredentials>;
  /** Reaches the member's kube-apiserver with the agent's own credentials. */
  readonly member: Transport;
  readonly random: Random;
  readonly heartbeat: HeartbeatOptions;
  readonly helloTimeoutMs: number;
  readonly onMessage: (message: HubMessage) => void;
  /** For tests of version negotiation. */
  readonly versions?: readonly number[];
}

/** An open tunnel as the agent sees it. */
export interface AgentTunnel {
  readonly membershipUid: string;
  readonly epoch: number;
  readonly version: number;
  /** Resolves when the session is over. */
  readonly closed: Promise<void>;
  /** False when too many words wait to be sent. */
  send(message: AgentMessage): boolean;
  /** No new requests; resolves when those under way have ended. */
  finish(): void;
  close(): void;
}

/** Opens a tunnel; resolves when it serves. Errors: TunnelRefused, TunnelProtocol, DeadlineExceeded, those of ground/http. */
export async function dialTunnel(ctx: Context, options: DialOptions): Promise<AgentTunnel> {
  return withTimeout(ctx, options.helloTimeoutMs, 'dialling the hub', async (inner) => {
    const connection = await dialSocket(inner, ctx, options.hub, options.random);
    try {
      const verdict = await introduce(inner, connection, options);
      const session = openServerSession(connection);
      return new Tunnel(ctx, session, connection, verdict, options);
    } catch (error) {
      connection.destroy();
      throw error;
    }
  });
}

interface Accepted {
  readonly membershipUid: string;
  readonly epoch: number;
  readonly version: number;
}

async function introduce(ctx: Context, connection: Duplex, options: DialOptions): Promise<Accepted> {
  const challenge = asChallenge(await readMessage(ctx, connection));
  const { privateKey, certificatePem } = await options.credentials();
  const nonce = Buffer.from(options.random.bytes(32)).toString('base64');
  const { hubId, instance, membership, agentVersion } = options;
  const bytes = signedBytes({ hubId, hubNonce: challenge.nonce, agentNonce: nonce, instance });
  const signature = signWith(privateKey, bytes);
  const versions = options.versions ?? spokenVersions;
  await writeMessage(ctx, connection, {
    versions,
    agentVersion,
    instance,
    membership,
    nonce,
    certificatePem,
    signature,
  });
  const verdict = asVerdict(await readMessage(ctx, connection));
  if (verdict.accepted) return verdict;
  throw tunnelErrors.error(
    verdict.code === 'TunnelProtocol' ? 'TunnelProtocol' : 'TunnelRefused',
    `the hub refused this agent: ${verdict.message}`,
  );
}

class Tunnel implements AgentTunnel {
  readonly membershipUid: string;
  readonly epoch: number;
  readonly version: number;
  readonly closed: Promise<void>;
  readonly #session: ServerHttp2Session;
  readonly #onMessage: (message: HubMessage) => void;
  readonly #outbox = new BoundedQueue<Uint8Array>(64);

  constructor(ctx: Context, session: ServerHttp2Session, connection: Duplex, accepted: Accepted, options: DialOptions) {
    this.membershipUid = accepted.membershipUid;
    this.epoch = accepted.epoch;
    this.version = accepted.version;
    this.#session = session;
    this.#onMessage = options.onMessage;
    const scope = withCancel(ctx);
    const onAbort = (): void => session.destroy();
    ctx.signal.addEventListener('abort', onAbort, { once: true });
    this.closed = new Promise((resolve) => {
      session.once('close', () => {
        ctx.signal.removeEventListener('abort', onAbort);
        this.#outbox.close();
        scope.cancel();
        connection.destroy();
        resolve();
      });
    });
    keepAlive(ctx.clock, session, connection, options.heartbeat);
    this.send({ type: 'ready' });
    serveMember(scope.ctx, session, { member: options.member, control: (inner, body) => this.#control(inner, body) });
    if (ctx.signal.aborted) onAbort();
  }

  send(message: AgentMessage): boolean {
    return this.#outbox.push(encodeLine(message));
  }

  finish(): void {
    this.#outbox.close();
    this.#session.close();
  }

  close(): void {
    this.#session.destroy();
  }

  #control(ctx: Context, body: Body): AsyncIterable<Uint8Array> {
    void this.#listen(body).catch((error: unknown) => {
      if (!ctx.signal.aborted) ctx.log.warn('the control stream ended', { error });
      this.#session.destroy();
    });
    return this.#outbox;
  }

  async #listen(body: Body): Promise<void> {
    for await (const line of readLines(body)) this.#onMessage(line as HubMessage);
    this.#outbox.close();
  }
}
