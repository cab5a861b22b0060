/** What a rehearsal says besides the seeded problems: times, windows, unknowns, forced budgets, comparison with a run. */
import { describe, expect, it } from 'vitest';
import type { Run, RunStep } from '@polyanthus/kube-kinds/own/runbook';
import { compareRun, comparisonMarkdown } from './compare.ts';
import { problemNames, rehearseFixture, type ClusterFixture } from './testing.ts';
import { predictionText } from './text.ts';
import { LearntTimes } from './times.ts';

const web: ClusterFixture = {
  nodes: [{ name: 'n1' }, { name: 'n2' }, { name: 'n3' }],
  workloads: [{ name: 'web', on: ['n1', 'n2', 'n3'] }],
  budgets: [{ name: 'web', app: 'web', spec: { maxUnavailable: 1 } }],
};
const runStep = (
  order: number,
  step: string,
  target: string,
  took: readonly [number, number],
  more: object = {},
): RunStep => {
  const at = (ms: number): string => new Date(Date.UTC(2026, 0, 1) + ms).toISOString();
  return {
    apiVersion: 'runbook.polyanthus.dev/v1',
    kind: 'RunStep',
    metadata: { name: `r1-${order}` },
    spec: {
      run: 'r1',
      order,
      stage: 'maintain',
      lane: 0,
      step,
      title: step,
      target: { apiVersion: 'v1', kind: 'Node', resource: 'nodes', name: target, uid: `node-${target}` },
    },
    status: { state: 'Proven', attempt: 1, intentAt: at(took[0]), provenAt: at(took[1]), ...more },
  };
};

describe('pods that find no node', () => {
  const full = (spec: Readonly<Record<string, unknown>>): ClusterFixture => ({
    nodes: [1, 2, 3].map((at) => ({ name: `n${at}`, cpu: '1' })),
    workloads: [
      { name: 'web', on: ['n1'], cpu: '700m', spec },
      { name: 'batch', on: ['n2', 'n3'], cpu: '700m', spec: { priority: -1 } },
    ],
  });
  const unknownsOf = (spec: Readonly<Record<string, unknown>>) =>
    rehearseFixture(full(spec), { nodes: ['n1'] }).unknowns;

  it('and may drive out others are unknown: whom kube-scheduler takes is not modelled', () => {
    expect(unknownsOf({ priority: 1000 })).toEqual([
      expect.objectContaining({ subject: 'pods of Deployment web', why: expect.stringContaining('priority 1000') }),
    ]);
  });

  it('just wait where they drive out nobody', () => {
    expect(unknownsOf({ priority: -1 })).toEqual([]);
    expect(unknownsOf({ priority: 1000, preemptionPolicy: 'Never' })).toEqual([]);
  });
});

describe('times', () => {
  it('are defaults with little confidence until runs were seen, then those of the same step, best of the same target', () => {
    const cordon = (times: LearntTimes, node: string) =>
      rehearseFixture(web, { nodes: [node] }, { times }).steps.find((step) => step.step === 'cordon');
    const times = new LearntTimes();
    expect(cordon(times, 'n1')).toMatchObject({
      startMs: 500,
      endMs: 1000,
      basis: { source: 'default', confidence: 'low' },
    });
    times.learn([runStep(1, 'cordon', 'n1', [0, 3000])]);
    expect(cordon(times, 'n2')).toMatchObject({
      endMs: 3500,
      basis: { source: 'step', samples: 1, confidence: 'medium' },
    });
    for (const ms of [4000, 4000]) times.learn([runStep(1, 'cordon', 'n1', [0, ms])]);
    expect(cordon(times, 'n1')).toMatchObject({
      endMs: 4500,
      basis: { source: 'target', samples: 3, confidence: 'high' },
    });
  });

  it('of a check begin with the end of the step before it, and failed attempts teach nothing', () => {
    const times = new LearntTimes();
    const check = runStep(2, 'ready', 'n1', [0, 9000]);
    const { intentAt: _, ...status } = check.status ?? {};
    times.learn([runStep(1, 'uncordon', 'n1', [0, 2000]), { ...check, status }]);
    expect(times.stepMs('ready', 'n1')?.ms).toBe(7000);
    times.learn([runStep(1, 'cordon', 'n1', [0, 90_000], { failures: 1 })]);
    expect(times.stepMs('cordon', 'n1')).toBeUndefined();
  });

  it('of a drain are bound by what earlier drains took', () => {
    const times = new LearntTimes();
    times.learn([runStep(1, 'drain', 'n1', [0, 2000])]);
    const drain = rehearseFixture(web, { nodes: ['n2'] }, { times }).steps.find((step) => step.step === 'drain');
    expect((drain?.endMs ?? 0) - (drain?.startMs ?? 0)).toBe(2500);
  });
});

describe('budgets', () => {
  it('make evictions wait for successors, which is said and is no problem', () => {
    const crowded = { ...web, workloads: [{ name: 'web', on: ['n1', 'n1', 'n1', 'n2'] }] };
    const prediction = rehearseFixture(crowded, { nodes: ['n1'] });
    expect(prediction.verdict).toBe('sound');
    // Ready 8 s after each eviction, and the next goes as soon as the budget allows it.
    expect(prediction.findings).toMatchObject([
      { code: 'BudgetWaits', severity: 'info', durationMs: 16_000, podCount: 2 },
    ]);
  });

  it('that are overruled after a time are a warning, and the pods go', () => {
    const never = { ...web, budgets: [{ name: 'web', app: 'web', spec: { maxUnavailable: 0 } }] };
    const prediction = rehearseFixture(never, { nodes: ['n1'], forceAfter: 60_000 });
    expect(problemNames(prediction.findings)).toEqual(['BudgetOverruled PodDisruptionBudget shop/web']);
    expect(prediction.steps.map((step) => step.outcome)).not.toContain('fails');
  });

  it('that are slower than the drain may be are told from those that never allow it', () => {
    const crowded = { ...web, workloads: [{ name: 'web', on: Array.from({ length: 12 }, () => 'n1') }] };
    const found = problemNames(rehearseFixture(crowded, { nodes: ['n1'], drainTimeout: 40_000 }).findings);
    expect(found).toEqual(['BudgetTooSlow PodDisruptionBudget shop/web']);
  });
});

it('slides its window: the next node begins when one is done, not when all are', () => {
  const uneven: ClusterFixture = {
    nodes: [...web.nodes, { name: 'n4' }, { name: 'n5' }],
    workloads: [{ name: 'web', on: ['n1', 'n1', 'n1', 'n5'] }],
    budgets: web.budgets ?? [],
  };
  const { steps } = rehearseFixture(uneven, { nodes: ['n1', 'n2', 'n3'], window: 2 });
  const at = (step: string, target: string) => steps.find((one) => one.step === step && one.target === target);
  expect(at('cordon', 'n3')?.startMs).toBe(at('back', 'n2')?.endMs);
  expect(at('back', 'n1')?.endMs).toBeGreaterThan(at('cordon', 'n3')?.startMs ?? Infinity);
});

describe('what is not known', () => {
  it('is never sound: kinds that were not read, webhooks nobody asked, other schedulers', () => {
    const hook = {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingWebhookConfiguration',
      metadata: { name: 'h' },
      webhooks: [
        { name: 'pods.example.com', rules: [{ apiGroups: [''], resources: ['pods'], operations: ['CREATE'] }] },
      ],
    };
    const cluster: ClusterFixture = {
      ...web,
      workloads: [{ name: 'web', on: ['n1', 'n2', 'n3'], spec: { schedulerName: 'own' } }],
      objects: [hook],
      unread: [{ group: 'policy', version: 'v1', plural: 'poddisruptionbudgets', reason: 'forbidden' }],
    };
    const prediction = rehearseFixture(cluster, { nodes: ['n1'] });
    expect(prediction.unknowns.map((one) => one.subject)).toEqual([
      'poddisruptionbudgets of policy/v1',
      'admission webhook pods.example.com',
      'scheduler own',
    ]);
    expect(prediction.verdict).toBe('unknown');
    expect(rehearseFixture(web, { nodes: ['n1'] }, { probed: { findings: [], unknowns: [] } }).verdict).toBe('sound');
  });

  it('is a node that is not there', () => {
    const found = rehearseFixture(web, { nodes: ['n1', 'gone'] }).findings;
    expect(problemNames(found)).toEqual(['NodeGone Node gone']);
  });
});

it('is printed with every next step', () => {
  const never = { ...web, budgets: [{ name: 'web', app: 'web', spec: { maxUnavailable: 0 } }] };
  const text = predictionText(rehearseFixture(never, { nodes: ['n1'] }));
  expect(text).toContain('Verdict: problems');
  expect(text).toContain('error BudgetBlocks PodDisruptionBudget shop/web spec.maxUnavailable');
  expect(text).toContain('it needs 3 healthy pods and has 3; pods shop/web-0');
  expect(text).toContain('next: Let the budget allow one disruption');
  expect(text).toContain('drain/n1 FAILS, 0 evictions');
});

it('says where a run differed: times, evictions, what came true, what nobody foresaw', () => {
  const never = { ...web, budgets: [{ name: 'web', app: 'web', spec: { maxUnavailable: 0 } }] };
  const prediction = rehearseFixture(never, { nodes: ['n1'] });
  const order = (step: string): number => prediction.steps.find((one) => one.step === step)?.order ?? -1;
  const steps = [
    runStep(order('cordon'), 'cordon', 'n1', [0, 2000]),
    runStep(order('drain'), 'drain', 'n1', [2000, 3000], {
      state: 'Failed',
      provenAt: undefined,
      message: 'pod shop/web-0',
    }),
    runStep(order('ready'), 'ready', 'n1', [3000, 4000], { state: 'Failed', provenAt: undefined }),
  ];
  const run = {
    apiVersion: '',
    kind: 'Run',
    metadata: {},
    spec: {},
    status: { startedAt: '2026-01-01T00:00:00Z', endedAt: '2026-01-01T00:01:00Z' },
  };
  const compared = compareRun(prediction, run as unknown as Run, steps);
  expect(compared.findings.map((one) => one.outcome)).toEqual(['came true']);
  expect(compared.surprises).toEqual(['ready/n1']);
  expect(compared.steps.find((one) => one.step === 'cordon/n1')).toMatchObject({
    predictedMs: 500,
    realMs: 2000,
    real: 'Proven',
  });
  expect(compareRun(prediction, run as unknown as Run, steps.slice(0, 1)).findings[0]?.outcome).toBe(
    'did not come true',
  );
  const markdown = comparisonMarkdown(compared);
  expect(markdown).toContain('| cordon/n1 | 1 s | 2 s | proven | Proven |');
  expect(markdown).toContain('- Not predicted: ready/n1 failed');
  expect(markdown).toContain('took 60 s');
});

it('reads a snapshot of nothing', () => {
  const { findings } = rehearseFixture({ nodes: [] }, { nodes: ['n1'] });
  expect(problemNames(findings)).toEqual(['NodeGone Node n1']);
});
