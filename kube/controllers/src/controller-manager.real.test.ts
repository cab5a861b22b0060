/** The real kube-controller-manager on simulated nodes: it must do what our suites ask of our controllers. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe } from 'vitest';
import { background, withCancel } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { createAuthority } from '@polyanthus/ground-pki/authority';
import { startSimulation } from '@polyanthus/kube-sim/simulation';
import { startControlPlane, startControllerManager } from '../../../lab/src/control-plane.ts';
import { whyNotReal } from '../../../lab/src/parts.ts';
import { bootstrapTokenSuite } from './bootstrap-tokens/testing.ts';
import { certificateSuite } from './certificates/testing.ts';
import { cronJobSuite } from './cronjob/testing.ts';
import { daemonSetSuite } from './daemonset/testing.ts';
import { endpointSliceSuite } from './endpoint-slices/testing.ts';
import { jobSuite } from './job/testing.ts';
import { nodeSuite } from './nodes/testing.ts';
import { quotaSuite } from './quota/testing.ts';
import { statefulSetSuite } from './statefulset/testing.ts';
import { realWorld, testBehaviours, type World } from './testing.ts';

const why = whyNotReal(['etcd', '3.7.0'], ['kube-apiserver', '1.37.2'], ['kube-controller-manager', '1.37.2']);
/** Pods of a lost node are looked for every twenty seconds and are given forty more. */
const limitMs = 110_000;

/** Nodes are given up sooner than by default, for the test's sake; kubelets renew their Leases every ten seconds. */
const soon = ['--node-monitor-grace-period=21s', '--node-startup-grace-period=21s', '--node-monitor-period=1s'];

/** A world of its own for the suites: what one of them asks of the nodes is not what another's pods bear. */
function describeManager(name: string, args: readonly string[], suites: readonly Suite[]): void {
  describe.skipIf(why !== undefined)(`${name}${why === undefined ? '' : ` (${why})`}`, () => {
    let opened: Promise<ManagedWorld> | undefined;
    const open = (): Promise<ManagedWorld> => (opened ??= start(args));
    afterAll(async () => (await opened)?.close());
    for (const suite of suites) suite(name, open);
  });
}

type Suite = (name: string, open: () => Promise<World>) => void;

interface ManagedWorld extends World {
  close(): Promise<void>;
}

async function start(args: readonly string[]): Promise<ManagedWorld> {
  const plane = await startControlPlane();
  await startControllerManager(plane, [
    '--controllers=*,bootstrap-signer-controller,token-cleaner-controller',
    ...(await signerArgs(plane.folder)),
    ...args,
  ]);
  const { ctx, cancel } = withCancel(background());
  const transport = createTransport({
    baseUrl: plane.url,
    tls: { ca: plane.caPem },
    headers: async () => ({ authorization: `Bearer ${plane.adminToken}` }),
  });
  const world = realWorld(ctx, transport, limitMs);
  const { client } = world;
  const simulation = startSimulation(ctx, {
    client,
    random: systemRandom,
    nodes: [{ name: 'n1' }, { name: 'n2' }],
    behaviours: testBehaviours,
    freeze: true,
  });
  return {
    ...world,
    close: async () => {
      cancel();
      await simulation.stopped;
      await transport.close();
      await plane.stop();
    },
  };
}

/** The CA that signs what it approves. */
async function signerArgs(folder: string): Promise<readonly string[]> {
  const nowMs = background().clock.now();
  const authority = await createAuthority({ commonName: 'cluster', nowMs, random: systemRandom });
  const [certificate, key] = [join(folder, 'signer.crt'), join(folder, 'signer.key')];
  await writeFile(certificate, authority.certificatePem);
  await writeFile(key, authority.keyPem, { mode: 0o600 });
  return [`--cluster-signing-cert-file=${certificate}`, `--cluster-signing-key-file=${key}`];
}

describeManager(
  'a real kube-controller-manager',
  [],
  [
    quotaSuite,
    statefulSetSuite,
    daemonSetSuite,
    endpointSliceSuite,
    jobSuite,
    cronJobSuite,
    certificateSuite,
    bootstrapTokenSuite,
  ],
);
describeManager('a real kube-controller-manager that gives nodes up soon', soon, [nodeSuite]);
