/** Our controllers and simulated nodes on a real kube-apiserver: the same suites as on the embedded server. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { background, withCancel } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { startSimulation } from '@polyanthus/kube-sim/simulation';
import { startControlPlane } from '../../../lab/src/control-plane.ts';
import { binary, whyNotReal } from '../../../lab/src/parts.ts';
import { deployments } from '@polyanthus/kube-kinds/core';
import { bootstrapTokenSuite } from './bootstrap-tokens/testing.ts';
import { daemonSetSuite } from './daemonset/testing.ts';
import { deploymentSuite } from './deployment/testing.ts';
import { endpointSliceSuite } from './endpoint-slices/testing.ts';
import { garbageSuite } from './garbage/testing.ts';
import { jobSuite } from './job/testing.ts';
import { namespaceSuite } from './namespace/testing.ts';
import { startControllers } from './start.ts';
import { quotaSuite } from './quota/testing.ts';
import { statefulSetSuite } from './statefulset/testing.ts';
import { deploymentOf, freshNamespace, realWorld, testBehaviours, type World } from './testing.ts';

const why = whyNotReal(['etcd', '3.7.0'], ['kube-apiserver', '1.37.2']);
const limitMs = 50_000;

describe.skipIf(why !== undefined)(`a real API server${why === undefined ? '' : ` (${why})`}`, () => {
  let closing: (() => Promise<void>) | undefined;
  let opened: Promise<World> | undefined;
  let kubeconfig = '';
  const open = (): Promise<World> => (opened ??= start());
  afterAll(async () => closing?.());

  async function start(): Promise<World> {
    // Its finalizer waits for a controller that is not ours.
    const extraArgs = ['--disable-admission-plugins=StorageObjectInUseProtection'];
    const plane = await startControlPlane({ extraArgs });
    kubeconfig = plane.kubeconfig;
    const { ctx, cancel } = withCancel(background());
    const transport = createTransport({
      baseUrl: plane.url,
      tls: { ca: plane.caPem },
      headers: async () => ({ authorization: `Bearer ${plane.adminToken}` }),
    });
    const world = realWorld(ctx, transport, limitMs);
    const { client } = world;
    const controllers = startControllers(ctx, {
      client,
      random: systemRandom,
      clusterCaPem: 'PEM of the CA',
      freeze: true,
    });
    const simulation = startSimulation(ctx, {
      client,
      random: systemRandom,
      nodes: [{ name: 'n1' }, { name: 'n2' }],
      behaviours: testBehaviours,
      freeze: true,
    });
    closing = async () => {
      cancel();
      await Promise.all([controllers.stopped, simulation.stopped]);
      await transport.close();
      await plane.stop();
    };
    return world;
  }

  deploymentSuite('a real kube-apiserver', open);
  garbageSuite('a real kube-apiserver', open);
  namespaceSuite('a real kube-apiserver', open);
  quotaSuite('a real kube-apiserver', open);
  statefulSetSuite('a real kube-apiserver', open);
  daemonSetSuite('a real kube-apiserver', open);
  endpointSliceSuite('a real kube-apiserver', open);
  jobSuite('a real kube-apiserver', open);
  bootstrapTokenSuite('a real kube-apiserver', open);

  it.for(['1.37.2', '1.32.13'])('kubectl %s sees, restarts and undoes rollouts', async (version, { skip }) => {
    const path = binary('kubectl', version);
    if (path === undefined) skip(whyNotReal(['kubectl', version]));
    const world = await open();
    const namespace = await freshNamespace(world);
    const kubectl = async (...args: string[]): Promise<string> =>
      (await promisify(execFile)(path ?? '', ['--kubeconfig', kubeconfig, '-n', namespace, ...args])).stdout.trim();
    const status = (): Promise<string> => kubectl('rollout', 'status', 'deployment/app', '--timeout=20s');
    await world.client.create(world.ctx, deployments, deploymentOf(namespace, 'app', 'v1', { replicas: 2 }));
    expect(await status()).toContain('deployment "app" successfully rolled out');
    await kubectl('set', 'image', 'deployment/app', 'c=v2');
    expect(await status()).toContain('successfully rolled out');
    expect((await kubectl('rollout', 'history', 'deployment/app')).match(/^\d+/gm)).toEqual(['1', '2']);
    await kubectl('rollout', 'undo', 'deployment/app');
    await status();
    expect(await kubectl('get', 'deployment', 'app', '-o', 'jsonpath={.spec.template.spec.containers[0].image}')).toBe(
      'v1',
    );
    expect((await kubectl('rollout', 'history', 'deployment/app')).match(/^\d+/gm)).toEqual(['2', '3']);
    await kubectl('rollout', 'restart', 'deployment/app');
    await status();
    await kubectl('delete', 'deployment', 'app', '--cascade=foreground', '--timeout=20s');
    expect(await kubectl('get', 'replicasets,pods', '-o', 'name')).toBe('');
  });
});
