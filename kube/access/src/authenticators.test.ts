import { background } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import type { HeaderValues } from '@polyanthus/ground-http/message';
import { createAuthority } from '@polyanthus/ground-pki/authority';
import { readCertificate } from '@polyanthus/ground-pki/certificate';
import { jwksOf, signJwt } from '@polyanthus/ground-pki/jwt';
import { generateKey } from '@polyanthus/ground-pki/keys';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bearerToken,
  clientCertificateAuthenticator,
  remoteHeadersAuthenticator,
  staticTokenAuthenticator,
  union,
  type Credentials,
} from './authenticators.ts';
import { requestedImpersonation } from './impersonation.ts';
import { oidcAuthenticator, type OidcOptions } from './oidc.ts';
import { issueToken, serviceAccountAuthenticator, type TokenIssuer } from './service-account-tokens.ts';

const ctx = background();
const request = (headers: HeaderValues = {}, certificate?: Uint8Array): Credentials => ({
  headers,
  peer: { address: 'test', ...(certificate === undefined ? {} : { certificate }) },
});
const bearer = (token: string): Credentials => request({ authorization: `Bearer ${token}` });
const refused = { code: 'Unauthorized' };

describe('a union of authenticators', () => {
  const known = staticTokenAuthenticator([{ token: 'secret', user: { username: 'root', groups: ['system:masters'] } }]);

  it('gives the first user and adds system:authenticated', async () => {
    expect(await union([known], false)(ctx, bearer('secret'))).toEqual({
      username: 'root',
      groups: ['system:masters', 'system:authenticated'],
    });
  });

  it('is anonymous without a credential only, never with a wrong one', async () => {
    expect((await union([known], true)(ctx, request())).username).toBe('system:anonymous');
    await expect(union([known], false)(ctx, request())).rejects.toMatchObject(refused);
    await expect(union([known], true)(ctx, bearer('wrong'))).rejects.toMatchObject(refused);
    await expect(union([known], true)(ctx, request({ authorization: 'Basic cm9vdDpyb290' }))).rejects.toMatchObject(
      refused,
    );
  });

  it('reads bearer tokens and nothing that looks like one', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const token = bearerToken({ authorization: text });
        if (token !== undefined) expect(/^bearer +\S+$/i.test(text)).toBe(true);
      }),
      { interruptAfterTimeLimit: 2000 },
    );
  });
});

describe('a client certificate', () => {
  it('names user and groups when one of the CAs issued it, and is refused otherwise', async () => {
    const nowMs = Date.now();
    const authority = await createAuthority({ commonName: 'ca', nowMs, random: systemRandom });
    const other = await createAuthority({ commonName: 'ca', nowMs, random: systemRandom });
    const { publicKeyPem } = await generateKey();
    const pem = await authority.issueClient(nowMs, {
      commonName: 'ana',
      organizations: ['dev', 'ops'],
      publicKeyPem,
      ttlMs: 60_000,
    });
    const der = readCertificate(pem).raw;
    expect(await clientCertificateAuthenticator(() => [authority.certificatePem])(ctx, request({}, der))).toEqual({
      username: 'ana',
      groups: ['dev', 'ops'],
    });
    const expired = { headers: {}, peer: { address: 'test', refusedCertificate: 'CERT_HAS_EXPIRED' } };
    await expect(clientCertificateAuthenticator(() => [])(ctx, expired)).rejects.toMatchObject({ httpStatus: 401 });
    await expect(
      clientCertificateAuthenticator(() => [other.certificatePem])(ctx, request({}, der)),
    ).rejects.toMatchObject(refused);
    expect(await clientCertificateAuthenticator(() => [])(ctx, request())).toBeUndefined();
    const server = await authority.issueServer(nowMs, { names: ['admin'], ips: [], publicKeyPem, ttlMs: 60_000 });
    await expect(
      clientCertificateAuthenticator(() => [authority.certificatePem])(ctx, request({}, readCertificate(server).raw)),
    ).rejects.toMatchObject(refused);
  });
});

describe('a ServiceAccount token', () => {
  it('carries account, groups and pod, for its audience, while both live', async () => {
    const pair = await generateKey('rsa');
    const issuer: TokenIssuer = {
      issuer: 'https://kubernetes.default.svc',
      signingKeyPem: pair.privateKeyPem,
      publicKeyPems: [pair.publicKeyPem],
    };
    const wish = {
      namespace: 'ns',
      name: 'sa',
      uid: 'u1',
      audiences: ['api'],
      expirationSeconds: 600,
      bound: { kind: 'Pod' as const, name: 'p', uid: 'u2' },
    };
    const token = await issueToken(issuer, wish, ctx.clock.now(), 'id-1');
    const live = serviceAccountAuthenticator(issuer, ['api'], () => Promise.resolve(true));
    expect(await live(ctx, bearer(token))).toEqual({
      username: 'system:serviceaccount:ns:sa',
      uid: 'u1',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:ns'],
      extra: {
        'authentication.kubernetes.io/credential-id': ['JTI=id-1'],
        'authentication.kubernetes.io/pod-name': ['p'],
        'authentication.kubernetes.io/pod-uid': ['u2'],
      },
    });
    await expect(
      serviceAccountAuthenticator(issuer, ['api'], () => Promise.resolve(false))(ctx, bearer(token)),
    ).rejects.toMatchObject(refused);
    await expect(
      serviceAccountAuthenticator(issuer, ['other'], () => Promise.resolve(true))(ctx, bearer(token)),
    ).rejects.toMatchObject(refused);
    expect(
      await serviceAccountAuthenticator({ ...issuer, issuer: 'https://else' }, ['api'], () => Promise.resolve(true))(
        ctx,
        bearer(token),
      ),
    ).toBeUndefined();
  });
});

describe('an OIDC token', () => {
  const issuer = 'https://id.example.org';
  const make = async (claims: Record<string, unknown>, more: Partial<OidcOptions> = {}) => {
    const pair = await generateKey();
    const fetched: string[] = [];
    const documents: Record<string, unknown> = {
      [`${issuer}/.well-known/openid-configuration`]: { issuer, jwks_uri: `${issuer}/keys` },
      [`${issuer}/keys`]: await jwksOf([pair.publicKeyPem]),
    };
    const authenticate = oidcAuthenticator({
      issuer,
      clientId: 'hub',
      usernameClaim: 'email',
      usernamePrefix: '',
      groupsClaim: 'groups',
      groupsPrefix: 'id:',
      fetchJson: (_ctx, url) => {
        fetched.push(url);
        return Promise.resolve(documents[url]);
      },
      ...more,
    });
    const token = await signJwt(pair.privateKeyPem, {
      iss: issuer,
      aud: 'hub',
      exp: Math.floor(Date.now() / 1000) + 60,
      ...claims,
    });
    return { run: () => authenticate(ctx, bearer(token)), fetched };
  };

  it('gives user and groups with their prefixes; keys are fetched once', async () => {
    const { run, fetched } = await make({ email: 'ana@example.org', email_verified: true, groups: ['dev'] });
    expect(await run()).toEqual({ username: 'ana@example.org', groups: ['id:dev'] });
    await run();
    expect(fetched).toHaveLength(2);
  });

  it('never speaks for the identities of the cluster itself', async () => {
    await expect((await make({ email: 'system:admin' })).run()).rejects.toMatchObject(refused);
    await expect(
      (await make({ email: 'a', groups: ['system:masters'] }, { groupsPrefix: '' })).run(),
    ).rejects.toMatchObject(refused);
    for (const email_verified of [false, 'false', 'true', null, 0])
      await expect((await make({ email: 'a', email_verified })).run()).rejects.toMatchObject(refused);
    await expect((await make({ email: 'a' }, { requiredClaims: { hd: 'example.org' } })).run()).rejects.toMatchObject(
      refused,
    );
    await expect((await make({ email: 'a', aud: 'else' })).run()).rejects.toMatchObject(refused);
  });
});

describe('headers of a front proxy', () => {
  it('name the user, groups and extra', async () => {
    expect(
      await remoteHeadersAuthenticator(
        ctx,
        request({ 'x-remote-user': 'ana', 'x-remote-group': ['a', 'b'], 'x-remote-extra-scopes%2Fx': 'y' }),
      ),
    ).toEqual({ username: 'ana', groups: ['a', 'b'], extra: { 'scopes/x': ['y'] } });
    expect(await remoteHeadersAuthenticator(ctx, request())).toBeUndefined();
  });
});

describe('impersonation', () => {
  const caller = { username: 'root', groups: [] };

  it('asks for a right per user, group, uid and extra', () => {
    const asked = requestedImpersonation(caller, {
      'impersonate-user': 'ana',
      'impersonate-group': ['a', 'b'],
      'impersonate-uid': 'u',
      'impersonate-extra-scopes': 'x',
    });
    expect(
      asked?.rights.map((right) =>
        right.kind === 'resource' ? `${right.group}/${right.resource}/${right.subresource}/${right.name}` : '',
      ),
    ).toEqual([
      '/users//ana',
      '/groups//a',
      '/groups//b',
      'authentication.k8s.io/uids//u',
      'authentication.k8s.io/userextras/scopes/x',
    ]);
    expect(asked?.user.groups).toEqual(['a', 'b', 'system:authenticated']);
  });

  it('of a ServiceAccount asks for that account and adds its groups', () => {
    const asked = requestedImpersonation(caller, { 'impersonate-user': 'system:serviceaccount:ns:sa' });
    expect(asked?.rights).toEqual([
      {
        kind: 'resource',
        user: caller,
        verb: 'impersonate',
        group: '',
        version: 'v1',
        resource: 'serviceaccounts',
        subresource: '',
        namespace: 'ns',
        name: 'sa',
      },
    ]);
    expect(asked?.user.groups).toContain('system:serviceaccounts:ns');
    const unknown = { 'impersonate-user': 'ana', 'impersonate-group': 'system:unauthenticated' };
    expect(requestedImpersonation(caller, unknown)?.user.groups).toEqual(['system:unauthenticated']);
  });

  it('without a user is refused, whatever else is asked', () => {
    expect(requestedImpersonation(caller, {})).toBeUndefined();
    fc.assert(
      fc.property(
        fc.dictionary(fc.stringMatching(/^impersonate-(group|uid|extra-[a-z]{1,5})$/), fc.string(), { minKeys: 1 }),
        (headers) => {
          expect(() => requestedImpersonation(caller, headers)).toThrow(/without impersonating a user/);
        },
      ),
      { interruptAfterTimeLimit: 2000 },
    );
  });
});
