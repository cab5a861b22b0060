/** Our controllers and simulated nodes on the embedded API server, by virtual clock. */
import { afterAll } from 'vitest';
import { background, withCancel } from '@polyanthus/ground-base/context';
import { createClient } from '@polyanthus/kube-client/rest';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import { createTestClock } from '@polyanthus/kube-runtime/testing';
import { startTestCluster } from '@polyanthus/kube-server/testing';
import { startSimulation } from '@polyanthus/kube-sim/simulation';
import { bootstrapTokenSuite } from './bootstrap-tokens/testing.ts';
import { certificateSuite } from './certificates/testing.ts';
import { cronJobSuite } from './cronjob/testing.ts';
import { daemonSetSuite } from './daemonset/testing.ts';
import { deploymentSuite } from './deployment/testing.ts';
import { endpointSliceSuite } from './endpoint-slices/testing.ts';
import { garbageSuite } from './garbage/testing.ts';
import { jobSuite } from './job/testing.ts';
import { namespaceSuite } from './namespace/testing.ts';
import { nodeSuite } from './nodes/testing.ts';
import { startControllers } from './start.ts';
import { quotaSuite } from './quota/testing.ts';
import { statefulSetSuite } from './statefulset/testing.ts';
import { clientAs, patiently, testBehaviours, type World } from './testing.ts';

let closing: (() => Promise<void>) | undefined;
let opened: Promise<World> | undefined;
const open = (): Promise<World> => (opened ??= start());
afterAll(async () => closing?.());

async function start(): Promise<World> {
  const clock = createTestClock();
  const random = createSeededRandom(7);
  const server = await startTestCluster({ clock, random });
  const { ctx, cancel } = withCancel(background({ clock }));
  const client = createClient(server.transport);
  const controllers = startControllers(ctx, { client, random, clusterCaPem: 'PEM of the CA', freeze: true });
  const nodes = [{ name: 'n1' }, { name: 'n2' }];
  const simulation = startSimulation(ctx, { client, random, nodes, behaviours: testBehaviours, freeze: true });
  closing = async () => {
    cancel();
    await Promise.all([controllers.stopped, simulation.stopped]);
    await server.close();
  };
  return {
    ctx,
    client,
    as: (username, ...groups) => clientAs(server.transport, username, groups),
    pass: (ms) => clock.advance(ms),
    until: (condition, what) => patiently(() => clock.until(condition, what, 120_000)),
  };
}

deploymentSuite('the embedded server', open);
garbageSuite('the embedded server', open);
namespaceSuite('the embedded server', open);
quotaSuite('the embedded server', open);
statefulSetSuite('the embedded server', open);
daemonSetSuite('the embedded server', open);
endpointSliceSuite('the embedded server', open);
jobSuite('the embedded server', open);
cronJobSuite('the embedded server', open);
nodeSuite('the embedded server', open);
certificateSuite('the embedded server', open);
bootstrapTokenSuite('the embedded server', open);
