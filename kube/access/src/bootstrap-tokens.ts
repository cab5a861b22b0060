/** Bootstrap tokens: Secrets in kube-system that let a node introduce itself (kube plugin/pkg/auth/authenticator/token/bootstrap). */
import { createHash, timingSafeEqual } from 'node:crypto';
import {
  bootstrapTokenPrefix,
  bootstrapTokenType,
  secretText,
  tokenExpiryMs,
} from '@polyanthus/kube-kinds/bootstrap-tokens';
import type { Secret } from '@polyanthus/kube-kinds/core';
import { bearerToken, type Authenticator } from './authenticators.ts';
import type { UserInfo } from './user.ts';

const tokenPattern = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
const defaultGroup = 'system:bootstrappers';
const groupPattern = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

/**
 * Tokens `id.secret` whose Secret says `usage-bootstrap-authentication: true`: the user `system:bootstrap:<id>` in
 * `system:bootstrappers` and the Secret's `auth-extra-groups`. What is no good token is nobody: others may know it.
 */
export function bootstrapTokenAuthenticator(find: (name: string) => Secret | undefined): Authenticator {
  return async (ctx, { headers }) => {
    const [, id, secretPart] = tokenPattern.exec(bearerToken(headers) ?? '') ?? [];
    if (id === undefined || secretPart === undefined) return undefined;
    const secret = find(`${bootstrapTokenPrefix}${id}`);
    if (secret === undefined || !isGood(secret, id, secretPart, ctx.clock.now())) return undefined;
    return userOf(secret, id);
  };
}

function isGood(secret: Secret, id: string, secretPart: string, nowMs: number): boolean {
  return (
    secret.metadata.deletionTimestamp === undefined &&
    secret.type === bootstrapTokenType &&
    timingSafeEqual(sha256(secretText(secret, 'token-secret')), sha256(secretPart)) &&
    secretText(secret, 'token-id') === id &&
    tokenExpiryMs(secret) > nowMs &&
    secretText(secret, 'usage-bootstrap-authentication') === 'true'
  );
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Undefined when a group is none that a bootstrap token may give. */
function userOf(secret: Secret, id: string): UserInfo | undefined {
  const groups = secretText(secret, 'auth-extra-groups')
    .split(',')
    .map((group) => group.trim())
    .filter((group) => group !== '');
  if (!groups.every((group) => groupPattern.test(group))) return undefined;
  return { username: `system:bootstrap:${id}`, groups: [...new Set([defaultGroup, ...groups])] };
}
