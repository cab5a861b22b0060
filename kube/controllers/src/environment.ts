/** What every controller is given, and how a controller presents itself. */
import type { Context } from '@polyanthus/ground-base/context';
import type { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import type { Random } from '@polyanthus/ground-base/random';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createEventRecorder, type EventRecorder } from '@polyanthus/kube-runtime/events';
import { runController, type ControllerOptions, type ControllerSpec } from '@polyanthus/kube-runtime/controller';
import type { Informers } from '@polyanthus/kube-runtime/informers';
import { WorkQueue } from '@polyanthus/kube-runtime/queue';

/** Shared by all controllers of one process. */
export interface ControllerEnv {
  readonly client: KubeClient;
  readonly informers: Informers;
  readonly random: Random;
  readonly metrics: MetricsRegistry;
  /** PEM of the CA that signed the API server's certificate, for kube-root-ca.crt. */
  readonly clusterCaPem: string | undefined;
}

/** A controller as data plus the function that runs it until its context is cancelled. */
export interface ControllerDefinition {
  readonly spec: ControllerSpec;
  readonly run: (ctx: Context, env: ControllerEnv) => Promise<void>;
}

/** A queue under the controller's name. */
export function queueFor(ctx: Context, env: ControllerEnv, name: string): WorkQueue {
  return new WorkQueue({ name, clock: ctx.clock, metrics: env.metrics });
}

/** Runs a controller and the recorder of its events side by side. */
export async function runWithEvents(
  ctx: Context,
  env: ControllerEnv,
  recorder: EventRecorder,
  options: Omit<ControllerOptions, 'metrics'>,
): Promise<void> {
  await Promise.all([runController(ctx, { ...options, metrics: env.metrics }), recorder.run(ctx)]);
}

/** A recorder that speaks as `component`. */
export function recorderFor(ctx: Context, env: ControllerEnv, component: string): EventRecorder {
  return createEventRecorder({ client: env.client, clock: ctx.clock, component, metrics: env.metrics });
}
