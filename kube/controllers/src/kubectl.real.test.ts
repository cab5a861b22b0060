/** Real kubectl, the newest and the oldest that we support, against our controllers on the embedded server. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { background, withCancel, type Context } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { serve } from '@polyanthus/ground-http/node-server';
import { generateKey } from '@polyanthus/ground-pki/keys';
import { createClient } from '@polyanthus/kube-client/rest';
import { daemonSets, jobs, statefulSets } from '@polyanthus/kube-kinds/workloads';
import { startTestCluster } from '@polyanthus/kube-server/testing';
import { startSimulation } from '@polyanthus/kube-sim/simulation';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { binary, whyNotReal } from '../../../lab/src/parts.ts';
import { daemonSetOf } from './daemonset/testing.ts';
import { jobOf } from './job/testing.ts';
import { startControllers } from './start.ts';
import { statefulSetOf } from './statefulset/testing.ts';
import { testBehaviours } from './testing.ts';

const dayMs = 86_400_000;

interface Running {
  readonly ctx: Context;
  readonly client: KubeClient;
  readonly kubeconfig: string;
  readonly close: () => Promise<void>;
}

/** A cluster with all controllers and two nodes on a TLS port. */
async function start(): Promise<Running> {
  const cluster = await startTestCluster();
  const { ctx, cancel } = withCancel(background());
  const { authority } = await cluster.cluster.identity();
  const [serverKey, clientKey] = [await generateKey(), await generateKey()];
  const cert = await authority.issueServer(Date.now(), {
    names: ['localhost'],
    ips: ['127.0.0.1'],
    publicKeyPem: serverKey.publicKeyPem,
    ttlMs: dayMs,
  });
  const user = await authority.issueClient(Date.now(), {
    commonName: 'kubernetes-admin',
    organizations: ['system:masters'],
    publicKeyPem: clientKey.publicKeyPem,
    ttlMs: dayMs,
  });
  const server = await serve(background(), {
    handler: cluster.cluster.handler,
    listen: { host: '127.0.0.1', port: 0 },
    tls: { cert, key: serverKey.privateKeyPem, clientCas: [authority.certificatePem] },
  });
  const client = createClient(cluster.transport);
  const controllers = startControllers(ctx, { client, random: systemRandom, freeze: true });
  const nodes = [{ name: 'n1' }, { name: 'n2' }];
  const simulation = startSimulation(ctx, { client, random: systemRandom, nodes, behaviours: testBehaviours });
  const folder = await mkdtemp(join(tmpdir(), 'polyanthus-kubectl-'));
  const data = (text: string): string => Buffer.from(text).toString('base64');
  const access = { server: `https://${server.address}`, 'certificate-authority-data': data(authority.certificatePem) };
  const credentials = { 'client-certificate-data': data(user), 'client-key-data': data(clientKey.privateKeyPem) };
  const kubeconfig = join(folder, 'kubeconfig');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: [{ name: 'test', cluster: access }],
    users: [{ name: 'test', user: credentials }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
  };
  await writeFile(kubeconfig, JSON.stringify(config), { mode: 0o600 });
  return {
    ctx,
    client,
    kubeconfig,
    close: async () => {
      cancel();
      await Promise.all([controllers.stopped, simulation.stopped]);
      await server.close(0);
      await cluster.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

describe.each(['1.37.2', '1.32.13'])('kubectl %s', (version) => {
  const why = whyNotReal(['kubectl', version]);
  describe.skipIf(why !== undefined)(why ?? 'on our controllers', () => {
    let running: Running;
    beforeAll(async () => {
      running = await start();
    });
    afterAll(async () => running.close());

    const kubectl = async (...args: string[]): Promise<string> => {
      const all = ['--kubeconfig', running.kubeconfig, ...args];
      return (await promisify(execFile)(binary('kubectl', version) ?? '', all, { timeout: 90_000 })).stdout.trim();
    };
    const revisions = async (target: string): Promise<readonly string[]> =>
      (await kubectl('rollout', 'history', target)).match(/^\d+/gm) ?? [];
    const imageOf = (target: string): Promise<string> =>
      kubectl('get', target, '-o', 'jsonpath={.spec.template.spec.containers[0].image}');

    it.each([
      [
        'statefulset',
        'sts',
        /^partitioned roll out complete: 2 new pods have been updated|rolling update complete 2 pods at revision/m,
      ],
      ['daemonset', 'ds', /^daemon set "ds" successfully rolled out/m],
    ] as const)('rolls a %s out, shows its history, undoes and restarts', async (kind, name, done) => {
      const { ctx, client } = running;
      if (kind === 'statefulset')
        await client.create(ctx, statefulSets, statefulSetOf('default', name, 'v1', { replicas: 2 }));
      else await client.create(ctx, daemonSets, daemonSetOf('default', name, 'v1'));
      const target = `${kind}/${name}`;
      const status = (): Promise<string> => kubectl('rollout', 'status', target, '--timeout=80s');
      expect(await status()).toMatch(done);
      await kubectl('set', 'image', target, 'c=v2');
      expect(await status()).toMatch(done);
      expect(await revisions(target)).toEqual(['1', '2']);
      expect(await kubectl('rollout', 'history', target, '--revision=1')).toContain('v1');
      await kubectl('rollout', 'undo', target);
      expect(await status()).toMatch(done);
      expect(await imageOf(target)).toBe('v1');
      expect(await revisions(target)).toEqual(['2', '3']);
      await kubectl('rollout', 'undo', target, '--to-revision=2');
      expect(await status()).toMatch(done);
      expect(await imageOf(target)).toBe('v2');
      await kubectl('rollout', 'restart', target);
      expect(await status()).toMatch(done);
      expect(await revisions(target)).toEqual(['3', '4', '5']);
      await kubectl('delete', target, '--cascade=foreground', '--timeout=60s');
      expect(await kubectl('get', 'controllerrevisions,pods', '-l', `app=${name}`, '-o', 'name')).toBe('');
    });

    it('waits for a Job, and shows where a Service leads', async () => {
      const { ctx, client } = running;
      await client.create(ctx, jobs, jobOf('default', 'once', 'once'));
      expect(await kubectl('wait', '--for=condition=complete', 'job/once', '--timeout=80s')).toContain('condition met');
      expect(await kubectl('get', 'job', 'once', '--no-headers')).toMatch(/^once +Complete +1\/1 /);
      expect(await kubectl('delete', 'job', 'once', '--timeout=60s')).toContain('deleted');
      await client.create(ctx, statefulSets, statefulSetOf('default', 'web', 'v1', { replicas: 1 }));
      await kubectl('create', 'service', 'clusterip', 'web', '--tcp=80:8080');
      await kubectl('rollout', 'status', 'statefulset/web', '--timeout=80s');
      const ready = 'jsonpath={.endpoints[0].conditions.ready}';
      const slice = await kubectl('get', 'endpointslices', '-l', 'kubernetes.io/service-name=web', '-o', 'name');
      await kubectl('wait', `--for=${ready}=true`, slice, '--timeout=80s');
      expect(await kubectl('get', slice, '-o', 'jsonpath={.ports[0].port}')).toBe('8080');
    });
  });
});
