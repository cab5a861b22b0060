/**
 * The keys of one OpenID Connect issuer: found by its discovery document, one fetch at a time whoever waits for it, again
 * every hour so that a withdrawn key ends, and at most once a minute when a token names a key that is not there.
 */
import { background, untilAborted, withTimeout, type Context } from '@polyanthus/ground-base/context';
import type { verifyJwt } from '@polyanthus/ground-pki/jwt';

export type KeySet = Parameters<typeof verifyJwt>[1];

export interface IssuerKeys {
  /** The keys, at most an hour old; up to a day when the issuer does not answer. Throws what the fetch threw. */
  current(ctx: Context): Promise<KeySet>;
  /** Newer keys than `known`, or `known` when it is too early to ask or the issuer does not answer. */
  newerThan(ctx: Context, known: KeySet): Promise<KeySet>;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const minuteMs = 60_000;
/** After a fetch that failed: soon again, since nobody can log in. */
const afterFailureMs = 1_000;
const fetchTimeoutMs = 10_000;
const keysMax = 100;

export interface IssuerKeysOptions {
  readonly issuer: string;
  readonly fetchJson: (ctx: Context, url: string) => Promise<unknown>;
}

export function createIssuerKeys(options: IssuerKeysOptions): IssuerKeys {
  let held: { readonly keys: KeySet; readonly atMs: number } | undefined;
  let failed: { readonly error: unknown; readonly atMs: number } | undefined;
  let running: Promise<void> | undefined;

  const run = async (ctx: Context): Promise<void> => {
    // Of the one that asked only log and clock: others wait for the same answer, so its giving up must not end it.
    const own = background({ log: ctx.log, clock: ctx.clock });
    try {
      const keys = await withTimeout(own, fetchTimeoutMs, `the keys of ${options.issuer}`, (inner) =>
        load(inner, options),
      );
      held = { keys, atMs: ctx.clock.monotonic() };
      failed = undefined;
    } catch (error) {
      failed = { error, atMs: ctx.clock.monotonic() };
      ctx.log.warn('keys of an issuer could not be fetched', { issuer: options.issuer, error });
    } finally {
      running = undefined;
    }
  };
  const fetchOnce = (ctx: Context): Promise<void> => {
    if (failed !== undefined && ctx.clock.monotonic() - failed.atMs < afterFailureMs) return Promise.resolve();
    running ??= run(ctx);
    return untilAborted(ctx, running);
  };
  const ageMs = (ctx: Context): number => (held === undefined ? Infinity : ctx.clock.monotonic() - held.atMs);

  return {
    current: async (ctx) => {
      if (ageMs(ctx) >= hourMs) await fetchOnce(ctx);
      if (held === undefined || ageMs(ctx) >= dayMs)
        throw new Error(`the keys of ${options.issuer} could not be fetched`, { cause: failed?.error });
      return held.keys;
    },
    newerThan: async (ctx, known) => {
      // Another request may have fetched them in the meantime.
      if (held?.keys === known && ageMs(ctx) >= minuteMs) await fetchOnce(ctx);
      return held?.keys ?? known;
    },
  };
}

async function load(ctx: Context, { issuer, fetchJson }: IssuerKeysOptions): Promise<KeySet> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const discovery = record(await fetchJson(ctx, url));
  const keysUrl = discovery?.['jwks_uri'];
  if (discovery?.['issuer'] !== issuer || typeof keysUrl !== 'string')
    throw new Error(`the discovery document of ${issuer} names another issuer or no jwks_uri`);
  const set = await fetchJson(ctx, keysUrl);
  const keys = record(set)?.['keys'];
  if (!Array.isArray(keys) || keys.length > keysMax || !keys.every((key) => record(key) !== undefined))
    throw new Error(`${keysUrl} is no key set of at most ${keysMax} keys`);
  return set as KeySet;
}

function record(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined;
}
