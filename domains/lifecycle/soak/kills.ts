/** node-maintenance in a cluster of its own, its executor killed once, and how it ended: held against a run that nobody killed. */
import { playing } from '@polyanthus/engine-hosts/testing';
import { outcomes, settled, startRun, type Fate, type TestExecutor } from '@polyanthus/engine-runbook/testing';
import type { HttpRequest } from '@polyanthus/ground-http/message';
import { nodes, pods } from '@polyanthus/kube-kinds/core';
import type { Run, RunStepState } from '@polyanthus/kube-kinds/own/runbook';
import { isServing } from '@polyanthus/kube-kinds/ready';
import { jsonEqual } from '@polyanthus/kube-runtime/equal';
import { nodeMaintenance } from '../src/node-maintenance.ts';
import {
  hostAccess,
  startMaintainedCluster,
  type ClusterSize,
  type ExecutorMore,
  type MaintainedCluster,
} from '../src/testing.ts';
import { watchIntents } from './intents.ts';

/** What is maintained. */
export interface Subject {
  readonly size: ClusterSize;
  readonly window: number;
  /** Beside nodes, window and command. */
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** Another runbook with the same data: a careless one, to see that it is found. */
  readonly runbook?: NonNullable<ExecutorMore['runbook']>;
}

/** What a run leaves: all that must be as if nobody had killed it. */
interface Left {
  readonly run: { readonly phase: string; readonly message: string; readonly steps: unknown };
  /** Names and states. */
  readonly steps: readonly string[];
  readonly nodes: readonly {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
    readonly unschedulable: boolean;
    readonly taints: readonly unknown[];
  }[];
  /** How many of each owner, and whether they serve. */
  readonly pods: Readonly<Record<string, number>>;
  readonly hosts: readonly { readonly node: string; readonly ran: readonly string[]; readonly holder: string }[];
}

/** How a run went. */
export interface Case {
  readonly struck: boolean;
  /** Whether a step was between its intent and the end of its action when the kill struck. */
  readonly inAction: boolean;
  /** Of the last executor. */
  readonly requests: number;
  readonly evictions: number;
  readonly refused: number;
  readonly readyLeast: number;
  readonly cordonedMost: number;
  readonly defects: readonly string[];
}

/** How the run that nobody killed went. */
export interface Reference extends Case {
  readonly left: Left;
  /** States of steps that were stored. */
  readonly boundaries: number;
  /** Requests, by their place from 0, that were sent while a step was in its action. */
  readonly inside: readonly number[];
}

/** A state of a step is stored: the boundaries between intent, action, proof and the next step. */
export const isBoundary = ({ method, url }: HttpRequest): boolean =>
  method === 'PUT' && /\/runsteps\/[^/]+\/status/.test(url);

/** Carries it out, and nobody is killed. */
export async function unkilled(subject: Subject): Promise<Reference> {
  const cluster = await begin(subject);
  const actions = watchActions();
  const violations: string[] = [];
  const inside: number[] = [];
  let boundaries = 0;
  const alone = execute(subject, cluster, 'alone', {}, violations, (request) => {
    if (isBoundary(request)) boundaries += 1;
    if (actions.inAction()) inside.push(alone.requests() - 1);
    actions.see(request);
  });
  const run = await settled(cluster.world.clock, alone.ended);
  const left = await leftBy(subject, cluster, run);
  const figures = figuresOf(subject, cluster, alone, violations);
  await cluster.close();
  const defects = [...figures.defects, ...unsound(subject, left)];
  return { ...figures, defects, struck: false, inAction: false, left, boundaries, inside };
}

/** Kills the first executor so; its successor carries the run on. */
export async function killed(subject: Subject, expected: Reference, fate: Fate): Promise<Case> {
  const cluster = await begin(subject);
  const actions = watchActions();
  const violations: string[] = [];
  const { clock } = cluster.world;
  const victim = execute(subject, cluster, 'victim', fate, violations, actions.see);
  let ended = false;
  void victim.ended.finally(() => (ended = true)).catch(() => undefined);
  await clock.until(() => victim.struck() || ended, 'the kill');
  const struck = victim.struck();
  const inAction = actions.inAction();
  victim.bury();
  const heir = execute(subject, cluster, 'heir', {}, violations);
  const run = await settled(clock, heir.ended);
  const left = await leftBy(subject, cluster, run);
  const figures = figuresOf(subject, cluster, heir, violations);
  await cluster.close();
  const missed = struck ? [] : ['the kill did not strike'];
  const defects = [...missed, ...figures.defects, ...differences(left, expected.left)];
  return { ...figures, struck, inAction, defects };
}

async function begin({ size, window, parameters = {} }: Subject): Promise<MaintainedCluster> {
  const cluster = await startMaintainedCluster(size);
  const run = playing({ mark: 'patch', seconds: 20 });
  await startRun(cluster.world, nodeMaintenance, { nodes: size.nodes, window, run, ...hostAccess, ...parameters });
  return cluster;
}

function execute(
  { runbook }: Subject,
  cluster: MaintainedCluster,
  identity: string,
  fate: Fate,
  violations: string[],
  see: (request: HttpRequest) => void = () => undefined,
): TestExecutor {
  const { tap, onHostCall } = watchIntents(cluster.world, violations);
  return cluster.execute(identity, fate, {
    tap: (request) => {
      see(request);
      return tap(request);
    },
    onHostCall,
    ...(runbook === undefined ? {} : { runbook }),
  });
}

/** Which steps are in their action, by the states that are sent to be stored. */
function watchActions(): { readonly see: (request: HttpRequest) => void; readonly inAction: () => boolean } {
  const acting = new Set<string>();
  return {
    see: (request) => {
      if (!isBoundary(request) || !(request.body instanceof Uint8Array)) return;
      const { status } = JSON.parse(Buffer.from(request.body).toString()) as { status?: { state?: RunStepState } };
      if (status?.state === 'Intended') acting.add(request.url);
      else acting.delete(request.url);
    },
    inAction: () => acting.size > 0,
  };
}

type Figures = Omit<Case, 'struck' | 'inAction'>;

/** What holds for every run, killed or not. */
function figuresOf(
  { size, window }: Subject,
  { watched }: MaintainedCluster,
  last: TestExecutor,
  violations: readonly string[],
): Figures {
  const { evictions, refused, readyLeast, cordonedMost } = watched;
  const defects = [...violations];
  if (readyLeast < size.minAvailable) defects.push(`${readyLeast} pods were ready, ${size.minAvailable} must be`);
  if (cordonedMost > window) defects.push(`${cordonedMost} nodes were out at once, ${window} may be`);
  return { requests: last.requests(), evictions, refused, readyLeast, cordonedMost, defects };
}

/** Until all pods are back, and then what there is, without what differs from run to run: uids, times, names of pods. */
async function leftBy({ size }: Subject, cluster: MaintainedCluster, { status }: Run): Promise<Left> {
  const { client, ctx, clock } = cluster.world;
  const web = async (): Promise<number> => (await cluster.webPods()).length;
  const whole = async (): Promise<boolean> =>
    (await web()) === size.replicas && (await cluster.readyPods()).length === size.replicas;
  await clock.until(whole, 'all pods', 600_000).catch(() => undefined);
  return {
    run: { phase: status?.phase ?? '', message: status?.message ?? '', steps: status?.steps ?? {} },
    steps: await outcomes(cluster.world),
    nodes: (await client.list(ctx, nodes)).items.map(
      ({ metadata: { name = '', labels = {}, annotations = {} }, spec = {} }) => ({
        name,
        labels,
        annotations,
        unschedulable: spec.unschedulable ?? false,
        taints: (spec.taints ?? []).map(({ key, value = '', effect }) => ({ key, value, effect })),
      }),
    ),
    pods: countsOf(
      (await client.list(ctx, pods)).items.map((pod) => {
        const owner = pod.metadata.ownerReferences?.find((one) => one.controller === true);
        const state = isServing(pod) ? 'serving' : 'not serving';
        return `${pod.metadata.namespace ?? ''}: ${owner?.kind ?? 'nobody'} ${owner?.name ?? ''}, ${state}`;
      }),
    ),
    hosts: size.nodes.map((node) => {
      const { ran, claim } = cluster.machine(node);
      return { node, ran: [...ran], holder: claim?.holder ?? '' };
    }),
  };
}

/** A run that nobody killed must have done all it was to do, and nothing else: what others are held against. */
function unsound({ size }: Subject, left: Left): readonly string[] {
  const wanted = {
    phase: left.run.phase === 'Succeeded',
    steps: left.steps.every((one) => one.endsWith(' Proven')),
    cordons: left.nodes.every((node) => !node.unschedulable && node.taints.length === 0),
    claims: left.nodes.every((node) => Object.keys(node.annotations).length === 0),
    pods: Object.values(left.pods).reduce((sum, count) => sum + count, 0) === size.replicas,
    commands: left.hosts.every(({ ran }) => ran.length === 1),
  };
  return Object.entries(wanted).flatMap(([what, ok]) => (ok ? [] : [`${what} are not as they should be`]));
}

function countsOf(lines: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const line of lines.toSorted()) counts[line] = (counts[line] ?? 0) + 1;
  return counts;
}

function differences(left: Left, expected: Left): readonly string[] {
  return (Object.keys(expected) as (keyof Left)[])
    .filter((part) => !jsonEqual(left[part], expected[part]))
    .map((part) => `${part}: ${firstDifference(left[part], expected[part])}`);
}

/** Enough to see what it is about. */
function firstDifference(found: unknown, expected: unknown): string {
  if (!Array.isArray(found) || !Array.isArray(expected))
    return `${JSON.stringify(found)} instead of ${JSON.stringify(expected)}`;
  const index = expected.findIndex((one, place) => !jsonEqual(one, found[place]));
  return index < 0 ? `${found.length} instead of ${expected.length}` : firstDifference(found[index], expected[index]);
}
