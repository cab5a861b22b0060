/** Wiring of the node lifecycle controller. */
import { events, leases, nodes, pods, type Node } from '@polyanthus/kube-kinds/core';
import { jsonEqual } from '@polyanthus/kube-runtime/equal';
import { keyOf } from '@polyanthus/kube-runtime/keys';
import { watchInto } from '@polyanthus/kube-runtime/watches';
import { queueFor, recorderFor, runWithEvents, type ControllerDefinition } from '../environment.ts';
import { Heartbeats } from './heartbeats.ts';
import { leaseNamespace, reconcileNode, type LifecycleScope } from './lifecycle.ts';
import { isNodeReady } from './node-state.ts';
import { EvictionPace, isBlackout } from './pace.ts';

const name = 'node-lifecycle-controller';

/** Gives up nodes that fall silent, and keeps the taints that follow from conditions. */
export const nodeLifecycleController: ControllerDefinition = {
  spec: {
    name,
    inputs: [nodes, leases, pods],
    outputs: [nodes, pods, events],
    rbac: [
      { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'patch', 'update', 'watch'] },
      { apiGroups: [''], resources: ['nodes/status'], verbs: ['patch', 'update'] },
      { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] },
      { apiGroups: [''], resources: ['pods/status'], verbs: ['patch', 'update'] },
      { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get', 'list', 'watch'] },
      { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch', 'update'] },
    ],
  },
  run: async (ctx, env) => {
    const nodeCache = env.informers.of(nodes);
    const leaseCache = env.informers.of(leases, { namespace: leaseNamespace });
    const podCache = env.informers.of(pods);
    const queue = queueFor(ctx, env, name);
    const recorder = recorderFor(ctx, env, name);
    const heartbeats = new Heartbeats(ctx.clock);
    const pace = new EvictionPace(ctx.clock);
    const scope: LifecycleScope = { client: env.client, nodeCache, leaseCache, podCache, heartbeats, pace, recorder };
    watchInto(nodeCache, queue, (node) => [keyOf(node)], nodeMatters);
    // A renewal is only noted: every node is looked at again when its time would be up.
    const noteRenewal = (lease: { readonly metadata: { readonly name?: string } }): void => {
      const node = nodeCache.get(lease.metadata.name ?? '');
      if (node !== undefined) heartbeats.untilSilentMs(node, leaseCache.get(`${leaseNamespace}/${keyOf(node)}`));
    };
    leaseCache.onEvent({ onAdd: noteRenewal, onUpdate: (_before, after) => noteRenewal(after) });
    // A pod that comes to a silent node, or reports from there, is marked like the others.
    watchInto(podCache, queue, (pod) => {
      const node = nodeCache.get(pod.spec.nodeName ?? '');
      return node === undefined || isNodeReady(node) ? [] : [keyOf(node)];
    });
    followBlackouts(scope, () => nodeCache.list().forEach((node) => queue.add(keyOf(node))));
    nodeCache.onEvent({
      onAdd: (node) => say(scope, node, 'RegisteredNode', 'Registered Node', 'in'),
      onDelete: (node) => say(scope, node, 'RemovingNode', 'Removing Node', 'from'),
    });
    await runWithEvents(ctx, env, recorder, {
      name,
      queue,
      workers: 8,
      informers: [nodeCache, leaseCache, podCache],
      reconcile: (inner, key) => reconcileNode(inner, scope, key),
    });
  },
};

/** In a blackout nobody is given up; when it ends all count as just heard of, and everybody is judged anew. */
function followBlackouts({ nodeCache, heartbeats }: LifecycleScope, everybody: () => void): void {
  let dark = false;
  const look = (): void => {
    const now = isBlackout(nodeCache.list());
    if (now === dark) return;
    dark = now;
    if (!dark) for (const node of nodeCache.list()) heartbeats.touch(keyOf(node));
    everybody();
  };
  nodeCache.onEvent({
    onAdd: look,
    onUpdate: (before, after) => (isNodeReady(before) === isNodeReady(after) ? undefined : look()),
    onDelete: look,
  });
}

function say({ recorder }: LifecycleScope, node: Node, reason: string, what: string, where: string): void {
  const { name: node_ = '' } = node.metadata;
  recorder.record(node, 'Normal', reason, `Node ${node_} event: ${what} ${node_} ${where} Controller`);
}

/** A heartbeat alone changes nothing, but it is a sign of life. */
function nodeMatters(before: Node, after: Node): boolean {
  return (
    !jsonEqual(before.spec, after.spec) ||
    !jsonEqual(before.metadata.labels, after.metadata.labels) ||
    !jsonEqual(before.status?.conditions, after.status?.conditions)
  );
}
