/** Our judgement of nodes against the real kube-scheduler's: random pods among random neighbours, no kubelet anywhere. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { background } from '@polyanthus/ground-base/context';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import { namespaces, nodes, pods, type Node, type Pod } from '@polyanthus/kube-kinds/core';
import { startControlPlane } from '../../../../lab/src/control-plane.ts';
import { whyNotReal } from '../../../../lab/src/parts.ts';
import { judgeNodes } from './feasible.ts';
import { unschedulableMessage } from './fit.ts';
import { Usage } from './usage.ts';

const why = whyNotReal(['etcd', '3.7.0'], ['kube-apiserver', '1.37.2'], ['kube-scheduler', '1.37.2']);
const ctx = background();
const cases = Number(process.env['SCHEDULER_CASES'] ?? 150);
const seed = Number(process.env['SCHEDULER_SEED'] ?? 20_261_124);
const random = createSeededRandom(seed);

const chance = (share: number): boolean => random.float() < share;
const oneOf = <T>(values: readonly T[]): T => values[Math.floor(random.float() * values.length)] as T;
const some = <T>(most: number, make: () => T): T[] =>
  Array.from({ length: Math.floor(random.float() * (most + 1)) }, make);

const spaces = ['red', 'blue', 'green'] as const;
const topologyKeys = ['zone', 'rack', 'kubernetes.io/hostname'];

const nodeOf = (index: number): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: {
    name: `node-${index}`,
    labels: {
      'kubernetes.io/hostname': `node-${index}`,
      ...(index === 6 ? {} : { zone: 'aabbcc'[index - 1] ?? 'd' }),
      ...(index % 4 === 0 ? {} : { rack: `rack-${index % 3}` }),
    },
  },
  spec: {
    ...(index === 5 ? { unschedulable: true } : {}),
    ...(index === 3 ? { taints: [{ key: 'dedicated', value: 'yes', effect: 'NoSchedule' as const }] } : {}),
  },
});
const allocatable = { cpu: '4', memory: '8Gi', pods: '6' };

const labels = (): Record<string, string> => ({ app: oneOf(['a', 'b']), track: oneOf(['x', 'y']) });
const labelSelector = (): object =>
  chance(0.2)
    ? { matchExpressions: [{ key: 'track', operator: oneOf(['Exists', 'DoesNotExist']) }] }
    : { matchLabels: chance(0.5) ? { app: oneOf(['a', 'b']) } : { track: oneOf(['x', 'y']) } };

function term(): object {
  const where = random.float();
  return {
    topologyKey: oneOf(topologyKeys),
    labelSelector: labelSelector(),
    ...(where < 0.2
      ? { namespaces: [oneOf(spaces)] }
      : where < 0.4
        ? { namespaceSelector: { matchLabels: { warm: 'yes' } } }
        : {}),
    ...(chance(0.15) ? { matchLabelKeys: ['pod-hash'] } : {}),
  };
}

const spread = (): object => {
  const soft = chance(0.2);
  return {
    maxSkew: oneOf([1, 1, 2]),
    topologyKey: oneOf(topologyKeys),
    whenUnsatisfiable: soft ? 'ScheduleAnyway' : 'DoNotSchedule',
    labelSelector: labelSelector(),
    ...(!soft && chance(0.3) ? { minDomains: oneOf([2, 3, 4]) } : {}),
    ...(chance(0.3) ? { nodeTaintsPolicy: 'Honor' } : {}),
    ...(chance(0.3) ? { nodeAffinityPolicy: 'Ignore' } : {}),
  };
};

/** Constraints may not repeat a key with the same policy. */
const spreads = (): readonly object[] => [
  ...new Map(some(2, spread).map((one) => [(one as { topologyKey: string }).topologyKey, one])).values(),
];

function requirement(terms: readonly object[]): object | undefined {
  return terms.length === 0 ? undefined : { requiredDuringSchedulingIgnoredDuringExecution: terms };
}

function podOf(name: string, nodeName: string | undefined): Pod {
  const pending = nodeName === undefined;
  const podAffinity = pending && chance(0.35) ? requirement(some(2, term)) : undefined;
  const podAntiAffinity = chance(pending ? 0.4 : 0.15) ? requirement(some(2, term)) : undefined;
  const port = { containerPort: 80, hostPort: oneOf([80, 443]), protocol: oneOf(['TCP', 'UDP']) };
  const ports = chance(0.3) ? [{ ...port, ...(chance(0.5) ? { hostIP: oneOf(['10.0.0.1', '10.0.0.2']) } : {}) }] : [];
  const resources = { requests: { cpu: oneOf(['100m', '500m', '1', '2500m']), memory: oneOf(['64Mi', '1Gi', '3Gi']) } };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: oneOf(spaces), name, labels: { ...labels(), 'pod-hash': oneOf(['1', '2']) } },
    spec: {
      ...(nodeName === undefined ? {} : { nodeName }),
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'main', image: 'i', resources, ports }],
      ...(chance(0.2) ? { initContainers: [{ name: 'init', image: 'i', resources: { requests: { cpu: '3' } } }] } : {}),
      ...(chance(0.15) ? { nodeSelector: { zone: oneOf(['a', 'b', 'c']) } } : {}),
      ...(chance(0.3) ? { tolerations: [oneOf([{ operator: 'Exists' }, { key: 'dedicated', value: 'yes' }])] } : {}),
      ...(podAffinity === undefined && podAntiAffinity === undefined
        ? {}
        : { affinity: { podAffinity, podAntiAffinity } }),
      ...(pending && chance(0.5) ? { topologySpreadConstraints: spreads() } : {}),
    },
  };
}

/** Waits for the scheduler's first word about the pod. */
async function outcome(client: KubeClient, pod: Pod): Promise<Pod> {
  const { namespace, name = '' } = pod.metadata;
  for (let tries = 0; tries < 2000; tries++) {
    const now = await client.get(ctx, pods, { namespace, name });
    const refused = now.status?.conditions?.some((one) => one.type === 'PodScheduled' && one.status === 'False');
    if (now.spec.nodeName !== undefined || refused === true) return now;
    await delay(20);
  }
  throw new Error(`the scheduler said nothing about ${name}`);
}

async function makeCluster(client: KubeClient): Promise<readonly Node[]> {
  for (const name of spaces)
    await client.create(ctx, namespaces, {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name, ...(name === 'green' ? {} : { labels: { warm: 'yes' } }) },
    });
  for (let index = 1; index <= 7; index++) {
    const made = await client.create(ctx, nodes, nodeOf(index));
    const status = { capacity: allocatable, allocatable };
    await client.patch(
      ctx,
      nodes,
      { name: made.metadata.name ?? '' },
      { type: 'merge', body: { status } },
      { subresource: 'status' },
    );
  }
  return (await client.list(ctx, nodes)).items;
}

describe.skipIf(why !== undefined)(`kube-scheduler${why === undefined ? '' : ` (${why})`}`, () => {
  let stop: (() => Promise<void>) | undefined;
  afterAll(async () => stop?.());

  it(`judges ${cases} random pods as we do, and says the same of those that fit nowhere`, async () => {
    const plane = await startControlPlane({
      extraArgs: ['--disable-admission-plugins=ServiceAccount,TaintNodesByCondition'],
    });
    stop = () => plane.stop();
    const headers = { authorization: `Bearer ${plane.adminToken}` };
    const client = createClient(
      createTransport({ baseUrl: plane.url, tls: { ca: plane.caPem }, headers: () => Promise.resolve(headers) }),
    );
    const all = await makeCluster(client);
    plane.component('kube-scheduler', ['--leader-elect=false', '--secure-port=0']);
    // Its first word about a pod of the last node shows that it knows all nodes.
    const sentinel = podOf('sentinel', undefined);
    const bare: Pod = {
      ...sentinel,
      spec: { containers: [{ name: 'main', image: 'i' }], nodeSelector: { 'kubernetes.io/hostname': 'node-7' } },
    };
    expect((await outcome(client, await client.create(ctx, pods, bare))).spec.nodeName).toBe('node-7');
    await deleteAll(client);
    let fitted = 0;
    for (let index = 0; index < cases; index++) {
      const usage = new Usage();
      for (const [at] of some(12, () => 0).entries())
        usage.observe(
          await client.create(ctx, pods, podOf(`placed-${index}-${at}`, `node-${1 + Math.floor(random.float() * 7)}`)),
        );
      const pending = await client.create(ctx, pods, podOf(`pending-${index}`, undefined));
      const verdicts = judgeNodes(pending, {
        nodes: all,
        placed: usage,
        used: (node) => usage.of(node),
        namespaceLabels: (name) => (name === 'green' ? {} : { warm: 'yes' }),
      });
      const real = await outcome(client, pending);
      const fits = verdicts.filter(({ reasons }) => reasons.length === 0).map(({ name }) => name);
      const about = `case ${index} of seed ${seed}: ${JSON.stringify(pending.spec)} judged ${JSON.stringify(verdicts)}`;
      if (real.spec.nodeName !== undefined) {
        fitted++;
        expect(fits, about).toContain(real.spec.nodeName);
      } else {
        const message = real.status?.conditions?.find((one) => one.type === 'PodScheduled')?.message ?? '';
        expect(`${message.split('. ')[0]}.`, about).toBe(unschedulableMessage(verdicts.map(({ reasons }) => reasons)));
        expect(fits, about).toEqual([]);
      }
      await deleteAll(client);
    }
    // Both kinds of answers were asked for.
    expect(fitted).toBeGreaterThan(cases / 5);
    expect(fitted).toBeLessThan((cases * 4) / 5);
  }, 500_000);
});

async function deleteAll(client: KubeClient): Promise<void> {
  for (const namespace of spaces) await client.deleteCollection(ctx, pods, { namespace }, { gracePeriodSeconds: 0 });
}
