import { describe, expect, it } from 'vitest';
import { array, assert as check, integer, property, record } from 'fast-check';
import type { Node, Pod } from '@polyanthus/kube-kinds/core';
import type { PodDisruptionBudget } from '@polyanthus/kube-kinds/disruption';
import { judgeNodes } from './feasible.ts';
import { leastHarm, mayPreempt, preemptionCandidates, priorityOf, type PreemptionCandidate } from './preemption.ts';
import { Usage } from './usage.ts';

const nodeOf = (name: string, cpu = '4'): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, labels: { host: name } },
  status: { allocatable: { cpu, memory: '8Gi', pods: '10' } },
});
interface Wish {
  readonly cpu?: string;
  readonly node?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly started?: string;
  readonly spec?: object;
}
const podOf = (name: string, priority: number, { cpu = '2', node, labels = {}, started, spec }: Wish = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, uid: name, namespace: 'ns', labels },
  spec: {
    priority,
    ...(node === undefined ? {} : { nodeName: node }),
    containers: [{ name: 'c', resources: { requests: { cpu } } }],
    ...spec,
  },
  ...(started === undefined ? {} : { status: { startTime: started } }),
});
const budgetOf = (disruptionsAllowed: number, app: string): PodDisruptionBudget => ({
  apiVersion: 'policy/v1',
  kind: 'PodDisruptionBudget',
  metadata: { namespace: 'ns', name: app },
  spec: { selector: { matchLabels: { app } } },
  status: { disruptionsAllowed, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 },
});

function decide(
  pod: Pod,
  nodes: readonly Node[],
  placed: readonly Pod[],
  budgets: readonly PodDisruptionBudget[] = [],
): { readonly best: PreemptionCandidate | undefined; readonly usage: Usage; readonly may: boolean } {
  const usage = new Usage();
  for (const one of placed) usage.observe(one);
  const around = { nodes, namespaceLabels: () => ({}) };
  const verdicts = judgeNodes(pod, { ...around, placed: usage, used: (node) => usage.of(node) });
  const candidates = preemptionCandidates(pod, verdicts, { ...around, usage, budgets });
  return { best: leastHarm(candidates), usage, may: mayPreempt(pod, verdicts, usage) };
}
const names = (candidate: PreemptionCandidate | undefined): readonly (string | undefined)[] | undefined =>
  candidate && [candidate.node, ...candidate.victims.map(({ metadata }) => metadata.name)];

describe('a pod that fits nowhere', () => {
  it('drives out as few as it can, the least important of them', () => {
    const placed = [podOf('low', 1, { node: 'n' }), podOf('lower', 0, { node: 'n' })];
    expect(names(decide(podOf('p', 5), [nodeOf('n')], placed).best)).toEqual(['n', 'lower']);
    expect(names(decide(podOf('p', 5, { cpu: '4' }), [nodeOf('n')], placed).best)).toEqual(['n', 'low', 'lower']);
  });

  it('drives out nobody of its own priority, and nobody where that does not help', () => {
    const placed = [podOf('equal', 5, { node: 'n', cpu: '3' }), podOf('low', 1, { node: 'n', cpu: '1' })];
    expect(decide(podOf('p', 5), [nodeOf('n')], placed).best).toBeUndefined();
    expect(decide(podOf('p', 9, { cpu: '5' }), [nodeOf('n')], placed).best).toBeUndefined();
    const elsewhere = podOf('p', 9, { spec: { nodeSelector: { host: 'other' } } });
    expect(decide(elsewhere, [nodeOf('n')], placed).best).toBeUndefined();
  });

  it('lets those stay that a budget protects, unless nothing else helps', () => {
    const placed = [
      podOf('guarded', 0, { node: 'n', labels: { app: 'a' } }),
      podOf('free', 1, { node: 'n', labels: { app: 'b' } }),
    ];
    expect(names(decide(podOf('p', 5), [nodeOf('n')], placed, [budgetOf(0, 'a')]).best)).toEqual(['n', 'free']);
    expect(names(decide(podOf('p', 5), [nodeOf('n')], placed, [budgetOf(1, 'a')]).best)).toEqual(['n', 'guarded']);
    const both = decide(podOf('p', 5, { cpu: '4' }), [nodeOf('n')], placed, [budgetOf(0, 'a')]).best;
    expect([names(both), both?.violations]).toEqual([['n', 'free', 'guarded'], 1]);
  });

  it('takes the node where it does least harm: budgets, priority, sum, number, age', () => {
    const full = (node: string, priority: number, wish: Wish = {}): Pod =>
      podOf(`${node}-${priority}`, priority, { cpu: '4', node, ...wish });
    const on = (...placed: readonly Pod[]): string | undefined =>
      decide(podOf('p', 9, { cpu: '4' }), [nodeOf('a'), nodeOf('b')], placed, [budgetOf(0, 'x')]).best?.node;
    expect(on(full('a', 1, { labels: { app: 'x' } }), full('b', 8))).toBe('b');
    expect(on(full('a', 3), full('b', 2))).toBe('b');
    const halves = (node: string): readonly Pod[] => [0, 1].map((at) => podOf(`${node}${at}`, 3, { node }));
    expect(on(...halves('a'), full('b', 3))).toBe('b');
    expect(
      on(full('a', 3, { started: '2026-01-01T00:00:00Z' }), full('b', 3, { started: '2026-01-02T00:00:00Z' })),
    ).toBe('b');
  });

  it('waits while those that it has driven out are on their way, and drives out nobody under the policy Never', () => {
    const leaving: Pod = {
      ...podOf('low', 1, { node: 'n', cpu: '4' }),
      status: { conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler' }] },
    };
    const gone = { ...leaving, metadata: { ...leaving.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
    const promised: Pod = { ...podOf('p', 5), status: { ...({ nominatedNodeName: 'n' } as object) } };
    expect(decide(promised, [nodeOf('n')], [gone]).may).toBe(false);
    expect(decide(promised, [nodeOf('n')], [leaving]).may).toBe(true);
    expect(decide(podOf('p', 5), [nodeOf('n')], [gone]).may).toBe(true);
    expect(decide(podOf('p', 5, { spec: { preemptionPolicy: 'Never' } }), [nodeOf('n')], [leaving]).may).toBe(false);
  });
});

it('whatever is where: the pod fits without the victims, none of them could stay, and nothing is remembered', () => {
  const placedPod = record({
    priority: integer({ min: -1, max: 4 }),
    cpu: integer({ min: 1, max: 3 }),
    node: integer({ min: 0, max: 2 }),
  });
  check(
    property(
      array(placedPod, { maxLength: 12 }),
      integer({ min: 0, max: 5 }),
      integer({ min: 1, max: 4 }),
      (some, priority, cpu) => {
        const nodes = ['n0', 'n1', 'n2'].map((name) => nodeOf(name));
        const placed = some.map((one, index) =>
          podOf(`q${index}`, one.priority, { cpu: String(one.cpu), node: `n${one.node}` }),
        );
        const pod = podOf('p', priority, { cpu: String(cpu) });
        const { best, usage } = decide(pod, nodes, placed);
        const cpuOf = (all: Usage, node: string): bigint => all.of(node).get('cpu') ?? 0n;
        const fresh = new Usage();
        for (const one of placed) fresh.observe(one);
        for (const node of nodes)
          expect(cpuOf(usage, node.metadata.name ?? '')).toBe(cpuOf(fresh, node.metadata.name ?? ''));
        if (best === undefined) return;
        expect(best.victims.every((one) => priorityOf(one) < priority)).toBe(true);
        const fitsWithout = (without: readonly Pod[]): boolean => {
          const rest = new Usage();
          for (const one of placed) if (!without.includes(one)) rest.observe(one);
          const view = { nodes, placed: rest, used: (node: string) => rest.of(node), namespaceLabels: () => ({}) };
          return judgeNodes(pod, view).some(({ name, reasons }) => name === best.node && reasons.length === 0);
        };
        expect(fitsWithout(best.victims)).toBe(true);
        for (const kept of best.victims) expect(fitsWithout(best.victims.filter((one) => one !== kept))).toBe(false);
      },
    ),
    { numRuns: 300, interruptAfterTimeLimit: 2_000 },
  );
});
