/** The continue token of a list (apiserver storage/continue.go): where to go on, and at which revision. */
import { statusError } from '@polyanthus/kube-objects/status';

export interface ContinueToken {
  /** -1: whatever is current. */
  readonly revision: number;
  /** Key of the next object, relative to the collection. */
  readonly start: string;
}

export function writeToken(revision: number, start: string): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: revision, start })).toString('base64url');
}

/** Throws BadRequest for anything that `writeToken` did not make; `current` is the store's revision. */
export function readToken(token: string, current: number): ContinueToken {
  const refuse = (why: string): Error =>
    statusError('BadRequest', `invalid continue token: continue key is not valid: ${why}`);
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(token, 'base64url').toString());
  } catch {
    throw refuse('illegal base64 data at input byte 0');
  }
  const { v, rv, start } = (value ?? {}) as { v?: unknown; rv?: unknown; start?: unknown };
  if (v !== 'meta.k8s.io/v1') throw refuse(`server does not recognize this encoded version ${JSON.stringify(v ?? '')}`);
  if (typeof rv !== 'number' || !Number.isSafeInteger(rv) || rv < -1 || rv === 0 || rv > current)
    throw refuse(`incorrect encoded start resourceVersion (version meta.k8s.io/v1)`);
  if (typeof start !== 'string' || start === '' || start.startsWith('/') || start.split('/').includes('..'))
    throw refuse('no start key or one outside of the collection');
  return { revision: rv, start };
}
