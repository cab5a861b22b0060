/** Who asks the hub and what they may do there: tokens by TokenReview, rights by RBAC from informers. */
import { createHash } from 'node:crypto';
import { background, untilAborted, withTimeout, type Context } from '@polyanthus/ground-base/context';
import type { ServerRequest } from '@polyanthus/ground-http/message';
import {
  bearerToken,
  clientCertificateAuthenticator,
  unauthorized,
  union,
  type Authenticator,
} from '@polyanthus/kube-access/authenticators';
import { createRbacAuthorizer, type RbacSource } from '@polyanthus/kube-access/rbac';
import type { Attributes, Decision, UserInfo } from '@polyanthus/kube-access/user';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { clusterRoleBindings, clusterRoles, roleBindings, roles } from '@polyanthus/kube-kinds/core';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { resourceType } from '@polyanthus/kube-objects/resource';
import type { Informers } from '@polyanthus/kube-runtime/informers';
import { joinKey } from '@polyanthus/kube-runtime/keys';

interface TokenReview extends KubeObject {
  readonly spec: { readonly token: string };
  readonly status?: {
    readonly authenticated?: boolean;
    readonly user?: {
      readonly username: string;
      readonly uid?: string;
      readonly groups?: readonly string[];
      readonly extra?: Readonly<Record<string, readonly string[]>>;
    };
  };
}
const tokenReviews = resourceType<TokenReview>('authentication.k8s.io', 'v1', 'tokenreviews', 'TokenReview', false);

/** A good answer is believed for this long, a bad one is never kept. */
const reviewTtlMs = 10_000;
const reviewTimeoutMs = 10_000;
const reviewsMax = 10_000;

interface Reviewed {
  readonly user: Promise<UserInfo>;
  /** By the monotonic clock. */
  readonly untilMs: number;
}

/**
 * Bearer tokens by the API's own TokenReview: the same on an embedded and on a real cluster. Of many requests with one
 * token, one asks and the others wait for its answer.
 */
export function tokenReviewAuthenticator(hubClient: KubeClient): Authenticator {
  const known = new Map<string, Reviewed>();
  return async (ctx, { headers }) => {
    const token = bearerToken(headers);
    if (token === undefined) return undefined;
    const key = createHash('sha256').update(token).digest('base64');
    const cached = known.get(key);
    if (cached !== undefined && cached.untilMs > ctx.clock.monotonic()) return untilAborted(ctx, cached.user);
    if (known.size >= reviewsMax) known.clear();
    // Not the caller's context: others wait for the same answer.
    const lasting = background({ log: ctx.log, clock: ctx.clock });
    const user = withTimeout(lasting, reviewTimeoutMs, 'asking the API whose token it is', (inner) =>
      reviewed(inner, hubClient, token),
    );
    const review: Reviewed = { user, untilMs: ctx.clock.monotonic() + reviewTtlMs };
    known.set(key, review);
    user.catch(() => (known.get(key) === review ? known.delete(key) : undefined));
    return untilAborted(ctx, user);
  };
}

async function reviewed(ctx: Context, hubClient: KubeClient, token: string): Promise<UserInfo> {
  const review = await hubClient.create(ctx, tokenReviews, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    metadata: {},
    spec: { token },
  });
  const found = review.status?.user;
  if (review.status?.authenticated !== true || found === undefined) throw unauthorized();
  return {
    username: found.username,
    groups: found.groups ?? [],
    ...(found.uid === undefined ? {} : { uid: found.uid }),
    ...(found.extra === undefined ? {} : { extra: found.extra }),
  };
}

/**
 * Certificates of the hub's own CAs, then of the users' CAs of its cluster, then tokens; never anonymous for members, the
 * hub's own API decides that for itself.
 */
export function createAuthenticate(
  hubClient: KubeClient,
  ownCaPems: readonly string[],
  userCaPems: () => readonly string[],
): (ctx: Context, request: ServerRequest) => Promise<UserInfo> {
  const own = clientCertificateAuthenticator(() => ownCaPems);
  return union([own, clusterUserAuthenticator(userCaPems), tokenReviewAuthenticator(hubClient)], true);
}

/** Names that the hub itself gives: another CA's certificate with one of them is nobody's. */
const ownName = /^(?:polyanthus|hub):/;

/** Users of the hub's cluster by its client certificates, as kube-apiserver reads them: CN is the user, O the groups. */
export function clusterUserAuthenticator(caPems: () => readonly string[]): Authenticator {
  const byCertificate = clientCertificateAuthenticator(caPems);
  return async (ctx, request) => {
    if (caPems().length === 0) return undefined;
    const user = await byCertificate(ctx, request);
    const taken = user === undefined ? undefined : [user.username, ...user.groups].find((name) => ownName.test(name));
    if (taken === undefined) return user;
    throw unauthorized(new Error(`${taken} is a name that the hub itself gives, and its CA did not sign it`));
  };
}

/** RBAC of the hub from informers, so that a decision costs no call. `onChange` hears every change of a right. */
export function createAuthorize(
  informers: Informers,
  onChange: () => void,
): (ctx: Context, attributes: Attributes) => Promise<Decision> {
  let version = 0;
  const caches = {
    roles: informers.of(roles),
    clusterRoles: informers.of(clusterRoles),
    roleBindings: informers.of(roleBindings),
    clusterRoleBindings: informers.of(clusterRoleBindings),
  };
  const changed = (): void => {
    version += 1;
    onChange();
  };
  for (const cache of Object.values(caches))
    cache.onEvent({
      onAdd: (_object, initial) => (initial ? void (version += 1) : changed()),
      onUpdate: changed,
      onDelete: changed,
    });
  const source: RbacSource = {
    version: () => version,
    clusterRole: (name) => caches.clusterRoles.get(name),
    role: (namespace, name) => caches.roles.get(joinKey(namespace, name)),
    clusterRoleBindings: () => caches.clusterRoleBindings.list(),
    roleBindings: () => caches.roleBindings.list(),
  };
  const rbac = createRbacAuthorizer(source);
  return async (_ctx, attributes) =>
    attributes.user.groups.includes('system:masters')
      ? { allowed: true, reason: 'member of system:masters' }
      : rbac.authorize(attributes);
}
