/** What kube-controller-manager does, for API servers that run without one. */
import { withLog, type Context } from '@polyanthus/ground-base/context';
import type { Clock } from '@polyanthus/ground-base/clock';
import { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import type { Random } from '@polyanthus/ground-base/random';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createInformers } from '@polyanthus/kube-runtime/informers';
import { clusterRoleAggregationController } from './cluster-role-aggregation.ts';
import { deploymentController } from './deployment/controller.ts';
import { disruptionController } from './disruption/controller.ts';
import type { ControllerDefinition, ControllerEnv } from './environment.ts';
import { controllersErrors } from './errors.ts';
import { garbageCollector } from './garbage/controller.ts';
import { namespaceController } from './namespace/controller.ts';
import { resourceQuotaController } from './quota/controller.ts';
import { replicaSetController } from './replicaset/controller.ts';
import { rootCaController } from './accounts/root-ca.ts';
import { daemonSetController } from './daemonset/controller.ts';
import { bootstrapSignerController, tokenCleanerController } from './bootstrap-tokens/controllers.ts';
import { certificateApprover } from './certificates/approver.ts';
import { certificateCleaner } from './certificates/cleaner.ts';
import { endpointSliceController } from './endpoint-slices/controller.ts';
import { cronJobController } from './cronjob/controller.ts';
import { jobController, ttlAfterFinishedController } from './job/controller.ts';
import { nodeLifecycleController } from './nodes/lifecycle-controller.ts';
import { podGarbageCollector } from './nodes/pod-gc.ts';
import { taintEvictionController } from './nodes/taint-eviction.ts';
import { statefulSetController } from './statefulset/controller.ts';
import { serviceAccountController } from './accounts/service-accounts.ts';
import { tokenSecretController } from './accounts/token-secrets.ts';

/** All controllers under kube-controller-manager's names. */
export const controllers: readonly ControllerDefinition[] = [
  namespaceController,
  serviceAccountController,
  tokenSecretController,
  rootCaController,
  clusterRoleAggregationController,
  garbageCollector,
  deploymentController,
  replicaSetController,
  statefulSetController,
  daemonSetController,
  jobController,
  ttlAfterFinishedController,
  cronJobController,
  nodeLifecycleController,
  taintEvictionController,
  podGarbageCollector,
  endpointSliceController,
  certificateApprover,
  certificateCleaner,
  tokenCleanerController,
  bootstrapSignerController,
  disruptionController,
  resourceQuotaController,
];

/** Options of startControllers. */
export interface StartControllersOptions {
  readonly client: KubeClient;
  readonly random: Random;
  /** Absent: the clock of the context. */
  readonly clock?: Clock;
  readonly metrics?: MetricsRegistry;
  /** Which to run, by name; absent: all. */
  readonly names?: readonly string[];
  /** PEM of the CA that signed the API server's certificate; absent: kube-root-ca.crt is not published. */
  readonly clusterCaPem?: string;
  /** Freezes cached objects: for tests. */
  readonly freeze?: boolean;
}

/** Controllers that were started. */
export interface RunningControllers {
  readonly names: readonly string[];
  /** Resolves when the context was cancelled and no reconcile runs any more. */
  readonly stopped: Promise<void>;
}

/** Starts controllers; they run until `ctx` is cancelled. Throws ControllerUnknown for a name that does not exist. */
export function startControllers(ctx: Context, options: StartControllersOptions): RunningControllers {
  const chosen = choose(options.names);
  const inner = withLog(options.clock === undefined ? ctx : { ...ctx, clock: options.clock }, {
    component: 'controllers',
  });
  const metrics = options.metrics ?? new MetricsRegistry();
  const { client, random, freeze = false, clusterCaPem } = options;
  const informers = createInformers(client, { random, metrics, freeze });
  const env: ControllerEnv = { client, informers, random, metrics, clusterCaPem };
  informers.start(inner);
  const runs = chosen.map((controller) => runOne(inner, env, controller));
  return { names: chosen.map((controller) => controller.spec.name), stopped: Promise.all(runs).then(() => undefined) };
}

async function runOne(ctx: Context, env: ControllerEnv, controller: ControllerDefinition): Promise<void> {
  try {
    await controller.run(ctx, env);
  } catch (error) {
    if (!ctx.signal.aborted) ctx.log.error('a controller ended by itself', { controller: controller.spec.name, error });
  }
}

function choose(names: readonly string[] | undefined): readonly ControllerDefinition[] {
  if (names === undefined) return controllers;
  return names.map((name) => {
    const found = controllers.find((controller) => controller.spec.name === name);
    if (found !== undefined) return found;
    const known = controllers.map((controller) => controller.spec.name).join(', ');
    throw controllersErrors.error('ControllerUnknown', `there is no controller "${name}"; there are ${known}`);
  });
}
