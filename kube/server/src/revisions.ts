/** resourceVersion as clients send it. */
import { StatusError, statusError } from '@polyanthus/kube-objects/status';
import type { Store } from './store/store.ts';

/** A resourceVersion as a number; empty is undefined. Throws BadRequest. */
export function parseRevision(text: string): number | undefined {
  if (text === '') return undefined;
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(Number(text)))
    throw statusError(
      'BadRequest',
      `invalid resource version: resourceVersion: Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`,
    );
  return Number(text);
}

/** Refuses a revision that does not exist yet, so that the client waits and asks again. */
export function requireKnownRevision(store: Store, text: string): number | undefined {
  const revision = parseRevision(text);
  if (revision === undefined || revision <= store.revision) return revision;
  throw statusError('Timeout', `Too large resource version: ${revision}, current: ${store.revision}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });
}

/** The 410 of a watch or list whose revision is gone. */
export function expired(message: string, continueToken?: string): StatusError {
  const error = statusError('Expired', message);
  if (continueToken === undefined) return error;
  return new StatusError({
    ...error.status,
    metadata: { continue: continueToken } as unknown as Record<string, never>,
  });
}
