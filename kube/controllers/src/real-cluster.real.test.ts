/** Our controllers and simulated nodes on a real kube-apiserver: the same suites as on the embedded server. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe } from 'vitest';
import { background, withCancel } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { createClient } from '@polyanthus/kube-client/rest';
import { startSimulation } from '@polyanthus/kube-sim/simulation';
import { startControlPlane } from '../../../lab/src/control-plane.ts';
import { whyNotReal } from '../../../lab/src/parts.ts';
import { deploymentSuite } from './deployment/testing.ts';
import { garbageSuite } from './garbage/testing.ts';
import { namespaceSuite } from './namespace/testing.ts';
import { startControllers } from './start.ts';
import { testBehaviours, type World } from './testing.ts';

const why = whyNotReal(['etcd', '3.7.0'], ['kube-apiserver', '1.37.2']);
const limitMs = 20_000;

describe.skipIf(why !== undefined)(`a real API server${why === undefined ? '' : ` (${why})`}`, () => {
  let closing: (() => Promise<void>) | undefined;
  let opened: Promise<World> | undefined;
  const open = (): Promise<World> => (opened ??= start());
  afterAll(async () => closing?.());

  async function start(): Promise<World> {
    const plane = await startControlPlane();
    const { ctx, cancel } = withCancel(background());
    const transport = createTransport({
      baseUrl: plane.url,
      tls: { ca: plane.caPem },
      headers: async () => ({ authorization: `Bearer ${plane.adminToken}` }),
    });
    const client = createClient(transport);
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
    return {
      ctx,
      client,
      pass: (ms) => delay(ms),
      until: async (condition, what) => {
        for (const endMs = performance.now() + limitMs; !(await condition()); await delay(50)) {
          if (performance.now() > endMs) throw new Error(`waited ${limitMs} ms in vain for ${what}`);
        }
      },
    };
  }

  deploymentSuite('a real kube-apiserver', open);
  garbageSuite('a real kube-apiserver', open);
  namespaceSuite('a real kube-apiserver', open);
});
