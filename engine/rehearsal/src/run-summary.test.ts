import type { DrainMark } from '@polyanthus/engine-runbook/effects';
import type { Run, RunStep } from '@polyanthus/kube-kinds/own/runbook';
import { describe, expect, it } from 'vitest';
import { compareRun, comparisonMarkdown } from './compare.ts';
import { unlikeSteps } from './hands.ts';
import type { Prediction } from './prediction.ts';
import { planDifferences, planDigestOf, predictedBy, summaryBytesMax, summaryOf } from './run-summary.ts';
import { maintenance, rehearseFixture, type ClusterFixture } from './testing.ts';
import { predictionText } from './text.ts';
import { LearntTimes } from './times.ts';

const names = (count: number, long = ''): readonly string[] =>
  Array.from({ length: count }, (_one, index) => `n${index + 1}${long}`);
const clusterOf = (nodes: readonly string[], workloads: ClusterFixture['workloads'] = []): ClusterFixture => ({
  nodes: nodes.map((name) => ({ name })),
  workloads,
});
const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

/** The steps that a run of the prediction would have, all proven, one second each. */
function realSteps(prediction: Prediction, marks: Readonly<Record<string, DrainMark>> = {}): readonly RunStep[] {
  const at = (ms: number): string => new Date(Date.UTC(2026, 0, 1) + ms).toISOString();
  return prediction.steps.map(({ order, stage, step, target }) => ({
    apiVersion: 'runbook.polyanthus.dev/v1',
    kind: 'RunStep',
    metadata: { name: `r1-${order}` },
    spec: {
      run: 'r1',
      order,
      stage,
      lane: 0,
      step,
      title: step,
      ...(target === undefined
        ? {}
        : { target: { apiVersion: 'v1', kind: 'Node', resource: 'nodes', name: target, uid: `node-${target}` } }),
    },
    status: {
      state: 'Proven',
      intentAt: at(order * 1000),
      provenAt: at(order * 1000 + 1000),
      ...(step === 'drain' && target !== undefined && marks[target] !== undefined ? { mark: marks[target] } : {}),
    },
  }));
}

function runOf(prediction: Prediction, more: Partial<Run['spec']> = {}): Run {
  const { runbook, digest, parameters, targets } = prediction;
  const spec = { runbook, digest, engineVersion: '1', parameters, targets, rehearsal: summaryOf(prediction), ...more };
  return { apiVersion: 'runbook.polyanthus.dev/v1', kind: 'Run', metadata: { name: 'r1' }, spec };
}

describe('what a run keeps of its rehearsal', () => {
  it('tells of a small run the same as the whole prediction does', () => {
    const nodes = names(3);
    const cluster = clusterOf(nodes, [{ name: 'web', on: ['n1', 'n2', 'n3'] }]);
    const prediction = rehearseFixture(cluster, { nodes });
    const steps = realSteps(prediction);
    const run = runOf(prediction);
    const kept = predictedBy(run, steps);
    expect(kept).toBeDefined();
    const { findings, ...compared } = compareRun(kept ?? prediction, run, steps);
    const { findings: whole, ...wholly } = compareRun(prediction, run, steps);
    expect(compared).toEqual(wholly);
    expect(findings.map((one) => [one.finding.code, one.outcome])).toEqual(
      whole.map((one) => [one.finding.code, one.outcome]),
    );
    expect(compared.steps).toHaveLength(steps.length);
  });

  it('is as small for 1,000 targets, and then has one time for each kind of step', () => {
    const nodes = names(1000);
    const cluster = clusterOf(nodes, [{ name: 'web', on: nodes.slice(0, 40) }]);
    const prediction = rehearseFixture(cluster, { nodes, window: 50 });
    const run = runOf(prediction);
    expect(bytesOf(run.spec.rehearsal)).toBeLessThan(4096);
    const steps = realSteps(prediction, { n1: { evicted: 1, blockedTimes: 0 }, n2: { evicted: 2, blockedTimes: 3 } });
    const compared = compareRun(predictedBy(run, steps) ?? prediction, run, steps);
    expect(compared.steps).toEqual([]);
    expect(compared.stepKinds.find(({ predicted }) => predicted.step === 'drain')).toMatchObject({
      predicted: { count: 1000, evictions: prediction.evictions },
      real: { count: 1000, evictions: 3, medianMs: 1000, maxMs: 1000 },
    });
    expect(comparisonMarkdown(compared)).toContain('| drain | 1000 | 1000 | ');
  });

  it('stays within its bound when everything in it is as long as names may be', () => {
    const long = 'x'.repeat(240);
    const nodes = names(25, long);
    // Every workload loses its only replica: a finding each.
    const workloads = Array.from({ length: 30 }, (_one, index) => ({
      name: `w${index}${long}`,
      on: [nodes[index % nodes.length] ?? ''],
    }));
    const prediction = rehearseFixture(clusterOf(nodes, workloads), { nodes });
    const summary = summaryOf(prediction);
    expect(prediction.findings.length).toBeGreaterThan(20);
    expect(bytesOf(summary)).toBeLessThanOrEqual(summaryBytesMax);
    expect(summary.findingCount).toBe(prediction.findings.length);
    const run = runOf(prediction);
    const steps = realSteps(prediction);
    const compared = compareRun(predictedBy(run, steps) ?? prediction, run, steps);
    expect(compared.findingsLeftOut).toBe(prediction.findings.length - summary.findings.length);
    expect(comparisonMarkdown(compared)).toContain('more findings, which the run has not kept');
  });

  it('says nothing of a run that is to do something else by now', () => {
    const prediction = rehearseFixture(clusterOf(names(2)), { nodes: ['n1'] });
    const run = runOf(prediction, { parameters: { ...prediction.parameters, window: 2 } });
    expect(predictedBy(run, [])).toBeUndefined();
    expect(planDifferences(prediction, run.spec)).toEqual(['window was 1, not 2']);
    expect(planDigestOf(run.spec)).not.toBe(planDigestOf(prediction));
    expect(planDifferences(prediction, { ...runOf(prediction).spec, targets: [] })).toEqual([
      'the targets were others',
    ]);
    expect(planDifferences(prediction, { ...run.spec, runbook: 'other' })).toEqual([
      'it was of runbook node-maintenance',
    ]);
  });
});

describe('what a drain has left in its step', () => {
  const nodes = names(2);
  const cluster: ClusterFixture = {
    ...clusterOf(
      [...nodes, 'n3'],
      [
        { name: 'web', on: ['n1', 'n1', 'n2'] },
        { name: 'lone', on: ['n2'] },
      ],
    ),
    budgets: [{ name: 'web', app: 'web', spec: { maxUnavailable: 1 } }],
  };
  const prediction = rehearseFixture(cluster, { nodes });
  const outcomes = (marks: Readonly<Record<string, DrainMark>>): Readonly<Record<string, string>> => {
    const compared = compareRun(prediction, runOf(prediction), realSteps(prediction, marks));
    return Object.fromEntries(compared.findings.map(({ finding, outcome }) => [finding.code, outcome]));
  };
  const quiet: DrainMark = { evicted: 2, blockedTimes: 0 };

  it('tells whether what was found came true', () => {
    expect(prediction.findings.map((one) => one.code).toSorted()).toEqual(['BudgetWaits', 'SingleReplica']);
    const blockedBy = ['shop/web'];
    const down = prediction.findings.flatMap(({ code, object }) =>
      code === 'SingleReplica' ? [`${object.kind} ${object.namespace ?? ''}/${object.name}`] : [],
    );
    expect(outcomes({ n1: { ...quiet, blockedTimes: 1, blockedBy }, n2: { ...quiet, down } })).toEqual({
      BudgetWaits: 'came true',
      SingleReplica: 'came true',
    });
    expect(outcomes({ n1: quiet, n2: quiet })).toEqual({ BudgetWaits: 'did not come true', SingleReplica: 'unseen' });
    expect(outcomes({ n1: quiet, n2: { ...quiet, atLeast: true } })).toMatchObject({ BudgetWaits: 'unseen' });
    expect(outcomes({})).toEqual({ BudgetWaits: 'unseen', SingleReplica: 'unseen' });
  });

  it('is the number of real evictions, or what is known of it', () => {
    const steps = realSteps(prediction, { n1: quiet, n2: { evicted: 1, blockedTimes: 0, atLeast: true } });
    const compared = compareRun(prediction, runOf(prediction), steps);
    const markdown = comparisonMarkdown(compared);
    expect(compared.steps.find((one) => one.step === 'drain/n1')?.realEvictions).toBe(2);
    expect(markdown).toMatch(/\| drain\/n1 \|.*\| 2 \|\n/);
    expect(markdown).toMatch(/\| drain\/n2 \|.*\| at least 1 \|\n/);
  });
});

describe('the sign of life of a kubelet', () => {
  it('costs a heartbeat only where no pod tells, or somebody had the node in hand', () => {
    const cluster = clusterOf(names(2), [{ name: 'web', on: ['n1'] }]);
    const readyMs = (parameters: Readonly<Record<string, unknown>>): number => {
      const ready = rehearseFixture(cluster, parameters).steps.find((one) => one.step === 'ready');
      return (ready?.endMs ?? 0) - (ready?.startMs ?? 0);
    };
    expect(readyMs({ nodes: ['n1'] })).toBe(500);
    expect(readyMs({ nodes: ['n2'] })).toBe(10_000);
    expect(readyMs({ nodes: ['n1'], approve: true })).toBe(10_000);
  });

  it('is learnt of runs alone that waited for the same', () => {
    const prediction = rehearseFixture(clusterOf(names(2)), { nodes: ['n1'] });
    const run = runOf(prediction);
    const unlike = (parameters: Readonly<Record<string, unknown>>, digest = prediction.digest): readonly string[] => [
      ...unlikeSteps(maintenance, digest, parameters, run),
    ];
    expect(unlike(prediction.parameters)).toEqual([]);
    expect(unlike({ ...prediction.parameters, approve: true })).toEqual(['ready']);
    expect(unlike(prediction.parameters, 'another edition')).toEqual(['ready']);
    const times = new LearntTimes();
    times.learn(realSteps(prediction), new Set(['ready']));
    expect(times.stepMs('ready', 'n1')).toBeUndefined();
    expect(times.stepMs('back', 'n1')).toBeDefined();
  });
});

describe('people', () => {
  const approve = { nodes: ['n1'], approve: true };

  it('are unknown and not counted until a run told how long they take', () => {
    const cluster = clusterOf(names(2));
    const prediction = rehearseFixture(cluster, approve);
    expect(prediction.uncounted).toEqual(['handover']);
    const text = predictionText(prediction);
    expect(text).toContain("and what is unknown and not counted: people's time for handover");
    expect(text).toContain('handover/n1 (waits for people; unknown, not counted)');
    const steps = realSteps(prediction);
    expect(comparisonMarkdown(compareRun(prediction, runOf(prediction), steps))).toContain(
      '| handover/n1 | unknown | 1 s |',
    );
    const times = new LearntTimes();
    times.learn(steps);
    const learnt = rehearseFixture(cluster, approve, { times });
    expect(learnt.uncounted).toEqual([]);
    const handover = learnt.steps.find((one) => one.step === 'handover');
    expect((handover?.endMs ?? 0) - (handover?.startMs ?? 0)).toBe(1000);
    expect(learnt.assumptions.join()).toContain('as in earlier runs');
  });
});
