/** One run killed at a request, carried on by a successor, and held against the run that nobody killed. */
import type { Run } from '@polyanthus/kube-kinds/own/runbook';
import { jsonEqual } from '@polyanthus/kube-runtime/equal';
import type { Runbook } from '../src/runbook.ts';
import {
  dump,
  everyKind,
  neverSo,
  outcomes,
  renew,
  settled,
  startExecutor,
  startRun,
  watchIntents,
  type Fate,
  type World,
} from '../src/testing.ts';

/** What is killed. */
export interface Subject {
  readonly name: string;
  readonly runbook: Runbook;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly spec: Partial<Run['spec']>;
}

const forward = { runbook: everyKind, parameters: {}, spec: { approvals: ['ask'] } };

/** All that is killed: there, and there and back. */
export const subjects: readonly Subject[] = [
  { name: 'a run to its end', ...forward },
  {
    name: 'a run that is red at its last step and undone by policy',
    runbook: {
      ...everyKind,
      stages: everyKind.stages.map((stage) => (stage.id === 'end' ? { ...stage, steps: [neverSo] } : stage)),
    },
    parameters: {},
    spec: { approvals: ['ask'], onRed: { policy: 'undo' } },
  },
];

/** How the run that nobody killed ended. */
export interface Reference {
  readonly requests: number;
  readonly phase: string;
  readonly dump: unknown;
  readonly outcomes: readonly string[];
}

/** Carries the subject out once. */
export async function reference(world: World, subject: Subject): Promise<Reference> {
  await renew(world);
  await startRun(world, subject.runbook, subject.parameters, subject.spec);
  const executor = startExecutor({ world, runbooks: [subject.runbook], run: 'r1', identity: 'alone' });
  const run = await settled(world.clock, executor.ended);
  return {
    requests: executor.requests(),
    phase: run.status?.phase ?? '',
    dump: await dump(world),
    outcomes: await outcomes(world),
  };
}

/** How a case went: what is wrong (nothing, if all is well), and how many of its fates struck. */
export interface Case {
  readonly defects: readonly string[];
  readonly struck: number;
}

/** A run whose executors met these fates one after the other; the last one lives. */
export async function killed(
  world: World,
  subject: Subject,
  expected: Reference,
  fates: readonly Fate[],
): Promise<Case> {
  await renew(world);
  await startRun(world, subject.runbook, subject.parameters, subject.spec);
  const violations: string[] = [];
  const tap = watchIntents(world, violations);
  const start = (identity: string, fate: Fate) =>
    startExecutor({ world, runbooks: [subject.runbook], run: 'r1', identity, fate, tap });
  let struck = 0;
  for (const [index, fate] of fates.entries()) {
    const victim = start(`victim-${index}`, fate);
    let ended = false;
    void victim.ended.finally(() => (ended = true)).catch(() => undefined);
    await world.clock.until(() => victim.struck() || ended, 'the kill');
    if (victim.struck()) struck += 1;
    victim.bury();
  }
  const run = await settled(world.clock, start('heir', {}).ended);
  const defects = violations.map((one) => `no intent covers ${one}`);
  return { defects: [...defects, ...(await differences(world, run, expected))], struck };
}

/** A run whose executor was stopped at a request, and continued when another one had finished. */
export async function stopped(world: World, subject: Subject, expected: Reference, fate: Fate): Promise<Case> {
  await renew(world);
  await startRun(world, subject.runbook, subject.parameters, subject.spec);
  const runbooks = [subject.runbook];
  const first = startExecutor({ world, runbooks, run: 'r1', identity: 'stopped', fate: { ...fate, how: 'stop' } });
  let ended = false;
  void first.ended.finally(() => (ended = true)).catch(() => undefined);
  await world.clock.until(() => first.struck() || ended, 'the stop');
  const run = await settled(world.clock, startExecutor({ world, runbooks, run: 'r1', identity: 'heir' }).ended);
  const defects = (await differences(world, run, expected)).map((one) => `the heir: ${one}`);
  const struck = first.struck() ? 1 : 0;
  first.go();
  const end = first.ended.then(
    (late) => late.status?.phase ?? '',
    (error: { readonly code?: string }) => error.code ?? '',
  );
  const outcome = await settled(world.clock, end);
  if (outcome !== 'RunTakenOver' && outcome !== expected.phase) defects.push(`the one that woke ended ${outcome}`);
  const after = await differences(world, run, expected);
  return { defects: [...defects, ...after.map((one) => `after it woke: ${one}`)], struck };
}

async function differences(world: World, run: Run, expected: Reference): Promise<readonly string[]> {
  const found: string[] = [];
  if (run.status?.phase !== expected.phase)
    found.push(`it ended ${run.status?.phase ?? ''} (${run.status?.message ?? ''})`);
  if (!jsonEqual(await dump(world), expected.dump)) found.push('the targets differ');
  if (!jsonEqual(await outcomes(world), expected.outcomes)) found.push('the steps differ');
  return found;
}
