/** Signing in at a hub by an OpenID Connect issuer, with a real hub in a process of its own. */
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { background } from '@polyanthus/ground-base/context';
import { header } from '@polyanthus/ground-http/headers';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { clientOf, startPolyanthus, temporaryFolder, type TestProcess } from '@polyanthus/apps-hub/testing';
import { startTestIssuer, type TestIssuer, type TestSignIn } from '@polyanthus/domains-fleet/testing';
import { contextOf, loadKubeconfig } from '@polyanthus/kube-client/kubeconfig';
import { clusterRoleBindings } from '@polyanthus/kube-kinds/core';
import { polyanthus, type Transcript } from './testing.ts';

const ctx = background();
const rbac = 'rbac.authorization.k8s.io';
let folder: string;
let issuer: TestIssuer;
let hub: TestProcess;
let url: string;
const at = (name: string): string => join(folder, name);
const env = (): Readonly<Record<string, string>> => ({ HOME: folder, XDG_CONFIG_HOME: at('config') });

/** A short one is renewed at each use. */
const person = (email: string, groups: readonly string[], lifetimeSeconds = 3600): TestSignIn => ({
  claims: { sub: email, email, email_verified: true, groups },
  lifetimeSeconds,
});

async function login(flow: 'device' | 'browser', onError?: (text: string) => void): Promise<Transcript> {
  const issuerOptions = [
    `--oidc-issuer-url=${issuer.url}`,
    '--oidc-client-id=polyanthus',
    `--oidc-ca-file=${at('issuer.pem')}`,
  ];
  const args = ['login', url, `--ca-file=${at('hub.pem')}`, ...issuerOptions, `--oidc-flow=${flow}`];
  return polyanthus(args, env(), onError === undefined ? {} : { onError });
}

/** What a browser does: opens the page, and goes where it is sent. */
async function browse(page: string): Promise<void> {
  const open = async (address: string): Promise<string | undefined> => {
    const { origin, pathname, search } = new URL(address);
    const transport = createTransport({ baseUrl: origin, tls: { ca: issuer.caPem } });
    const answer = await transport.request(ctx, { method: 'GET', url: pathname + search, headers: {}, body: null });
    await transport.close();
    return header(answer.headers, 'location');
  };
  const back = await open(page);
  // Somebody else's page that guesses the port changes nothing.
  await open(`${new URL(back ?? '').origin}/callback?code=forged&state=guessed`);
  await open(back ?? '');
}

beforeAll(async () => {
  folder = await temporaryFolder();
  issuer = await startTestIssuer(ctx, person('ana@example.com', ['team-a']));
  await writeFile(at('issuer.pem'), issuer.caPem);
  hub = startPolyanthus([
    'up',
    `--data-dir=${at('hub')}`,
    '--listen=127.0.0.1:0',
    `--oidc-issuer-url=${issuer.url}`,
    '--oidc-client-id=polyanthus',
    '--oidc-username-claim=email',
    `--oidc-ca-file=${at('issuer.pem')}`,
  ]);
  await hub.until('Next: ');
  const config = await loadKubeconfig({ files: [at('hub/admin.kubeconfig')], explicit: true });
  const { cluster } = contextOf(config, 'hub');
  url = cluster.fields.server ?? '';
  await writeFile(at('hub.pem'), Buffer.from(cluster.fields['certificate-authority-data'] ?? '', 'base64'));
  const admin = await clientOf(at('hub/admin.kubeconfig'), 'hub');
  await admin.create(ctx, clusterRoleBindings, {
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name: 'team-a' },
    roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'Group', apiGroup: rbac, name: 'team-a' }],
  });
});
afterAll(async () => {
  hub.kill('SIGINT');
  await hub.ended;
  await issuer.close();
  await rm(folder, { recursive: true, force: true });
});

describe('polyanthus login at an OpenID Connect issuer', () => {
  it('shows a device code, and goes on with the token that it stores for nobody else to read', async () => {
    issuer.user = person('ana@example.com', ['team-a']);
    const done = await login('device');
    expect(done.stderr).toContain(`Open ${issuer.url}/enter and enter the code WXYZ-1234\n`);
    expect(done.stderr).toContain(`signed in to ${url} as ana@example.com`);
    expect(done.code).toBe(0);
    const sessions = at('config/polyanthus/sessions');
    const [session = ''] = await readdir(sessions);
    for (const file of [join(sessions, session), at('config/polyanthus/kubeconfig')])
      expect((await stat(file)).mode & 0o777, file).toBe(0o600);
    expect(await readFile(at('config/polyanthus/kubeconfig'), 'utf8')).not.toContain('eyJ');
    expect(await polyanthus(['fleet', 'list'], env())).toEqual({
      code: 0,
      stdout: 'No memberships in fleet default.\n',
      stderr: '',
    });
  });

  it('comes back from a browser with proof that it asked', async () => {
    issuer.user = person('ben@example.com', []);
    const pages: Promise<void>[] = [];
    const done = await login('browser', (text) => {
      const page = /^Open (\S+)/.exec(text)?.[1];
      if (page !== undefined) pages.push(browse(page));
    });
    await Promise.all(pages);
    expect(done.stderr).toContain(`as ben@example.com`);
    expect(issuer.granted.get('browser')).toBe(1);
    const listed = await polyanthus(['fleet', 'list'], env());
    expect(listed.code).toBe(1);
    expect(listed.stderr).toContain('User "ben@example.com" cannot list resource "memberships"');
  });

  it('renews the sign-in before it ends, and says so when that is refused', async () => {
    issuer.user = person('ana@example.com', ['team-a'], 30);
    const before = issuer.granted.get('refresh') ?? 0;
    expect((await login('device')).code).toBe(0);
    expect((await polyanthus(['fleet', 'list'], env())).code).toBe(0);
    expect(issuer.granted.get('refresh')).toBeGreaterThan(before);
    issuer.refreshable = false;
    const over = await polyanthus(['fleet', 'list'], env());
    expect(over.code).toBe(1);
    const config = await loadKubeconfig({ files: [at('config/polyanthus/kubeconfig')], explicit: true });
    const args = contextOf(config, undefined).user.fields.exec?.args ?? [];
    const told = await polyanthus(args.slice(1), env());
    expect(told.code).toBe(1);
    expect(told.stderr).toMatch(/invalid_grant: the session was ended[\s\S]*polyanthus login URL.*\(OidcSessionOver\)/);
    issuer.refreshable = true;
  });

  it("refuses a token that claims the hub's own group", async () => {
    issuer.user = person('mallory@example.com', ['polyanthus:administrators']);
    const done = await login('device');
    expect(done.code).toBe(1);
    expect(done.stderr).toContain('Unauthorized');
    expect(done.stderr).not.toContain('signed in');
  });
});
