/** A plan by its stages, lanes and steps, as the engine's session goes through it: a window of lanes slides. */
import type { DrainRules } from '@polyanthus/engine-drain/filters';
import { inOtherHands, type DrainParameters, type StepEffect } from '@polyanthus/engine-runbook/effects';
import type { ParameterValues } from '@polyanthus/engine-runbook/parameters';
import { stepKey, type PlannedStage, type PlannedStep } from '@polyanthus/engine-runbook/plan';
import { numberOf, type StepDefinition } from '@polyanthus/engine-runbook/runbook';
import { finding } from '../finding.ts';
import type { NodeState } from '../model/node.ts';
import type { PodState } from '../model/pod.ts';
import type { Workload } from '../model/workload.ts';
import type { PredictedStep } from '../prediction.ts';
import { defaultTimes, type Basis, type LearntTimes } from '../times.ts';
import type { ClusterRun } from './cluster-run.ts';
import { DrainRun, judgeStates } from './drain-run.ts';
import type { Journal } from './journal.ts';
import { refusals } from './refusals.ts';
import type { EventLoop } from './loop.ts';

/** What a plan runs on. */
export interface PlanParts {
  readonly run: ClusterRun;
  readonly loop: EventLoop;
  readonly journal: Journal;
  readonly times: LearntTimes;
  readonly parameters: ParameterValues;
}

interface Ended {
  readonly ok: boolean;
  readonly basis: Basis;
  readonly evictions?: number;
}

/** What a lane knows of its node. */
interface Lane {
  readonly node: NodeState<PodState> | undefined;
  wasCordoned: boolean;
  /** Workloads that lose pods to the drain, and how many were ready before. */
  owners: readonly { readonly workload: Workload<PodState>; readonly ready: number }[];
  evicted: number;
}

const model = (confidence: Basis['confidence']): Basis => ({ source: 'model', samples: 0, confidence });
const byDefault: Basis = { source: 'default', samples: 0, confidence: 'low' };
/** Of steps of which nothing was learnt. */
const basisOf: Readonly<Record<StepDefinition['kind'], Basis>> = {
  action: byDefault,
  check: byDefault,
  wait: model('high'),
  approval: { source: 'unknown', samples: 0, confidence: 'none' },
};

/** See the file's header. */
export class PlanRun {
  readonly steps: PredictedStep[] = [];
  readonly #parts: PlanParts;

  constructor(parts: PlanParts) {
    this.#parts = parts;
  }

  /** Plans the stages, one after the other; the loop then carries them out. */
  start(stages: readonly PlannedStage[], done: () => void = () => undefined): void {
    const [first, ...others] = stages;
    if (first === undefined) done();
    else this.#stage(first, () => this.start(others, done));
  }

  #stage({ lanes, window }: PlannedStage, done: () => void): void {
    let next = 0;
    let open = 0;
    const begin = (): void => {
      while (open < window && next < lanes.length) {
        const lane = lanes[next++] ?? [];
        open += 1;
        this.#lane(lane, () => {
          open -= 1;
          begin();
        });
      }
      if (open === 0 && next >= lanes.length) {
        next = Infinity;
        done();
      }
    };
    begin();
  }

  #lane(steps: readonly PlannedStep[], done: () => void): void {
    const name = steps[0]?.target?.kind === 'Node' ? steps[0].target.name : undefined;
    const node = name === undefined ? undefined : this.#parts.run.cluster.nodesByName.get(name);
    const lane: Lane = { node, wasCordoned: node?.cordoned === true, owners: [], evicted: 0 };
    const gone = name !== undefined && (node === undefined || node.object.metadata.uid !== steps[0]?.target?.uid);
    if (gone) this.#parts.journal.findings.push(nodeGone(name, node !== undefined));
    // What has no node is not worked on; the real run stops there.
    const planned = gone ? [] : [...steps];
    const next = (): void => {
      const step = planned.shift();
      // A zero delay, so that a thousand lanes are no thousand frames deep.
      if (step === undefined) this.#parts.loop.after(0, done);
      else this.#step(step, lane, next);
    };
    next();
  }

  #step(step: PlannedStep, lane: Lane, next: () => void): void {
    const { loop } = this.#parts;
    const startMs = loop.nowMs;
    this.#carryOut(step, lane, ({ ok, basis, evictions }) => {
      const { order, stage, target, definition } = step;
      this.steps.push({
        order,
        stage,
        step: definition.id,
        ...(target === undefined ? {} : { target: target.name }),
        startMs,
        endMs: loop.nowMs,
        outcome: ok ? 'proven' : 'fails',
        ...(evictions === undefined ? {} : { evictions }),
        basis,
      });
      next();
    });
  }

  #carryOut(step: PlannedStep, lane: Lane, done: (ended: Ended) => void): void {
    const { effect } = step.definition;
    if (effect === undefined || lane.node === undefined) {
      this.#takeTime(step, done);
      return;
    }
    switch (effect.kind) {
      case 'judge-node':
        this.#judge(step, lane.node, effect.allow, done);
        return;
      case 'cordon-node':
        lane.wasCordoned = lane.node.cordoned;
        this.#parts.run.cordon(lane.node, true);
        this.#takeTime(step, done);
        return;
      case 'drain-node':
        this.#drain(step, lane, lane.node, effect, done);
        return;
      case 'restore-node':
        this.#restore(step, lane, lane.node, done);
        return;
      case 'await-node':
        this.#awaitNode(step, lane, lane.node, effect, done);
        return;
      case 'await-pods':
        this.#awaitPods(step, lane, done);
        return;
      default:
        effect satisfies never;
    }
  }

  #restore(step: PlannedStep, { wasCordoned }: Lane, node: NodeState<PodState>, done: (ended: Ended) => void): void {
    this.#takeTime(step, (ended) => {
      this.#parts.run.cordon(node, wasCordoned);
      done(ended);
    });
  }

  /** As long as it took before, or by default. */
  #takeTime(
    step: PlannedStep,
    done: (ended: Ended) => void,
    { ok = true, otherwiseMs }: { readonly ok?: boolean; readonly otherwiseMs?: number } = {},
  ): void {
    const { loop, times, parameters } = this.#parts;
    const { definition, target } = step;
    const known = definition.kind === 'wait' ? undefined : times.stepMs(definition.id, target?.name);
    const ms = known?.ms ?? otherwiseMs ?? defaultMs(definition, parameters);
    loop.after(ms, () => done({ ok, basis: known?.basis ?? basisOf[definition.kind] }));
  }

  #judge(step: PlannedStep, node: NodeState<PodState>, allow: DrainParameters, done: (ended: Ended) => void): void {
    const verdicts = judgeStates(this.#parts.run, node, rulesOf(allow, this.#parts.parameters));
    this.#parts.journal.findings.push(...refusals(verdicts, stepKey(step)));
    this.#takeTime(step, done, { ok: !verdicts.some((one) => one.severity === 'fatal') });
  }

  #drain(
    step: PlannedStep,
    lane: Lane,
    node: NodeState<PodState>,
    effect: Extract<StepEffect, { kind: 'drain-node' }>,
    done: (ended: Ended) => void,
  ): void {
    const { parameters, times } = this.#parts;
    const rules = rulesOf(effect.allow, parameters);
    const going = judgeStates(this.#parts.run, node, rules).filter((one) => one.evict);
    const workloads = new Set(
      going.flatMap(({ state }) => (state.workload?.facts.awaited === true ? [state.workload] : [])),
    );
    lane.owners = [...workloads].map((workload) => ({ workload, ready: workload.ready }));
    const { definition } = step;
    const deadlineMs = definition.kind === 'action' ? numberOf(definition.deadline, parameters) : Infinity;
    const attempts = definition.kind === 'action' ? definition.attempts : 1;
    const forceAfter = effect.forceAfter === undefined ? undefined : parameters[effect.forceAfter];
    const setup = {
      node,
      rules,
      timeoutMs: Math.max(effect.retryMs, deadlineMs - effect.marginMs) * attempts,
      forceAfterMs:
        typeof forceAfter === 'number' && forceAfter < deadlineMs - effect.marginMs ? forceAfter : undefined,
      retryMs: effect.retryMs,
      step: stepKey(step),
    };
    const learnt = times.stepMs(definition.id, step.target?.name);
    const basis: Basis = learnt === undefined ? model('low') : { ...learnt.basis, source: 'model' };
    // What every step costs besides: its intent, its proof.
    this.#parts.loop.after(defaultTimes.stepMs, () => {
      void new DrainRun(this.#parts, setup, ({ ok, evicted }) => {
        lane.evicted = evicted;
        done({ ok, basis, evictions: evicted });
      });
    });
  }

  /** A pod that the kubelet ended tells at once that it lives; without one, or after foreign hands, its next heartbeat does. */
  #awaitNode(
    step: PlannedStep,
    lane: Lane,
    node: NodeState<PodState>,
    effect: Extract<StepEffect, { kind: 'await-node' }>,
    done: (ended: Ended) => void,
  ): void {
    if (!node.ready) {
      const object = { kind: 'Node', name: node.name };
      const reason = 'it is not ready now, so the plan waits in vain for it to be ready again';
      this.#parts.journal.findings.push(
        finding('NodeNotReady', object, { field: 'status.conditions', reason, step: stepKey(step) }),
      );
    }
    const given = inOtherHands(effect, this.#parts.parameters);
    const otherwiseMs = given || lane.evicted === 0 ? defaultTimes.heartbeatMs : defaultTimes.stepMs;
    this.#takeTime(step, done, { ok: node.ready, otherwiseMs });
  }

  #awaitPods(step: PlannedStep, { owners }: Lane, done: (ended: Ended) => void): void {
    const { loop, run, parameters } = this.#parts;
    const { definition } = step;
    const missing = (): boolean =>
      owners.some(({ workload, ready }) => workload.ready < Math.min(ready, workload.facts.wanted ?? ready));
    const known = owners.every(({ workload }) => workload.readyMs !== undefined);
    let ended = false;
    const stops: (() => void)[] = [];
    const end = (ok: boolean): void => {
      if (ended) return;
      ended = true;
      for (const stop of stops) stop();
      loop.after(ok ? defaultTimes.stepMs : 0, () => done({ ok, basis: model(known ? 'medium' : 'low') }));
    };
    if (!missing()) {
      end(true);
      return;
    }
    const look = (): void => (missing() ? undefined : end(true));
    for (const { workload } of owners) stops.push(run.whenReadier(workload, look));
    if (definition.kind === 'check' || definition.kind === 'action')
      stops.push(loop.deadline(numberOf(definition.deadline, parameters), () => end(false)));
  }
}

function defaultMs(definition: StepDefinition, parameters: ParameterValues): number {
  if (definition.kind === 'wait') return numberOf(definition.duration, parameters);
  if (definition.kind === 'approval') return 0;
  return definition.effect === undefined && definition.kind === 'action'
    ? defaultTimes.unknownActionMs
    : defaultTimes.stepMs;
}

function rulesOf(allow: DrainParameters, parameters: ParameterValues): DrainRules {
  const given = (name: string | undefined): boolean => name !== undefined && parameters[name] === true;
  return {
    force: given(allow.force),
    ignoreDaemonSets: given(allow.ignoreDaemonSets),
    deleteEmptyDirData: given(allow.deleteEmptyDirData),
    skipWaitForDeleteTimeoutSeconds: 0,
  };
}

function nodeGone(name: string, another: boolean): ReturnType<typeof finding> {
  const reason = another ? 'another node has this name by now' : 'the snapshot has no node of this name';
  return finding('NodeGone', { kind: 'Node', name }, { field: 'metadata.uid', reason });
}
