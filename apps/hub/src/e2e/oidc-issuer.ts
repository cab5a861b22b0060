/** An OpenID Connect issuer on loopback, for one test file. */
import { createServer } from 'node:https';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { systemRandom } from '@polyanthus/ground-base/random';
import { createAuthority } from '@polyanthus/ground-pki/authority';
import { jwksOf, signJwt } from '@polyanthus/ground-pki/jwt';
import { generateKey } from '@polyanthus/ground-pki/keys';

/** A running issuer; `token` signs an ID token for the client `polyanthus`. */
export interface Issuer {
  readonly url: string;
  token(claims: Readonly<Record<string, unknown>>): Promise<string>;
  stop(): Promise<void>;
}

/** Starts one and writes its CA to `caFile`. */
export async function startIssuer(caFile: string): Promise<Issuer> {
  const nowMs = Date.now();
  const authority = await createAuthority({ commonName: 'issuer', nowMs, random: systemRandom });
  const [tls, signing] = await Promise.all([generateKey(), generateKey()]);
  const cert = await authority.issueServer(nowMs, {
    names: ['localhost'],
    ips: ['127.0.0.1'],
    publicKeyPem: tls.publicKeyPem,
    ttlMs: 3_600_000,
  });
  await writeFile(caFile, authority.certificatePem);
  const jwks = await jwksOf([signing.publicKeyPem]);
  let url = '';
  const server = createServer({ cert, key: tls.privateKeyPem }, (request, response) => {
    const document = request.url === '/keys' ? jwks : { issuer: url, jwks_uri: `${url}/keys` };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(document));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `https://127.0.0.1:${(server.address() as { port: number }).port}`;
  const seconds = Math.floor(nowMs / 1000);
  return {
    url,
    token: (claims) =>
      signJwt(signing.privateKeyPem, { iss: url, aud: 'polyanthus', iat: seconds, exp: seconds + 3600, ...claims }),
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
