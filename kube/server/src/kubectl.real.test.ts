/** Real kubectl binaries, the newest and the oldest that we support, against this server over TLS. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { background } from '@polyanthus/ground-base/context';
import { serve, type RunningServer } from '@polyanthus/ground-http/node-server';
import { generateKey } from '@polyanthus/ground-pki/keys';
import { binary, whyNotReal } from '../../../lab/src/parts.ts';
import { crd } from './conformance-table.ts';
import { startTestCluster, type TestCluster } from './testing.ts';

const run = promisify(execFile);
const dayMs = 86_400_000;
const deployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web' },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'nginx:1' }] } },
  },
};

interface Running {
  readonly cluster: TestCluster;
  readonly server: RunningServer;
  readonly folder: string;
}

/** A cluster on a TLS port, and a kubeconfig with a client certificate of its CA. */
async function start(): Promise<Running> {
  const cluster = await startTestCluster();
  const { authority } = await cluster.cluster.identity();
  const [serverKey, clientKey] = await Promise.all([generateKey(), generateKey()]);
  const nowMs = cluster.ctx.clock.now();
  const cert = await authority.issueServer(nowMs, {
    names: ['localhost'],
    ips: ['127.0.0.1'],
    publicKeyPem: serverKey.publicKeyPem,
    ttlMs: dayMs,
  });
  const client = await authority.issueClient(nowMs, {
    commonName: 'admin',
    organizations: ['system:masters'],
    publicKeyPem: clientKey.publicKeyPem,
    ttlMs: dayMs,
  });
  const server = await serve(background(), {
    handler: cluster.cluster.handler,
    listen: { host: '127.0.0.1', port: 0 },
    tls: { cert, key: serverKey.privateKeyPem, clientCas: [authority.certificatePem] },
  });
  const folder = await mkdtemp(join(tmpdir(), 'polyanthus-kubectl-'));
  const data = (text: string): string => Buffer.from(text).toString('base64');
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: [
      {
        name: 'test',
        cluster: { server: `https://${server.address}`, 'certificate-authority-data': data(authority.certificatePem) },
      },
    ],
    users: [
      {
        name: 'test',
        user: { 'client-certificate-data': data(client), 'client-key-data': data(clientKey.privateKeyPem) },
      },
    ],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
  };
  await writeFile(join(folder, 'kubeconfig'), JSON.stringify(kubeconfig), { mode: 0o600 });
  await writeFile(join(folder, 'deployment.json'), JSON.stringify(deployment));
  await writeFile(
    join(folder, 'changed.json'),
    JSON.stringify({ ...deployment, spec: { ...deployment.spec, replicas: 5 } }),
  );
  await writeFile(join(folder, 'crd.json'), JSON.stringify(crd('widgets', 'Widget')));
  const widget = {
    apiVersion: 'conformance.example.com/v1',
    kind: 'Widget',
    metadata: { name: 'w' },
    spec: { size: 2, replicas: 1 },
  };
  await writeFile(join(folder, 'widget.json'), JSON.stringify(widget));
  return { cluster, server, folder };
}

describe.each(['1.37.2', '1.32.13'])('kubectl %s', (version) => {
  const why = whyNotReal(['kubectl', version]);
  describe.skipIf(why !== undefined)(why ?? 'is understood', () => {
    let running: Running;
    beforeAll(async () => {
      running = await start();
    });
    afterAll(async () => {
      await running.server.close(0);
      await running.cluster.close();
      await rm(running.folder, { recursive: true, force: true });
    });

    /** Standard output; a code other than 0 throws with standard error. */
    const kubectl = async (...args: string[]): Promise<string> => {
      const { stdout } = await run(binary('kubectl', version) ?? '', args, {
        cwd: running.folder,
        env: {
          KUBECONFIG: join(running.folder, 'kubeconfig'),
          HOME: running.folder,
          PATH: process.env['PATH'],
          KUBE_EDITOR: 'sed -i s/nginx:1/nginx:2/',
        },
        timeout: 30_000,
      });
      return stdout;
    };
    const failure = async (...args: string[]): Promise<string> =>
      kubectl(...args).then(
        (out) => `no failure: ${out}`,
        (error: unknown) => String((error as { stderr?: string }).stderr),
      );

    it('get, apply, diff, patch, edit, label, annotate, scale, describe, delete', async () => {
      expect(await kubectl('apply', '-f', 'deployment.json')).toBe('deployment.apps/web created\n');
      expect(await kubectl('apply', '-f', 'deployment.json')).toBe('deployment.apps/web unchanged\n');
      expect(await kubectl('get', 'deploy', '--no-headers')).toMatch(/^web +0\/2 /);
      const diff = await run(
        binary('kubectl', version) ?? '',
        ['diff', '-f', 'changed.json', '--kubeconfig=kubeconfig'],
        { cwd: running.folder },
      ).catch((error: unknown) => error as { code: number; stdout: string });
      expect(diff).toMatchObject({ code: 1, stdout: expect.stringContaining('+  replicas: 5') as string });
      expect(await kubectl('apply', '--server-side', '--force-conflicts', '-f', 'changed.json')).toContain(
        'serverside-applied',
      );
      expect(
        await kubectl(
          'patch',
          'deploy',
          'web',
          '-p',
          '{"spec":{"template":{"spec":{"containers":[{"name":"c","env":[{"name":"A","value":"b"}]}]}}}}',
        ),
      ).toContain('patched');
      expect(
        await kubectl('patch', 'deploy', 'web', '--type=merge', '-p', '{"metadata":{"labels":{"x":"y"}}}'),
      ).toContain('patched');
      expect(
        await kubectl(
          'patch',
          'deploy',
          'web',
          '--type=json',
          '-p',
          '[{"op":"replace","path":"/spec/replicas","value":3}]',
        ),
      ).toContain('patched');
      expect(await kubectl('edit', 'deploy', 'web')).toContain('edited');
      expect(await kubectl('label', 'deploy', 'web', 'tier=front')).toContain('labeled');
      expect(await kubectl('annotate', 'deploy', 'web', 'note=yes')).toContain('annotated');
      expect(await kubectl('scale', 'deploy', 'web', '--replicas=4')).toContain('scaled');
      const spec = JSON.parse(await kubectl('get', 'deploy', 'web', '-o', 'json')) as {
        spec: { replicas: number; template: { spec: { containers: unknown[] } } };
      };
      expect(spec.spec).toMatchObject({
        replicas: 4,
        template: { spec: { containers: [{ image: 'nginx:2', env: [{ name: 'A', value: 'b' }] }] } },
      });
      expect(await kubectl('describe', 'deploy', 'web')).toContain('Replicas:               4 desired');
      expect(await failure('get', 'deploy', 'none')).toBe(
        'Error from server (NotFound): deployments.apps "none" not found\n',
      );
      expect(await kubectl('delete', 'deploy', 'web')).toContain('deleted');
    });

    it('api-resources, explain, version, raw', async () => {
      expect(await kubectl('api-resources')).toMatch(/^deployments +deploy +apps\/v1 +true +Deployment$/m);
      expect(await kubectl('explain', 'pod.spec.containers.image')).toContain('Container image name');
      expect(await kubectl('version')).toContain('Server Version: v1.37.2');
      expect(await kubectl('get', '--raw', '/readyz')).toBe('ok');
    });

    it('auth whoami, can-i, create token, roles and bindings', async () => {
      expect(await kubectl('auth', 'whoami')).toContain('admin');
      expect(await kubectl('auth', 'can-i', 'create', 'pods')).toBe('yes\n');
      expect(await kubectl('create', 'clusterrolebinding', 'bob', '--clusterrole=view', '--user=bob')).toContain(
        'created',
      );
      expect(await kubectl('auth', 'can-i', 'list', 'pods', '--as=bob')).toBe('yes\n');
      expect(await failure('get', 'secrets', '--as=bob')).toContain('User "bob" cannot list resource "secrets"');
      expect(await kubectl('create', 'token', 'default')).toMatch(/^eyJ/);
    });

    it('custom kinds: wait, get, explain, scale, delete', async () => {
      await kubectl('apply', '-f', 'crd.json');
      await kubectl('wait', '--for=condition=Established', 'crd/widgets.conformance.example.com', '--timeout=20s');
      expect(await kubectl('apply', '-f', 'widget.json')).toContain('widget.conformance.example.com/w created');
      expect(await kubectl('scale', 'widget', 'w', '--replicas=3')).toContain('scaled');
      expect(await kubectl('get', 'widgets', '--field-selector=spec.color=red', '-o', 'name')).toBe(
        'widget.conformance.example.com/w\n',
      );
      expect(await kubectl('explain', 'widget.spec.size')).toContain('FIELD: size <integer>');
      expect(await kubectl('delete', 'crd', 'widgets.conformance.example.com')).toContain('deleted');
      expect(await failure('get', 'widgets')).toMatch(
        /could not find the requested resource|doesn't have a resource type/,
      );
    });

    it('get --watch shows what happens', async () => {
      const watching = run(
        binary('kubectl', version) ?? '',
        ['get', 'cm', '-w', '--request-timeout=3s', '--kubeconfig=kubeconfig', '--no-headers'],
        { cwd: running.folder },
      ).catch((error: unknown) => error as { stdout: string });
      await kubectl('create', 'configmap', 'seen', '--from-literal=a=b');
      expect((await watching).stdout).toMatch(/^seen +1 /m);
    });
  });
});
