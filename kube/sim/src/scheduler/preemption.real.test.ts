/** Whom we would drive out against whom the real kube-scheduler drives out: random pods, priorities and budgets, no kubelets. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { background } from '@polyanthus/ground-base/context';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import { namespaces, nodes, pods, type Node, type Pod } from '@polyanthus/kube-kinds/core';
import { podDisruptionBudgets } from '@polyanthus/kube-kinds/disruption';
import { startControlPlane } from '../../../../lab/src/control-plane.ts';
import { whyNotReal } from '../../../../lab/src/parts.ts';
import { judgeNodes } from './feasible.ts';
import { compareHarm, leastHarm, nominatedNode, preemptionCandidates } from './preemption.ts';
import { podRequests } from './requests.ts';
import { Usage } from './usage.ts';

const why = whyNotReal(['etcd', '3.7.0'], ['kube-apiserver', '1.37.2'], ['kube-scheduler', '1.37.2']);
const ctx = background();
const cases = Number(process.env['SCHEDULER_CASES'] ?? 120);
const seed = Number(process.env['SCHEDULER_SEED'] ?? 20_261_124);
const random = createSeededRandom(seed);
const namespace = 'red';

const chance = (share: number): boolean => random.float() < share;
const oneOf = <T>(values: readonly T[]): T => values[Math.floor(random.float() * values.length)] as T;
const merge = (status: object) => ({ type: 'merge', body: { status } }) as const;
const status = { subresource: 'status' };

const nodeOf = (index: number): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: {
    name: `node-${index}`,
    labels: { 'kubernetes.io/hostname': `node-${index}`, zone: index < 3 ? 'a' : 'b' },
  },
  spec: index === 4 ? { taints: [{ key: 'dedicated', value: 'yes', effect: 'NoSchedule' as const }] } : {},
});

const requirement = (app: string, topologyKey: string): object => ({
  requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey, labelSelector: { matchLabels: { app } } }],
});

function podOf(name: string, nodeName: string | undefined): Pod {
  const pending = nodeName === undefined;
  const cpu = pending ? oneOf(['1', '2', '3', '4']) : oneOf(['500m', '1', '1500m', '2']);
  const anti = requirement(oneOf(['a', 'b', 'c']), oneOf(['kubernetes.io/hostname', 'zone']));
  const port = { containerPort: 80, hostPort: 80 };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels: { app: oneOf(['a', 'b', 'c']) } },
    spec: {
      ...(pending ? {} : { nodeName }),
      priority: pending ? oneOf([1, 2, 3, 5]) : oneOf([-5, 0, 1, 2, 3]),
      ...(pending && chance(0.1) ? { preemptionPolicy: 'Never' } : {}),
      containers: [
        {
          name: 'main',
          image: 'i',
          resources: { requests: { cpu } },
          ports: chance(pending ? 0.15 : 0.1) ? [port] : [],
        },
      ],
      ...(chance(pending ? 0.25 : 0.1) ? { affinity: { podAntiAffinity: anti } } : {}),
      ...(pending && chance(0.15) ? { nodeSelector: { zone: oneOf(['a', 'b']) } } : {}),
      ...(chance(0.3) ? { tolerations: [{ operator: 'Exists' }] } : {}),
      ...(pending && chance(0.2)
        ? {
            topologySpreadConstraints: [
              {
                maxSkew: 1,
                topologyKey: 'zone',
                whenUnsatisfiable: 'DoNotSchedule',
                labelSelector: { matchLabels: { app: oneOf(['a', 'b']) } },
              },
            ],
          }
        : {}),
    },
  };
}

/** The scheduler's first word about the pod: a node, a promise, or a no. */
async function outcome(client: KubeClient, name: string): Promise<Pod> {
  for (let tries = 0; tries < 2000; tries++) {
    const now = await client.get(ctx, pods, { namespace, name });
    const refused = now.status?.conditions?.some((one) => one.type === 'PodScheduled' && one.status === 'False');
    if (now.spec.nodeName !== undefined || refused === true) return now;
    await delay(20);
  }
  throw new Error(`the scheduler said nothing about ${name}`);
}

async function makeCluster(client: KubeClient): Promise<void> {
  await client.create(ctx, namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  for (const [app, disruptionsAllowed] of [
    ['a', 0],
    ['b', 1],
  ] as const) {
    await client.create(ctx, podDisruptionBudgets, {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { namespace, name: app },
      spec: { minAvailable: 1, selector: { matchLabels: { app } } },
    });
    const counted = { disruptionsAllowed, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1 };
    await client.patch(ctx, podDisruptionBudgets, { namespace, name: app }, merge(counted), status);
  }
  const allocatable = { cpu: '4', memory: '8Gi', pods: '6' };
  for (let index = 1; index <= 4; index++) {
    await client.create(ctx, nodes, nodeOf(index));
    await client.patch(ctx, nodes, { name: `node-${index}` }, merge({ capacity: allocatable, allocatable }), status);
  }
}

/** Pods that began one after the other, so that there is an order of age. */
async function fill(client: KubeClient, index: number): Promise<Usage> {
  const usage = new Usage();
  const taken = new Map<string, number>();
  for (let at = 0; at < 14; at++) {
    const nodeName = `node-${1 + Math.floor(random.float() * 4)}`;
    const pod = podOf(`placed-${index}-${at}`, nodeName);
    const total = (taken.get(nodeName) ?? 0) + Number(podRequests(pod).get('cpu') ?? 0n) / 1e9;
    if (total > 4) continue;
    taken.set(nodeName, total);
    const { name = '' } = (await client.create(ctx, pods, pod)).metadata;
    const startTime = `2026-01-01T00:${String(10 + at)}:00Z`;
    usage.observe(await client.patch(ctx, pods, { namespace, name }, merge({ startTime, phase: 'Running' }), status));
  }
  return usage;
}

const namesOf = (some: readonly Pod[]): readonly string[] => some.map(({ metadata }) => metadata.name ?? '').toSorted();

describe.skipIf(why !== undefined)(`kube-scheduler${why === undefined ? '' : ` (${why})`}`, () => {
  let stop: (() => Promise<void>) | undefined;
  afterAll(async () => stop?.());

  it(`drives out whom we would for ${cases} random pods`, async () => {
    const plane = await startControlPlane({
      extraArgs: ['--disable-admission-plugins=ServiceAccount,TaintNodesByCondition,Priority'],
    });
    stop = () => plane.stop();
    const headers = { authorization: `Bearer ${plane.adminToken}` };
    const client = createClient(
      createTransport({ baseUrl: plane.url, tls: { ca: plane.caPem }, headers: () => Promise.resolve(headers) }),
    );
    await makeCluster(client);
    plane.component('kube-scheduler', ['--leader-elect=false', '--secure-port=0']);
    const sentinel: Pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace, name: 'sentinel' },
      spec: {
        containers: [{ name: 'main', image: 'i' }],
        nodeSelector: { 'kubernetes.io/hostname': 'node-4' },
        tolerations: [{ operator: 'Exists' }],
      },
    };
    await client.create(ctx, pods, sentinel);
    expect((await outcome(client, 'sentinel')).spec.nodeName).toBe('node-4');
    const all = (await client.list(ctx, nodes)).items;
    const budgets = (await client.list(ctx, podDisruptionBudgets)).items;
    const clear = () => client.deleteCollection(ctx, pods, { namespace }, { gracePeriodSeconds: 0 });
    await clear();
    const seen = { placed: 0, refused: 0, preempted: 0 };
    for (let index = 0; index < cases; index++) {
      const usage = await fill(client, index);
      const pending = await client.create(ctx, pods, podOf(`pending-${index}`, undefined));
      const around = { nodes: all, namespaceLabels: () => ({}) };
      const verdicts = judgeNodes(pending, { ...around, placed: usage, used: (node) => usage.of(node) });
      const fits = verdicts.some(({ reasons }) => reasons.length === 0);
      const never = pending.spec['preemptionPolicy'] === 'Never';
      const candidates = fits || never ? [] : preemptionCandidates(pending, verdicts, { ...around, usage, budgets });
      const best = leastHarm(candidates);
      const real = await outcome(client, `pending-${index}`);
      const node = nominatedNode(real);
      const shown = candidates.map((one) => [one.node, one.violations, namesOf(one.victims)]);
      const about = `case ${index} of seed ${seed}: ${JSON.stringify(pending.spec)} of ${JSON.stringify(shown)}`;
      seen[real.spec.nodeName !== undefined ? 'placed' : node === '' ? 'refused' : 'preempted']++;
      expect(real.spec.nodeName !== undefined, about).toBe(fits);
      const chosen = candidates.find((one) => one.node === node);
      expect(node === '', about).toBe(best === undefined);
      if (best !== undefined) {
        expect(chosen, about).toBeDefined();
        // Of nodes where the harm is the same it takes any.
        expect(chosen === undefined ? 1 : compareHarm(chosen, best), about).toBe(0);
        let gone: readonly Pod[] = [];
        for (let tries = 0; tries < 500 && gone.length < (chosen?.victims.length ?? 0); tries++) {
          await delay(10);
          gone = (await client.list(ctx, pods, { namespace })).items.filter(
            ({ metadata }) => metadata.deletionTimestamp !== undefined,
          );
        }
        expect(namesOf(gone), about).toEqual(namesOf(chosen?.victims ?? []));
        expect(gone[0]?.status?.conditions, about).toContainEqual(
          expect.objectContaining({
            type: 'DisruptionTarget',
            reason: 'PreemptionByScheduler',
            message: 'default-scheduler: preempting to accommodate a higher priority pod',
          }),
        );
      }
      await clear();
    }
    for (const count of Object.values(seen)) expect(count, JSON.stringify(seen)).toBeGreaterThan(cases / 12);
  }, 500_000);
});
