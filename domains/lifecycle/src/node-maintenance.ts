/**
 * The runbook `node-maintenance`: nodes are emptied within their budgets, worked on (a command on the host) or given out of
 * hand (an approval), and taken back, a window of them at once. Undo puts the cordon of every node back as it was found.
 */
import type { Context } from '@polyanthus/ground-base/context';
import { drainNode, judgeNode, type RefusedPod } from '@polyanthus/engine-drain/drain';
import { refusalText, type DrainRules } from '@polyanthus/engine-drain/filters';
import type { ParameterValues } from '@polyanthus/engine-runbook/parameters';
import type {
  ActionStep,
  ApprovalStep,
  CheckStep,
  Runbook,
  StepScope,
  Verdict,
} from '@polyanthus/engine-runbook/runbook';
import { type Node } from '@polyanthus/kube-kinds/core';
import { readyStatus } from '@polyanthus/kube-kinds/ready';
import type { RunTarget } from '@polyanthus/kube-kinds/own/runbook';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { commandStep, hostParameters, noHosts, reachStep, type OpenHost } from './host-command.ts';
import { rebootStep } from './host-reboot.ts';
import { DrainTally } from './drain-mark.ts';
import { followLife, handsOn, heartbeat, lifeBefore, lifeSentence, signOfLife } from './sign-of-life.ts';
import { nodeTargets } from './node-targets.ts';
import { followOwners, ownersDown, ownersOf, podsBack, type PodOwner } from './pods-back.ts';
import { refusalsOf } from './refusals.ts';

const minuteMs = 60_000;
/** kubectl's, between two tries of a pod whose budget said no. */
const retryMs = 5000;
/** The drain gives up before the step does, because it knows which budget it was. */
const marginMs = 10_000;

const nodeOf = ({ target }: StepScope): RunTarget => {
  if (target === undefined) throw new Error('node-maintenance works on nodes only');
  return target;
};
const read = (scope: StepScope): Promise<Node> => scope.live() as Promise<Node>;

interface CordonBefore {
  readonly unschedulable: boolean;
}
const cordonBefore = async (_ctx: Context, scope: StepScope): Promise<CordonBefore> => ({
  unschedulable: isCordoned(await read(scope)),
});
const isCordoned = (node: KubeObject): boolean => (node as Node).spec?.unschedulable === true;

function setCordon(scope: StepScope, wanted: boolean): Promise<void> {
  return scope.change(wanted ? 'cordon' : 'uncordon', (live) =>
    isCordoned(live) === wanted ? undefined : { spec: { unschedulable: wanted ? true : null } },
  );
}

async function cordonIs(scope: StepScope, wanted: boolean): Promise<Verdict> {
  const found = isCordoned(await read(scope));
  return { ok: found === wanted, evidence: `the node is ${found ? 'cordoned' : 'schedulable'}` };
}

const wasCordoned = (scope: StepScope, step: string): boolean => (scope.beforeOf(step) as CordonBefore).unschedulable;

function rulesOf(parameters: ParameterValues): DrainRules {
  return {
    force: parameters['force'] === true,
    ignoreDaemonSets: parameters['ignoreDaemonSets'] === true,
    deleteEmptyDirData: parameters['deleteEmptyDirData'] === true,
    skipWaitForDeleteTimeoutSeconds: 0,
  };
}

/** The parameters that `rulesOf` reads. */
const allow = {
  force: 'force',
  ignoreDaemonSets: 'ignoreDaemonSets',
  deleteEmptyDirData: 'deleteEmptyDirData',
} as const;

const look: CheckStep = {
  id: 'look',
  kind: 'check',
  effect: { kind: 'judge-node', allow },
  title: 'look whether every pod of the node may go',
  deadline: minuteMs,
  proof: {
    sentence: 'no pod forbids the drain',
    observe: async (ctx, scope) => {
      const verdicts = await judgeNode(ctx, scope.client, nodeOf(scope).name, rulesOf(scope.parameters));
      const refusal = refusalText(verdicts);
      const count = verdicts.filter((one) => one.evict).length;
      return { ok: refusal === '', evidence: refusal === '' ? `${count} pods will be evicted` : refusal };
    },
  },
};

const cordon: ActionStep = {
  id: 'cordon',
  kind: 'action',
  effect: { kind: 'cordon-node' },
  title: 'cordon the node',
  touches: 'spec.unschedulable of the Node',
  deadline: 5 * minuteMs,
  attempts: 5,
  repeat: 'safe',
  before: cordonBefore,
  act: (_ctx, scope) => setCordon(scope, true),
  mark: heartbeat,
  proof: {
    kind: 'holds',
    until: 'uncordon',
    sentence: 'the Node is unschedulable',
    observe: (_ctx, scope) => cordonIs(scope, true),
  },
  undo: {
    title: 'put the cordon back as it was found',
    act: (_ctx, scope) => setCordon(scope, wasCordoned(scope, 'cordon')),
    prove: (_ctx, scope) => cordonIs(scope, wasCordoned(scope, 'cordon')),
  },
};

/** Waits for budgets as long as it was told to; where that was asked for, it overrules them after a time or an approval. */
async function emptyNode(ctx: Context, scope: StepScope): Promise<void> {
  const node = nodeOf(scope).name;
  const budgetsMs = Number(scope.parameters['drainTimeout']) - marginMs;
  const noted = new Set<string>();
  const tally = new DrainTally(scope);
  const waited = refusalsOf(ctx, scope);
  const { word } = await drainNode(ctx, {
    client: scope.client,
    node,
    rules: rulesOf(scope.parameters),
    timeoutMs: Math.max(retryMs, budgetsMs),
    retryMs,
    overrule: (_inner, refused) => mayOverrule(scope, refused, waited),
    onAllEvicted: async (inner) => tally.down(await ownersDown(inner, scope.client, ownersBefore(scope))),
    onEvent: (event) => {
      tally.see(event);
      const { kind, pod, message = '' } = event;
      const line = `Pod ${pod} is ${kind}: ${message}`;
      if ((kind !== 'blocked' && kind !== 'overruled') || noted.has(line)) return;
      noted.add(line);
      scope.note(line);
    },
  });
  if (word !== undefined) tally.hear(word);
}

const ownersBefore = (scope: StepScope): readonly PodOwner[] =>
  (scope.beforeOf('drain') as { readonly owners: readonly PodOwner[] }).owners;

/** `forceAfter` needs no answer; `askAfter` asks, and goes on trying until it has one. */
async function mayOverrule(
  scope: StepScope,
  refused: RefusedPod,
  waited: (refused: RefusedPod) => Promise<number>,
): Promise<boolean> {
  const { forceAfter, askAfter } = scope.parameters;
  if (forceAfter === undefined && askAfter === undefined) return false;
  const waitedMs = await waited(refused);
  if (forceAfter !== undefined && waitedMs >= Number(forceAfter)) return true;
  if (askAfter === undefined || waitedMs < Number(askAfter)) return false;
  return scope.ask(`pod ${refused.pod} may not be evicted: ${refused.refusal}`);
}

const drain: ActionStep = {
  id: 'drain',
  kind: 'action',
  effect: { kind: 'drain-node', allow, forceAfter: 'forceAfter', retryMs, marginMs },
  title: 'drain the node within the disruption budgets (unless forceAfter or an approval overrules them)',
  touches: 'evicts the pods of the node, but for those of DaemonSets and mirror pods',
  deadline: { parameter: 'drainTimeout' },
  attempts: 2,
  repeat: 'safe',
  before: async (ctx, scope) => ({
    owners: await ownersOf(ctx, scope.client, nodeOf(scope).name, rulesOf(scope.parameters)),
  }),
  act: (ctx, scope) => scope.effect(`Node ${nodeOf(scope).name}`, 'evict its pods', () => emptyNode(ctx, scope)),
  question: { id: 'overrule', title: 'may pods be deleted against their budgets', parameter: 'askAfter' },
  proof: {
    kind: 'holds',
    until: 'uncordon',
    sentence: 'no pod that may be evicted is on the node',
    observe: async (ctx, scope) => {
      const verdicts = await judgeNode(ctx, scope.client, nodeOf(scope).name, rulesOf(scope.parameters));
      const left = verdicts.filter((one) => one.evict || one.severity === 'fatal').map((one) => one.pod.metadata);
      const names = left.slice(0, 5).map((one) => `${one.namespace ?? ''}/${one.name ?? ''}`);
      const kept = `empty but for ${verdicts.length} pods that stay`;
      return { ok: left.length === 0, evidence: left.length === 0 ? kept : `still there: ${names.join(', ')}` };
    },
  },
  undo: { nothing: 'nothing: pods that moved stay where their controllers brought them up' },
};

const uncordon: ActionStep = {
  id: 'uncordon',
  kind: 'action',
  effect: { kind: 'restore-node' },
  title: 'put the cordon back as it was found',
  touches: 'spec.unschedulable of the Node',
  deadline: 5 * minuteMs,
  attempts: 5,
  repeat: 'safe',
  before: cordonBefore,
  act: (_ctx, scope) => setCordon(scope, wasCordoned(scope, 'cordon')),
  proof: {
    kind: 'happened',
    sentence: 'the Node is as schedulable as it was found',
    observe: (_ctx, scope) => cordonIs(scope, wasCordoned(scope, 'cordon')),
  },
  undo: {
    title: 'cordon the node again',
    act: (_ctx, scope) => setCordon(scope, wasCordoned(scope, 'uncordon')),
    prove: (_ctx, scope) => cordonIs(scope, wasCordoned(scope, 'uncordon')),
  },
};

const ready: CheckStep = {
  id: 'ready',
  kind: 'check',
  effect: { kind: 'await-node', handsOn },
  title: 'wait until the node is ready',
  deadline: 10 * minuteMs,
  mark: lifeBefore,
  proof: {
    sentence: lifeSentence,
    observe: async (ctx, scope) => {
      const life = await signOfLife(ctx, scope);
      if (!life.ok) return life;
      const node = await read(scope);
      const status = readyStatus(node) ?? 'Unknown';
      return { ok: status === 'True', evidence: `Ready is ${status}, ${life.evidence}` };
    },
    follow: followLife,
  },
};

const back: CheckStep = {
  id: 'back',
  kind: 'check',
  effect: { kind: 'await-pods' },
  title: 'wait until the evicted pods have ready successors',
  deadline: 30 * minuteMs,
  proof: {
    sentence: 'their controllers have as many ready pods as before the drain',
    observe: (ctx, scope) => podsBack(ctx, scope.client, ownersBefore(scope)),
    follow: (ctx, scope, wake) => followOwners(ctx, scope.client, ownersBefore(scope), wake),
  },
};

const handover: ApprovalStep = {
  id: 'handover',
  kind: 'approval',
  title: 'wait until the work on the node is done',
  when: { parameter: 'approve', equals: true },
};

const parameters: Runbook['parameters'] = [
  { name: 'nodes', type: 'list', required: true, help: 'names of the nodes' },
  { name: 'window', type: 'integer', default: 1, minimum: 1, maximum: 500, help: 'nodes at once' },
  { name: 'approve', type: 'boolean', default: false, help: 'wait for an approval before a node is taken back' },
  { name: 'force', type: 'boolean', default: false, help: 'evict pods that no controller brings back' },
  { name: 'ignoreDaemonSets', type: 'boolean', default: true, help: 'leave pods of DaemonSets where they are' },
  { name: 'deleteEmptyDirData', type: 'boolean', default: false, help: 'evict pods that lose local data by it' },
  {
    name: 'drainTimeout',
    type: 'duration',
    default: 60 * minuteMs,
    minimum: marginMs,
    help: 'how long budgets may keep a node from being drained',
  },
  {
    name: 'forceAfter',
    type: 'duration',
    minimum: 1000,
    help: 'after how long pods are deleted against their budgets; not set: never',
  },
  {
    name: 'askAfter',
    type: 'duration',
    minimum: 1000,
    help: 'after how long of being blocked you are asked whether pods may be deleted against their budgets; not set: never',
  },
  ...hostParameters,
];

const targets: Runbook['targets'] = (ctx, client, given) =>
  nodeTargets(ctx, client, given['nodes'] as readonly string[]);

/** The runbook for a program that reaches hosts; the edition (digest) is the same for all. */
export function nodeMaintenanceOn(open: OpenHost): Runbook {
  return {
    id: 'node-maintenance',
    version: '3',
    title: 'Empty nodes for maintenance and take them back',
    hostsParameters: ['run', 'reboot'],
    hostAccess: { keyFile: 'sshKey', knownHostsFile: 'knownHosts', secret: 'sshSecret' },
    parameters,
    targets,
    stages: [
      { id: 'look', title: 'Look first', lanes: 'each-target', window: 8, steps: [look, reachStep(open)] },
      {
        id: 'maintain',
        title: 'Maintain',
        lanes: 'each-target',
        window: { parameter: 'window' },
        steps: [cordon, drain, commandStep(open), rebootStep(open), handover, uncordon, ready, back],
      },
    ],
  };
}

/** The runbook for a program without a way to hosts. */
export const nodeMaintenance: Runbook = nodeMaintenanceOn(noHosts);
