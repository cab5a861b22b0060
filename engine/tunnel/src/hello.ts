/**
 * The first words on a fresh connection, before HTTP/2: the hub sends a nonce, the agent signs it together with the id
 * of the hub it means to talk to, the hub says yes or no. Each message is a 4-byte length and JSON. In lockstep: nobody
 * speaks HTTP/2 before the last message is written (`writeMessage` waits for that).
 */
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { untilAborted, type Context } from '@polyanthus/ground-base/context';
import { tunnelErrors } from './errors.ts';

/** The versions that this build speaks: its own and its neighbours', the best first. */
export const spokenVersions: readonly number[] = [1];

/** Where the agent asks for the WebSocket, and the subprotocol that it names. */
export const tunnelPath = '/tunnel/v1/connect';
/** The WebSocket subprotocol; it does not change with the tunnel's version. */
export const tunnelSubprotocol = 'tunnel.polyanthus.dev';

const messageBytesMax = 64 * 1024;

/** First message, hub to agent. */
export interface Challenge {
  readonly versions: readonly number[];
  /** base64; used for this connection alone. */
  readonly nonce: string;
}

/** Second message, agent to hub. */
export interface Hello {
  readonly versions: readonly number[];
  readonly agentVersion: string;
  /** Of this process: two agents with one key can be told apart. */
  readonly instance: string;
  /** `fleet/name`, a claim: the key decides, and a claim that differs is refused. */
  readonly membership: string;
  /** base64; so that the hub cannot choose what is signed. */
  readonly nonce: string;
  /** PEM, from enrolment. */
  readonly certificatePem: string;
  /** base64, over `signedBytes`, by the certificate's key. */
  readonly signature: string;
}

/** Third message, hub to agent; the last before HTTP/2. */
export type Verdict =
  | { readonly accepted: true; readonly version: number; readonly membershipUid: string; readonly epoch: number }
  | { readonly accepted: false; readonly code: string; readonly message: string };

/** What the agent signs. `hubId` keeps another hub from passing the words on. */
export function signedBytes(parts: {
  readonly hubId: string;
  readonly hubNonce: string;
  readonly agentNonce: string;
  readonly instance: string;
}): Uint8Array {
  return Buffer.from(
    JSON.stringify(['polyanthus tunnel 1', parts.hubId, parts.hubNonce, parts.agentNonce, parts.instance]),
  );
}

/** The highest version that both speak, or undefined. */
export function agreeVersion(ours: readonly number[], theirs: readonly number[]): number | undefined {
  return ours.filter((version) => theirs.includes(version)).toSorted((a, b) => b - a)[0];
}

/** Resolves when the bytes are written to the connection. */
export async function writeMessage(
  ctx: Context,
  connection: Duplex,
  message: Challenge | Hello | Verdict,
): Promise<void> {
  const text = Buffer.from(JSON.stringify(message));
  const framed = Buffer.alloc(4 + text.length);
  framed.writeUInt32BE(text.length);
  text.copy(framed, 4);
  const written = new Promise<void>((resolve, reject) => {
    connection.write(framed, (error) => (error ? reject(ended(error)) : resolve()));
  });
  await untilAborted(ctx, written);
}

/** The next message; what follows it stays in the connection. */
export async function readMessage(ctx: Context, connection: Duplex): Promise<unknown> {
  const length = Buffer.from(await readExactly(ctx, connection, 4)).readUInt32BE();
  if (length === 0 || length > messageBytesMax) {
    throw tunnelErrors.error(
      'TunnelProtocol',
      `a first message of ${length} bytes is not between 1 and ${messageBytesMax}`,
    );
  }
  const text = await readExactly(ctx, connection, length);
  try {
    return JSON.parse(Buffer.from(text).toString('utf8')) as unknown;
  } catch (cause) {
    throw tunnelErrors.error('TunnelProtocol', 'a first message is not JSON', { cause });
  }
}

async function readExactly(ctx: Context, connection: Duplex, count: number): Promise<Uint8Array> {
  for (;;) {
    const piece = connection.read(count) as Uint8Array | null;
    if (piece !== null && piece.length === count) return piece;
    if (piece !== null || connection.readableEnded || connection.destroyed) throw ended();
    await untilAborted(
      ctx,
      Promise.race([once(connection, 'readable'), once(connection, 'close'), once(connection, 'end')]),
    ).catch((cause: unknown) => {
      throw ctx.signal.aborted ? cause : ended(cause);
    });
  }
}

function ended(cause?: unknown): Error {
  return tunnelErrors.error('TunnelProtocol', 'the connection ended during its first messages', { cause });
}

/** Checks the shape of what came; every text is bounded by the message's size. */
export function asChallenge(value: unknown): Challenge {
  const { versions, nonce } = fields(value);
  if (!isVersions(versions) || typeof nonce !== 'string') throw misshapen('challenge');
  return { versions, nonce };
}

const helloNames = ['agentVersion', 'instance', 'membership', 'nonce'] as const;
const helloProofs = ['certificatePem', 'signature'] as const;
/** Characters of what is written into logs and objects; `fleet/name` is at most 127. */
const helloNameMax = 256;
const isText = (value: unknown, charactersMax: number): boolean =>
  typeof value === 'string' && value.length <= charactersMax;

/** Likewise for the agent's answer. */
export function asHello(value: unknown): Hello {
  const all = fields(value);
  const whole =
    isVersions(all['versions']) &&
    helloNames.every((name) => isText(all[name], helloNameMax)) &&
    helloProofs.every((name) => isText(all[name], messageBytesMax));
  if (!whole) throw misshapen('hello');
  return all as unknown as Hello;
}

/** And for the hub's verdict. */
export function asVerdict(value: unknown): Verdict {
  const all = fields(value);
  const yes =
    all['accepted'] === true &&
    typeof all['version'] === 'number' &&
    typeof all['membershipUid'] === 'string' &&
    typeof all['epoch'] === 'number';
  const no = all['accepted'] === false && typeof all['code'] === 'string' && typeof all['message'] === 'string';
  if (!yes && !no) throw misshapen('verdict');
  return all as unknown as Verdict;
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function isVersions(value: unknown): value is number[] {
  return Array.isArray(value) && value.length <= 16 && value.every((one) => Number.isInteger(one));
}

function misshapen(what: string): Error {
  return tunnelErrors.error('TunnelProtocol', `the other end's ${what} has not the expected fields`);
}
