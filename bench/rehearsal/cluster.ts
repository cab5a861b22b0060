/** A large cluster in few words: 1,000 nodes in 10 zones, 30 pods each, of 1,500 workloads in 50 namespaces. */
import { snapshotOf, type WorkloadFixture } from '@polyanthus/engine-rehearsal/testing';
import type { Snapshot } from '@polyanthus/engine-sandbox/snapshot';
import type { KubeObject } from '@polyanthus/kube-objects/meta';

const namespaces = 50;

/** Every workload has 20 replicas; a third has a budget, a third a zone spread, a tenth anti-affinity, one in six is a StatefulSet. */
export function largeSnapshot(nodes: number, pods: number): Snapshot {
  const replicas = Math.min(20, nodes);
  const count = Math.floor(pods / replicas);
  const nodeName = (index: number): string => `node-${String(index % nodes).padStart(4, '0')}`;
  const workloads = Array.from({ length: count }, (_, index): WorkloadFixture => {
    const name = `app-${index}`;
    const selector = { labelSelector: { matchLabels: { app: name } } };
    const zones = {
      maxSkew: 2,
      topologyKey: 'topology.kubernetes.io/zone',
      whenUnsatisfiable: 'DoNotSchedule',
      ...selector,
    };
    const apart = { topologyKey: 'kubernetes.io/hostname', ...selector };
    return {
      name,
      kind: index % 6 === 0 ? 'StatefulSet' : 'Deployment',
      namespace: `ns-${index % namespaces}`,
      on: Array.from({ length: replicas }, (__, place) => nodeName(index * 7 + place * Math.floor(nodes / replicas))),
      cpu: `${50 + (index % 5) * 50}m`,
      memory: `${64 << (index % 4)}Mi`,
      spec: {
        ...(index % 3 === 1 ? { topologySpreadConstraints: [zones] } : {}),
        ...(index % 10 === 2
          ? { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [apart] } } }
          : {}),
      },
    };
  });
  const budgets = workloads.flatMap(({ name, namespace }, index): readonly KubeObject[] => {
    if (index % 3 !== 0) return [];
    const spec = { selector: { matchLabels: { app: name } }, maxUnavailable: 1 + (index % 2) };
    return [
      {
        apiVersion: 'policy/v1',
        kind: 'PodDisruptionBudget',
        metadata: { namespace: namespace ?? '', name },
        spec,
      } as KubeObject,
    ];
  });
  return snapshotOf({
    nodes: Array.from({ length: nodes }, (_, index) => ({
      name: nodeName(index),
      zone: `z${index % 10}`,
      cpu: '16',
      memory: '64Gi',
    })),
    workloads,
    objects: [
      ...Array.from({ length: namespaces }, (_, index): KubeObject => ({
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name: `ns-${index}` },
      })),
      ...budgets,
    ],
  });
}
