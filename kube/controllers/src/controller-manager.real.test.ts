/** The real kube-controller-manager on simulated nodes: it must do what our suites ask of our controllers. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe } from 'vitest';
import { background, withCancel } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { createClient } from '@polyanthus/kube-client/rest';
import { startSimulation } from '@polyanthus/kube-sim/simulation';
import { startControlPlane, startControllerManager } from '../../../lab/src/control-plane.ts';
import { whyNotReal } from '../../../lab/src/parts.ts';
import { daemonSetSuite } from './daemonset/testing.ts';
import { endpointSliceSuite } from './endpoint-slices/testing.ts';
import { jobSuite } from './job/testing.ts';
import { quotaSuite } from './quota/testing.ts';
import { statefulSetSuite } from './statefulset/testing.ts';
import { testBehaviours, type World } from './testing.ts';

const why = whyNotReal(['etcd', '3.7.0'], ['kube-apiserver', '1.37.2'], ['kube-controller-manager', '1.37.2']);
const limitMs = 50_000;

describe.skipIf(why !== undefined)(`kube-controller-manager${why === undefined ? '' : ` (${why})`}`, () => {
  let closing: (() => Promise<void>) | undefined;
  let opened: Promise<World> | undefined;
  const open = (): Promise<World> => (opened ??= start());
  afterAll(async () => closing?.());

  async function start(): Promise<World> {
    const plane = await startControlPlane();
    await startControllerManager(plane);
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
});
