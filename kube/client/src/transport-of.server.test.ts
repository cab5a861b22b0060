import { chmod, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { X509Certificate } from 'node:crypto';
import { systemClock } from '@polyanthus/ground-base/clock';
import { background, type Context } from '@polyanthus/ground-base/context';
import type { ServerRequest } from '@polyanthus/ground-http/message';
import { serve, type RunningServer } from '@polyanthus/ground-http/node-server';
import { testCertificates } from '@polyanthus/ground-http/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { inClusterContext } from './in-cluster.ts';
import { contextOf, loadKubeconfig } from './kubeconfig.ts';
import type { ClusterFields, UserFields } from './kubeconfig-entries.ts';
import { removeKubeconfigContext, setCurrentContext, writeKubeconfigContext } from './kubeconfig-write.ts';
import { createClient } from './rest.ts';
import { transportFor } from './transport-of.ts';

let folder: string;
let server: RunningServer;
let asked: ServerRequest[] = [];
let status = 200;
const ctx = background();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'polyanthus-client-'));
  server = await serve(ctx, {
    listen: { host: '127.0.0.1', port: 0 },
    tls: { ...testCertificates.server, clientCas: [testCertificates.ca] },
    handler: async (_ctx, request) => {
      asked.push(request);
      return {
        status,
        headers: { 'content-type': 'application/json' },
        body: Buffer.from('{"kind":"Status","apiVersion":"v1","code":401,"message":"who?","reason":"Unauthorized"}'),
      };
    },
  });
});
afterAll(async () => {
  await server.close(0);
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  asked = [];
  status = 200;
});

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const file = async (name: string, text: string, mode = 0o600): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, text, { mode });
  await chmod(path, mode);
  return path;
};
const ours = (): ClusterFields => ({
  server: `https://${server.address}`,
  'certificate-authority-data': base64(testCertificates.ca),
});

/** Asks `/version` as a user, through a kubeconfig file, `times` times with one transport. */
async function ask(user: UserFields, cluster: ClusterFields = ours(), times = 1, at: Context = ctx): Promise<void> {
  const path = join(folder, 'config');
  await rm(path, { force: true });
  await writeKubeconfigContext(path, {
    name: 'x',
    cluster: { name: 'c', fields: cluster },
    user: { name: 'u', fields: user },
    setCurrent: true,
  });
  const context = contextOf(await loadKubeconfig({ files: [path], explicit: true }));
  const transport = await transportFor(at, context, {
    env: { PATH: process.env['PATH'], HTTPS_PROXY: 'http://127.0.0.1:1' },
  });
  try {
    for (let time = 0; time < times; time++) await createClient(transport).getJson(at, '/version');
  } finally {
    await transport.close();
  }
}

const headersOf = (name: string): unknown[] => asked.map((one) => one.headers[name]);

describe('credentials', () => {
  it('go as a bearer token, a token file, basic authentication', async () => {
    await ask({ token: 't1' });
    await ask({ tokenFile: await file('token', 'from-file\n') });
    await ask({ tokenFile: join(folder, 'no-such-token'), token: 'fallback' });
    await ask({ username: 'a', password: 'b' });
    expect(headersOf('authorization')).toEqual([
      'Bearer t1',
      'Bearer from-file',
      'Bearer fallback',
      `Basic ${base64('a:b')}`,
    ]);
  });

  it('are read again from a token file that changed', async () => {
    const tokenFile = await file('token', 'old');
    let nowMs = 0;
    const clock = { ...systemClock, monotonic: () => nowMs };
    const context = {
      name: 'x',
      namespace: 'default',
      cluster: { name: 'c', file: '', fields: ours() },
      user: { name: 'u', file: '', fields: { tokenFile } },
    };
    const at = background({ clock });
    const transport = await transportFor(at, context, { env: {} });
    const client = createClient(transport);
    await client.getJson(at, '/version');
    await file('token', 'new');
    await client.getJson(at, '/version');
    nowMs = 20_000;
    await client.getJson(at, '/version');
    await transport.close();
    expect(headersOf('authorization')).toEqual(['Bearer old', 'Bearer old', 'Bearer new']);
  });

  it('are client certificates from data or files, with the CA from a file', async () => {
    const { client } = testCertificates;
    await ask({ 'client-certificate-data': base64(client.cert), 'client-key-data': base64(client.key) });
    await file('client.crt', client.cert);
    await file('client.key', client.key);
    await file('ca.crt', testCertificates.ca);
    await ask(
      { 'client-certificate': 'client.crt', 'client-key': 'client.key' },
      { server: `https://${server.address}`, 'certificate-authority': 'ca.crt' },
    );
    expect(asked.map((one) => new X509Certificate(one.peer.certificate ?? '').subject)).toEqual([
      'CN=alice\nO=testers',
      'CN=alice\nO=testers',
    ]);
  });

  it('carry impersonation, and tls-server-name is verified instead of the host', async () => {
    await ask({ token: 't', as: 'eve', 'as-groups': ['a', 'b'] }, { ...ours(), 'tls-server-name': 'server.test' });
    expect([headersOf('impersonate-user'), headersOf('impersonate-group')]).toEqual([['eve'], [['a', 'b']]]);
    await expect(ask({}, { ...ours(), 'tls-server-name': 'elsewhere' })).rejects.toMatchObject({
      code: 'CertificateRejected',
    });
  });

  it('without a trusted CA nothing is sent, but with insecure-skip-tls-verify', async () => {
    const address = `https://${server.address}`;
    await expect(ask({ token: 't' }, { server: address })).rejects.toMatchObject({ code: 'CertificateRejected' });
    expect(asked).toEqual([]);
    await ask({ token: 't' }, { server: address, 'insecure-skip-tls-verify': true });
    expect(asked).toHaveLength(1);
  });

  it('that cannot work are refused at once, naming the user', async () => {
    await expect(ask({ 'auth-provider': { name: 'gcp' } })).rejects.toMatchObject({
      code: 'CredentialUnsupported',
      next: expect.stringContaining('gke-gcloud-auth-plugin') as unknown,
    });
    await expect(ask({ token: 't', username: 'u' })).rejects.toMatchObject({ code: 'KubeconfigInvalid' });
    await expect(ask({ 'client-certificate-data': base64('x') })).rejects.toMatchObject({ code: 'KubeconfigInvalid' });
    await expect(ask({ 'client-certificate-data': base64('x'), 'client-key-data': base64('y') })).rejects.toMatchObject(
      { code: 'TlsMaterialInvalid' },
    );
    await expect(ask({ tokenFile: 'gone' })).rejects.toMatchObject({ code: 'KubeconfigUnreadable' });
    await expect(ask({}, { server: 'no-scheme:443' })).rejects.toMatchObject({ code: 'KubeconfigInvalid' });
    await expect(ask({}, { ...ours(), 'proxy-url': 'socks5://127.0.0.1:1' })).rejects.toMatchObject({
      code: 'ProxyUnsupported',
    });
  });
});

describe('credential plugins', () => {
  const apiVersion = 'client.authentication.k8s.io/v1';
  /** A plugin that counts its runs and answers with `status`, whose token gets the run's number. */
  const plugin = async (answer: object, more: object = {}): Promise<UserFields> => {
    await rm(join(folder, 'runs'), { force: true });
    const script = `#!${process.execPath}
      const fs = require('fs'); const runs = ${JSON.stringify(join(folder, 'runs'))};
      fs.appendFileSync(runs, '.'); fs.writeFileSync(${JSON.stringify(join(folder, 'info'))}, process.env.KUBERNETES_EXEC_INFO + process.env.EXTRA);
      const answer = ${JSON.stringify({ kind: 'ExecCredential', apiVersion, status: answer })};
      if (answer.status.token) answer.status.token += fs.statSync(runs).size;
      process.stdout.write(JSON.stringify(answer));`;
    await file('plugin', script, 0o700);
    return {
      exec: {
        command: './plugin',
        apiVersion,
        interactiveMode: 'Never',
        env: [{ name: 'EXTRA', value: '+' }],
        ...more,
      },
    };
  };

  it('are run once for many requests until the answer expires', async () => {
    await ask(
      await plugin({ token: 'run', expirationTimestamp: new Date(Date.now() + 3_600_000).toISOString() }),
      ours(),
      3,
    );
    await ask(await plugin({ token: 'run', expirationTimestamp: '2020-01-01T00:00:00Z' }), ours(), 2);
    expect(headersOf('authorization')).toEqual([
      'Bearer run1',
      'Bearer run1',
      'Bearer run1',
      'Bearer run1',
      'Bearer run2',
    ]);
  });

  it('are run again after a 401', async () => {
    const user = await plugin({ token: 'run' });
    status = 401;
    await expect(ask(user)).rejects.toMatchObject({ code: 'Unauthorized' });
    const path = join(folder, 'config');
    const transport = await transportFor(ctx, contextOf(await loadKubeconfig({ files: [path], explicit: true })), {
      env: {},
    });
    for (let time = 0; time < 2; time++)
      await createClient(transport)
        .getJson(ctx, '/version')
        .catch(() => undefined);
    await transport.close();
    expect(headersOf('authorization')).toEqual(['Bearer run1', 'Bearer run2', 'Bearer run3']);
  });

  it('give client certificates and learn the cluster when they ask', async () => {
    const { cert, key } = testCertificates.client;
    const config = { audience: 'x' };
    const cluster: ClusterFields = {
      ...ours(),
      extensions: [{ name: 'client.authentication.k8s.io/exec', extension: config }],
    };
    await ask(await plugin({ clientCertificateData: cert, clientKeyData: key }, { provideClusterInfo: true }), cluster);
    expect(asked[0]?.peer.certificate).toBeDefined();
    expect(JSON.parse((await readFile(join(folder, 'info'), 'utf8')).slice(0, -1))).toEqual({
      kind: 'ExecCredential',
      apiVersion,
      spec: {
        interactive: false,
        cluster: {
          server: cluster.server,
          'certificate-authority-data': cluster['certificate-authority-data'],
          config,
        },
      },
    });
  });

  it('that fail are named, without what they printed', async () => {
    await expect(ask(await plugin({}))).rejects.toMatchObject({
      code: 'ExecPluginFailed',
      message: 'user "u": the credential plugin failed: its answer has neither a token nor a certificate with its key',
    });
    await expect(
      ask(await plugin({ token: 't' }, { apiVersion: 'client.authentication.k8s.io/v1beta1' })),
    ).rejects.toThrow('it is configured for client.authentication.k8s.io/v1beta1');
    await expect(
      ask({
        exec: {
          command: 'polyanthus-no-plugin',
          apiVersion,
          interactiveMode: 'Never',
          installHint: 'get\u001b[31m it',
        },
      }),
    ).rejects.toMatchObject({ code: 'ExecPluginFailed', next: 'get[31m it' });
    await expect(ask(await plugin({ token: 't' }, { interactiveMode: 'Always' }))).rejects.toThrow(
      'must ask on a terminal',
    );
  });
});

describe('in a pod', () => {
  it('uses the ServiceAccount of the folder and its namespace', async () => {
    await file('ca.crt', testCertificates.ca);
    await file('token', 'pod-token');
    await file('namespace', 'team-a');
    const [host = '', port = ''] = server.address.split(':');
    const context = await inClusterContext({ KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port }, folder);
    const transport = await transportFor(ctx, context, { env: {} });
    await createClient(transport).getJson(ctx, '/version');
    await transport.close();
    expect([context.namespace, headersOf('authorization')]).toEqual(['team-a', ['Bearer pod-token']]);
  });

  it('is NotInCluster elsewhere', async () => {
    await expect(inClusterContext({})).rejects.toMatchObject({ code: 'NotInCluster' });
    await expect(
      inClusterContext({ KUBERNETES_SERVICE_HOST: 'h', KUBERNETES_SERVICE_PORT: '1' }, join(folder, 'none')),
    ).rejects.toMatchObject({ code: 'NotInCluster' });
  });
});

describe('writing', () => {
  const entry = (name: string, setCurrent = true) => ({
    name,
    cluster: { name: `c-${name}`, fields: { server: `https://${name}` } },
    user: { name: `u-${name}`, fields: { token: 'yes' } },
    setCurrent,
  });

  it('keeps what is there, through a link, with mode 0600', async () => {
    const path = await file(
      'kept',
      '# mine\ncontexts: # all of them\n- {name: old, context: {cluster: c-old, user: u-old}}\nunknown: {stays: true}\n',
      0o644,
    );
    const link = join(folder, 'link');
    await symlink(path, link);
    await writeKubeconfigContext(link, { ...entry('new'), namespace: 'n' });
    await writeKubeconfigContext(link, entry('other', false));
    const text = await readFile(path, 'utf8');
    expect(text).toMatch(/^# mine\ncontexts:\n# all of them\n- \{ ?name: old/);
    expect(text).toContain('stays: true');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const config = await loadKubeconfig({ files: [path], explicit: true });
    expect([[...config.contexts.keys()], config.currentContext]).toEqual([['old', 'new', 'other'], 'new']);
    expect(config.users.get('u-new')?.fields).toEqual({ token: 'yes' });
  });

  it('makes the file and its folder, replaces entries of the same name, removes', async () => {
    const path = join(folder, 'deep', 'config');
    await writeKubeconfigContext(path, entry('a'));
    await writeKubeconfigContext(path, { ...entry('a'), namespace: 'second' });
    await writeKubeconfigContext(path, entry('b', false));
    expect(contextOf(await loadKubeconfig({ files: [path], explicit: true })).namespace).toBe('second');
    await setCurrentContext(path, 'b');
    expect([await removeKubeconfigContext(path, 'a'), await removeKubeconfigContext(path, 'a')]).toEqual([true, false]);
    const config = await loadKubeconfig({ files: [path], explicit: true });
    expect([
      [...config.contexts.keys()],
      [...config.clusters.keys()],
      [...config.users.keys()],
      config.currentContext,
    ]).toEqual([['b'], ['c-b'], ['u-b'], 'b']);
    await expect(setCurrentContext(path, 'gone')).rejects.toMatchObject({ code: 'KubeconfigContextMissing' });
  });

  it('touches neither a file that it cannot read nor one that another program writes', async () => {
    const broken = await file('broken', 'contexts: {');
    await expect(writeKubeconfigContext(broken, entry('a'))).rejects.toMatchObject({ code: 'KubeconfigUnreadable' });
    expect(await readFile(broken, 'utf8')).toBe('contexts: {');
    const locked = await file('locked', '');
    await file('locked.lock', '');
    await expect(writeKubeconfigContext(locked, entry('a'))).rejects.toThrow('is being written by another program');
  });
});
