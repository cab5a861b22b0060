/** Nodes, a scheduler and kubelets for an API server that has none: driven by the context's clock, so hundreds of nodes fit. */
import { withLog, type Context } from '@polyanthus/ground-base/context';
import type { Clock } from '@polyanthus/ground-base/clock';
import { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import type { Random } from '@polyanthus/ground-base/random';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { namespaces, nodes, pods, type Pod } from '@polyanthus/kube-kinds/core';
import { podDisruptionBudgets } from '@polyanthus/kube-kinds/disruption';
import { runController } from '@polyanthus/kube-runtime/controller';
import { createEventRecorder } from '@polyanthus/kube-runtime/events';
import { createInformers } from '@polyanthus/kube-runtime/informers';
import { WorkQueue } from '@polyanthus/kube-runtime/queue';
import { watchInto } from '@polyanthus/kube-runtime/watches';
import type { PodBehaviour } from './behaviour.ts';
import { NodeAgent } from './node/agent.ts';
import type { SimNode } from './node/node.ts';
import { NodeRegistry } from './node/registry.ts';
import { PodAgent } from './pod/agent.ts';
import { Scheduler, schedulerName } from './scheduler/scheduler.ts';

/** Options of startSimulation. */
export interface SimulationOptions {
  readonly client: KubeClient;
  readonly nodes: readonly SimNode[];
  /** The first that matches a pod counts; absent or none: it starts, becomes ready and runs for ever. */
  readonly behaviours?: readonly PodBehaviour[];
  readonly random: Random;
  /** Absent: the clock of the context. */
  readonly clock?: Clock;
  readonly metrics?: MetricsRegistry;
  /** False where a real kube-scheduler runs. */
  readonly scheduler?: boolean;
  /** Freezes cached objects: for tests. */
  readonly freeze?: boolean;
}

/** A simulation that runs. */
export interface Simulation {
  readonly nodeNames: readonly string[];
  /** Pods that are bound to the node, as they are now: what `createKubeletHandler` asks for. */
  podsOn(node: string): readonly Pod[];
  /** Registers one more node soon. Throws SimulatedNodeInvalid. */
  addNode(node: SimNode): void;
  /** Its kubelet falls silent: no heartbeat, its pods stay as they are. The Node object stays. */
  stopNode(name: string): void;
  /** Resolves when the context was cancelled and nothing runs any more. */
  readonly stopped: Promise<void>;
}

/** Starts the simulation; it runs until `ctx` is cancelled. Throws SimulatedNodeInvalid. */
export function startSimulation(ctx: Context, options: SimulationOptions): Simulation {
  const inner = withLog(options.clock === undefined ? ctx : { ...ctx, clock: options.clock }, {
    component: 'simulation',
  });
  const { client, random, metrics = new MetricsRegistry(), freeze = false } = options;
  const registry = new NodeRegistry(() => inner.clock.now());
  for (const node of options.nodes) registry.add(node);
  const informers = createInformers(client, { random, metrics, freeze });
  const parts: Part = { ctx: inner, options, metrics, registry, informers };
  const nodeQueue = new WorkQueue({ name: 'sim-node', clock: inner.clock, metrics });
  const runs = [runNodes(parts, nodeQueue), runPods(parts)];
  if (options.scheduler !== false) runs.push(runScheduler(parts));
  informers.start(inner);
  return {
    get nodeNames() {
      return registry.names;
    },
    podsOn: (node) =>
      informers
        .of(pods)
        .list()
        .filter((pod) => pod.spec.nodeName === node),
    addNode: (node) => {
      registry.add(node);
      nodeQueue.add(node.name);
    },
    stopNode: (name) => registry.remove(name),
    stopped: Promise.all(runs).then(() => undefined),
  };
}

interface Part {
  readonly ctx: Context;
  readonly options: SimulationOptions;
  readonly metrics: MetricsRegistry;
  readonly registry: NodeRegistry;
  readonly informers: ReturnType<typeof createInformers>;
}

async function runNodes({ ctx, options, metrics, registry }: Part, queue: WorkQueue): Promise<void> {
  const agent = new NodeAgent(options.client, registry, options.random);
  for (const name of registry.names) queue.add(name);
  await runController(ctx, {
    name: 'sim-node',
    queue,
    metrics,
    workers: 8,
    reconcile: (inner, name) => agent.reconcile(inner, name),
  });
}

async function runPods({ ctx, options, metrics, registry, informers }: Part): Promise<void> {
  const cache = informers.of(pods);
  const queue = new WorkQueue({ name: 'sim-pod', clock: ctx.clock, metrics });
  const recorder = createEventRecorder({ client: options.client, clock: ctx.clock, component: 'kubelet', metrics });
  const agent = new PodAgent({
    client: options.client,
    cache,
    nodes: registry,
    behaviours: options.behaviours ?? [],
    recorder,
  });
  watchInto(cache, queue);
  await Promise.all([
    runController(ctx, {
      name: 'sim-pod',
      queue,
      metrics,
      workers: 16,
      informers: [cache],
      reconcile: (inner, key) => agent.reconcile(inner, key),
    }),
    recorder.run(ctx),
  ]);
}

async function runScheduler({ ctx, options, metrics, informers }: Part): Promise<void> {
  const podCache = informers.of(pods);
  const nodeCache = informers.of(nodes);
  const namespaceCache = informers.of(namespaces);
  const budgetCache = informers.of(podDisruptionBudgets);
  const queue = new WorkQueue({ name: 'sim-scheduler', clock: ctx.clock, metrics });
  const recorder = createEventRecorder({ client: options.client, clock: ctx.clock, component: schedulerName, metrics });
  const scheduler = new Scheduler({
    client: options.client,
    podCache,
    nodeCache,
    namespaceCache,
    budgetCache,
    queue,
    recorder,
  });
  // One worker: two at once would give one room to two pods.
  await Promise.all([
    runController(ctx, {
      name: 'sim-scheduler',
      queue,
      metrics,
      workers: 1,
      informers: [podCache, nodeCache, namespaceCache, budgetCache],
      reconcile: (inner, key) => scheduler.reconcile(inner, key),
    }),
    recorder.run(ctx),
  ]);
}
