import { describe, expect, it } from 'vitest';
import type { Node, Pod } from '@polyanthus/kube-kinds/core';
import { judgeNodes } from './feasible.ts';
import { unschedulableMessage } from './fit.ts';
import { podRequests } from './requests.ts';
import { Usage } from './usage.ts';

const pod = (spec: object = {}, cpu = '1'): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', uid: 'u' },
  spec: { containers: [{ name: 'c', resources: { requests: { cpu } } }], ...spec },
});
const node = (spec: Node['spec'] = {}, labels: Readonly<Record<string, string>> = {}): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'n', labels },
  spec,
  status: { allocatable: { cpu: '2', memory: '4Gi', pods: '2' } },
});
const taint = { key: 'a', value: 'b', effect: 'NoSchedule' } as const;
const affinity = {
  nodeAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: {
      nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator: 'In', values: ['x'] }] }],
    },
  },
};

describe('a node does not fit for', () => {
  it.each([
    ['an empty node', pod(), node(), []],
    ['too much CPU', pod({}, '2001m'), node(), ['Insufficient cpu']],
    ['a cordoned node', pod(), node({ unschedulable: true }), ['node(s) were unschedulable']],
    ['a taint', pod(), node({ taints: [taint] }), ['node(s) had untolerated taint(s)']],
    [
      'a tolerated taint',
      pod({ tolerations: [{ key: 'a', value: 'b', effect: 'NoSchedule' }] }),
      node({ taints: [taint] }),
      [],
    ],
    [
      'a toleration of everything',
      pod({ tolerations: [{ operator: 'Exists' }] }),
      node({ taints: [taint], unschedulable: true }),
      [],
    ],
    ['a preference only', pod(), node({ taints: [{ ...taint, effect: 'PreferNoSchedule' }] }), []],
    [
      'a selector',
      pod({ nodeSelector: { disk: 'ssd' } }),
      node(),
      ["node(s) didn't match Pod's node affinity/selector"],
    ],
    ['an affinity', pod({ affinity }), node({}, { zone: 'y' }), ["node(s) didn't match Pod's node affinity/selector"]],
    ['an affinity that holds', pod({ affinity }), node({}, { zone: 'x' }), []],
  ] as const)('%s', (_name, target, on, expected) => {
    const usage = new Usage();
    const view = { nodes: [on], placed: usage, used: (name: string) => usage.of(name), namespaceLabels: () => ({}) };
    expect(judgeNodes(target, view)[0]?.reasons).toEqual(expected);
  });
});

it('counts pods on a node once, and no longer when they have finished', () => {
  const usage = new Usage();
  const bound = pod({ nodeName: 'n' });
  usage.take(bound, 'n', podRequests(bound));
  usage.observe(bound);
  expect(usage.of('n').get('cpu')).toBe(1_000_000_000n);
  usage.observe({ ...bound, status: { phase: 'Succeeded' } });
  expect(usage.of('n').get('cpu')).toBe(0n);
});

it('says why no node fits', () => {
  expect(unschedulableMessage([['Insufficient cpu'], ['Insufficient cpu'], ['node(s) were unschedulable']])).toBe(
    '0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu.',
  );
  expect(unschedulableMessage([])).toBe('no nodes available to schedule pods');
});

it('asks for the larger of init containers and the sum of the others', () => {
  const requests = podRequests(pod({ initContainers: [{ name: 'i', resources: { limits: { cpu: '3' } } }] }));
  expect(requests.get('cpu')).toBe(3_000_000_000n);
});
