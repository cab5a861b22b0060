/** The real kube-controller-manager on simulated nodes: it must do what our suites ask of our controllers. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe } from 'vitest';
import { background, withCancel } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { createAuthority } from '@polyanthus/ground-pki/authority';
import { createClient } from '@polyanthus/kube-client/rest';
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
import { clientAs, testBehaviours, type World } from './testing.ts';

const why = whyNotReal(['etcd', '3.7.0'], ['kube-apiserver', '1.37.2'], ['kube-controller-manager', '1.37.2']);
/** Pods of a lost node are looked for every twenty seconds and are given forty more. */
const limitMs = 110_000;

describe.skipIf(why !== undefined)(`kube-controller-manager${why === undefined ? '' : ` (${why})`}`, () => {
  let closing: (() => Promise<void>) | undefined;
  let opened: Promise<World> | undefined;
  const open = (): Promise<World> => (opened ??= start());
  afterAll(async () => closing?.());

  async function start(): Promise<World> {
    const plane = await startControlPlane();
    const random = systemRandom;
    const authority = await createAuthority({ commonName: 'cluster', nowMs: background().clock.now(), random });
    const [certificate, key] = [join(plane.folder, 'signer.crt'), join(plane.folder, 'signer.key')];
    await writeFile(certificate, authority.certificatePem);
    await writeFile(key, authority.keyPem, { mode: 0o600 });
    await startControllerManager(plane, [
      '--controllers=*,bootstrap-signer-controller,token-cleaner-controller',
      `--cluster-signing-cert-file=${certificate}`,
      `--cluster-signing-key-file=${key}`,
    ]);
    const { ctx, cancel } = withCancel(background());
    const transport = createTransport({
      baseUrl: plane.url,
      tls: { ca: plane.caPem },
      headers: async () => ({ authorization: `Bearer ${plane.adminToken}` }),
    });
    const client = createClient(transport);
    const simulation = startSimulation(ctx, {
      client,
      random: systemRandom,
      nodes: [{ name: 'n1' }, { name: 'n2' }],
      behaviours: testBehaviours,
      freeze: true,
    });
    closing = async () => {
      cancel();
      await simulation.stopped;
      await transport.close();
      await plane.stop();
    };
    return {
      ctx,
      client,
      as: (username, ...groups) => clientAs(transport, username, groups),
      pass: (ms) => delay(ms),
      until: async (condition, what) => {
        for (const endMs = performance.now() + limitMs; !(await condition()); await delay(50))
          if (performance.now() > endMs) throw new Error(`waited ${limitMs} ms in vain for ${what}`);
      },
    };
  }

  const name = 'a real kube-controller-manager';
  quotaSuite(name, open);
  statefulSetSuite(name, open);
  daemonSetSuite(name, open);
  endpointSliceSuite(name, open);
  jobSuite(name, open);
  cronJobSuite(name, open);
  nodeSuite(name, open);
  certificateSuite(name, open);
  bootstrapTokenSuite(name, open);
});
