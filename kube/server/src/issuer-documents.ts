/** The issuer of the cluster's ServiceAccount tokens: its discovery document and its keys (OpenID Connect Discovery 1.0). */
import type { ServerResponse } from '@polyanthus/ground-http/message';
import { jwksOf } from '@polyanthus/ground-pki/jwt';
import type { Cluster } from './cluster.ts';

/** The answer for one of the two paths, or undefined. */
export async function serveIssuer(cluster: Cluster, path: string): Promise<ServerResponse | undefined> {
  if (path !== '/.well-known/openid-configuration' && path !== '/openid/v1/jwks') return undefined;
  const { tokenIssuer } = await cluster.identity();
  const keys = await jwksOf(tokenIssuer.publicKeyPems);
  if (path === '/openid/v1/jwks') return answer('application/jwk-set+json', keys);
  return answer('application/json', {
    issuer: tokenIssuer.issuer,
    jwks_uri: `${tokenIssuer.issuer}/openid/v1/jwks`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [...new Set(keys.keys.map((key) => key.alg ?? 'ES256'))],
  });
}

function answer(type: string, value: object): ServerResponse {
  return {
    status: 200,
    headers: { 'content-type': type, 'cache-control': 'public, max-age=3600' },
    body: Buffer.from(JSON.stringify(value)),
  };
}
