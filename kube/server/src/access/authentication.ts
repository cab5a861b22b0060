/** Who asks a logical cluster: client certificates of its CA, its ServiceAccount tokens, static tokens, what the caller adds. */
import type { Context } from '@polyanthus/ground-base/context';
import type { ServerRequest } from '@polyanthus/ground-http/message';
import {
  bearerToken,
  clientCertificateAuthenticator,
  staticTokenAuthenticator,
  union,
  type Authenticator,
} from '@polyanthus/kube-access/authenticators';
import { bootstrapTokenAuthenticator } from '@polyanthus/kube-access/bootstrap-tokens';
import { requestedImpersonation } from '@polyanthus/kube-access/impersonation';
import { serviceAccountAuthenticator } from '@polyanthus/kube-access/service-account-tokens';
import type { UserInfo } from '@polyanthus/kube-access/user';
import { bootstrapTokenNamespace } from '@polyanthus/kube-kinds/bootstrap-tokens';
import type { Secret } from '@polyanthus/kube-kinds/core';
import type { Cluster } from '../cluster.ts';
import { parseStored } from '../encode.ts';
import { forbiddenAnswer } from '../forbidden.ts';
import { isLive } from './is-live.ts';
import { tokenIssuerName, type ClusterIdentity } from './identity.ts';

export interface AuthenticationOptions {
  readonly identity: () => Promise<ClusterIdentity>;
  /** Asked first: OIDC, the hub's own sessions. */
  readonly authenticators?: readonly Authenticator[];
  readonly staticTokens?: readonly { readonly token: string; readonly user: UserInfo }[];
  /** Requests without credentials are `system:anonymous`; RBAC lets them see health and version. */
  readonly anonymous?: boolean;
}

export type Authenticate = (ctx: Context, request: ServerRequest) => Promise<UserInfo>;

/** The user of a request, impersonation not yet applied. Throws Unauthorized. */
export function createAuthentication(cluster: Cluster, options: AuthenticationOptions): Authenticate {
  return union(
    [
      ...(options.authenticators ?? []),
      byIdentity(
        options,
        ({ peer }) => peer.certificate !== undefined || peer.refusedCertificate !== undefined,
        ({ authority }) => clientCertificateAuthenticator(() => [authority.certificatePem]),
      ),
      staticTokenAuthenticator(options.staticTokens ?? []),
      bootstrapTokenAuthenticator((name) => findSecret(cluster, name)),
      byIdentity(
        options,
        ({ headers }) => bearerToken(headers) !== undefined,
        ({ tokenIssuer }) =>
          serviceAccountAuthenticator(tokenIssuer, [tokenIssuerName], async (_ctx, claims) => isLive(cluster, claims)),
      ),
    ],
    options.anonymous ?? true,
  );
}

/** What needs the cluster's keys is made for the first caller who shows something that they prove: keys cost time. */
function byIdentity(
  { identity }: AuthenticationOptions,
  concerns: (request: Parameters<Authenticator>[1]) => boolean,
  make: (identity: ClusterIdentity) => Authenticator,
): Authenticator {
  let made: Promise<Authenticator> | undefined;
  return async (ctx, request) =>
    concerns(request) ? (await (made ??= identity().then(make)))(ctx, request) : undefined;
}

function findSecret(cluster: Cluster, name: string): Secret | undefined {
  const stored = cluster.find('', 'secrets', bootstrapTokenNamespace, name);
  return stored === undefined ? undefined : (parseStored(stored) as unknown as Secret);
}

/** Applies `Impersonate-*`. Throws Forbidden when the caller may not act as that user. */
export async function impersonated(cluster: Cluster, caller: UserInfo, request: ServerRequest): Promise<UserInfo> {
  const wanted = requestedImpersonation(caller, request.headers);
  if (wanted === undefined) return caller;
  for (const right of wanted.rights) {
    const decision = await cluster.authorize(right);
    if (!decision.allowed) throw forbiddenAnswer(right, decision.reason);
  }
  return wanted.user;
}
