/** How long things take: learnt from earlier runs, else a stated default with little confidence. */
import type { RunStep } from '@polyanthus/kube-kinds/own/runbook';
import { parseKubeTime } from '@polyanthus/kube-runtime/times';
import { median } from './model/workload-book.ts';

/** Where a time comes from. */
export interface Basis {
  /**
   * `target`: this step on this target; `step`: this step on others; `model`: computed; `default`: nothing is known;
   * `unknown`: nothing is known of what people take, and nothing is counted.
   */
  readonly source: 'target' | 'step' | 'model' | 'default' | 'unknown';
  /** Earlier times that it rests on. */
  readonly samples: number;
  readonly confidence: 'high' | 'medium' | 'low' | 'none';
}

export interface Estimate {
  readonly ms: number;
  readonly basis: Basis;
}

/** Defaults in milliseconds, where nothing was learnt; docs and reports name them. */
export const defaultTimes = {
  /** A step that writes one object and reads it back. */
  stepMs: 500,
  /** Until a kubelet renews its Lease, where only that tells that it lives: it does so every 10 s. */
  heartbeatMs: 10_000,
  /** From being placed to being ready, of a pod whose workload has no ready one to learn from. */
  podReadyMs: 15_000,
  /** From the eviction of a pod to its end; never longer than its grace period. */
  podEndMs: 5000,
  /** A command on a host, or another action that is not modelled. */
  unknownActionMs: 30_000,
} as const;

/** Samples of one step that are kept: the newest. */
const samplesMax = 50;
const manySamples = 3;

/** What earlier runs of a runbook took, by step and target. */
export class LearntTimes {
  readonly #byStep = new Map<string, number[]>();
  readonly #byTarget = new Map<string, number[]>();

  /** Learns from the steps of one run, in their order, but for `unlike` ones; later runs count more, so tell the oldest first. */
  learn(steps: readonly RunStep[], unlike: ReadonlySet<string> = new Set()): void {
    const ended = new Map<string, number>();
    for (const { spec, status } of steps.toSorted((a, b) => a.spec.order - b.spec.order)) {
      const lane = `${spec.stage}/${spec.lane}`;
      const provenMs = parseKubeTime(status?.provenAt);
      // A check stores no intent: it begins when the step before it has ended.
      const beganMs = parseKubeTime(status?.intentAt) ?? ended.get(lane);
      if (provenMs === undefined) continue;
      ended.set(lane, provenMs);
      const clean = status?.state === 'Proven' && (status.failures ?? 0) === 0;
      if (unlike.has(spec.step) || !clean || beganMs === undefined || provenMs < beganMs) continue;
      keep(this.#byStep, spec.step, provenMs - beganMs);
      keep(this.#byTarget, `${spec.step}/${spec.target?.name ?? ''}`, provenMs - beganMs);
    }
  }

  /** Undefined when this step was never seen. */
  stepMs(step: string, target: string | undefined): Estimate | undefined {
    return (
      estimate(this.#byTarget.get(`${step}/${target ?? ''}`), 'target') ?? estimate(this.#byStep.get(step), 'step')
    );
  }
}

function keep(times: Map<string, number[]>, key: string, ms: number): void {
  const known = times.get(key);
  if (known === undefined) times.set(key, [ms]);
  else if (known.push(ms) > samplesMax) known.shift();
}

function estimate(samples: readonly number[] | undefined, source: 'target' | 'step'): Estimate | undefined {
  const ms = median(samples ?? []);
  if (samples === undefined || ms === undefined) return undefined;
  const confidence = source === 'target' && samples.length >= manySamples ? 'high' : 'medium';
  return { ms, basis: { source, samples: samples.length, confidence } };
}
