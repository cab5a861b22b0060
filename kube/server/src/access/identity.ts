/** What proves who a logical cluster is: its certificate authority and the keys of its ServiceAccount tokens. */
import type { Random } from '@polyanthus/ground-base/random';
import { createAuthority, type Authority } from '@polyanthus/ground-pki/authority';
import { generateKey } from '@polyanthus/ground-pki/keys';
import type { TokenIssuer } from '@polyanthus/kube-access/service-account-tokens';

/** Secret. Whoever has durable clusters keeps it beside the store and gives it back at the next start. */
export interface ClusterIdentity {
  readonly authority: Authority;
  readonly tokenIssuer: TokenIssuer;
}

/** Issuer and audience of ServiceAccount tokens, as kubeadm sets them. */
export const tokenIssuerName = 'https://kubernetes.default.svc.cluster.local';

/** A new identity. */
export async function createClusterIdentity(nowMs: number, random: Random): Promise<ClusterIdentity> {
  const [authority, keys] = await Promise.all([
    createAuthority({ commonName: 'kubernetes', nowMs, random }),
    generateKey(),
  ]);
  return {
    authority,
    tokenIssuer: { issuer: tokenIssuerName, signingKeyPem: keys.privateKeyPem, publicKeyPems: [keys.publicKeyPem] },
  };
}
