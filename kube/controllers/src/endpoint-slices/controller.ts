/** Keeps the EndpointSlices of Services that select pods (endpointslice_controller.go). */
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { nodes, pods, services, type Node, type Pod, type Service } from '@polyanthus/kube-kinds/core';
import { endpointSlices, type EndpointSlice } from '@polyanthus/kube-kinds/discovery';
import { isReady } from '@polyanthus/kube-kinds/ready';
import { labelSelectorMatcher } from '@polyanthus/kube-objects/selectors';
import { commit } from '@polyanthus/kube-runtime/committer';
import { runController, type ReconcileResult } from '@polyanthus/kube-runtime/controller';
import { jsonEqual } from '@polyanthus/kube-runtime/equal';
import { Expectations } from '@polyanthus/kube-runtime/expectations';
import type { Informer } from '@polyanthus/kube-runtime/informer';
import { joinKey, keyOf } from '@polyanthus/kube-runtime/keys';
import { watchInto } from '@polyanthus/kube-runtime/watches';
import { queueFor, type ControllerDefinition, type ControllerEnv } from '../environment.ts';
import { isNamespaceEnding } from '../pod-writes.ts';
import { addressTypesOf, groupsOf } from './endpoints.ts';
import { managedBy, managedByLabel, planSlices, serviceNameLabel, type SlicePlan } from './packing.ts';

const name = 'endpointslice-controller';
/** An expectation that no event fulfils is looked at again. */
const unsettledCheckMs = 60_000;

/** Says where the pods of each Service are, and whether they serve. */
export const endpointSliceController: ControllerDefinition = {
  spec: {
    name,
    inputs: [services, pods, nodes, endpointSlices],
    outputs: [endpointSlices],
    rbac: [
      { apiGroups: [''], resources: ['services', 'pods', 'nodes'], verbs: ['get', 'list', 'watch'] },
      { apiGroups: [''], resources: ['services/finalizers'], verbs: ['update'] },
      {
        apiGroups: ['discovery.k8s.io'],
        resources: ['endpointslices'],
        verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
      },
    ],
  },
  run: async (ctx, env) => {
    const serviceCache = env.informers.of(services);
    const podCache = env.informers.of(pods);
    const nodeCache = env.informers.of(nodes);
    const sliceCache = env.informers.of(endpointSlices);
    const expectations = new Expectations(ctx.clock);
    const queue = queueFor(ctx, env, name);
    watchInto(serviceCache, queue);
    expectSlices(sliceCache, expectations);
    watchInto(sliceCache, queue, serviceOf);
    const selecting = (pod: Pod): readonly string[] =>
      serviceCache
        .byIndex('byNamespace', pod.metadata.namespace ?? '')
        .filter((service) => selects(service, pod))
        .map(keyOf);
    watchInto(podCache, queue, selecting, podMatters);
    // A node that comes late, goes, or moves to another zone.
    watchInto(
      nodeCache,
      queue,
      (node) => podCache.byIndex('byNode', node.metadata.name ?? '').flatMap(selecting),
      (before, after) => !jsonEqual(before.metadata.labels, after.metadata.labels),
    );
    const scope: SliceScope = { env, serviceCache, podCache, nodeCache, sliceCache, expectations };
    await runController(ctx, {
      name,
      queue,
      metrics: env.metrics,
      workers: 5,
      informers: [serviceCache, podCache, nodeCache, sliceCache],
      reconcile: (inner, key) => reconcileService(inner, scope, key),
    });
  },
};

interface SliceScope {
  readonly env: ControllerEnv;
  readonly serviceCache: Informer<Service>;
  readonly podCache: Informer<Pod>;
  readonly nodeCache: Informer<Node>;
  readonly sliceCache: Informer<EndpointSlice>;
  readonly expectations: Expectations;
}

function serviceOf({ metadata: { namespace, labels = {} } }: EndpointSlice): readonly string[] {
  const service = labels[serviceNameLabel];
  return labels[managedByLabel] === managedBy && service !== undefined ? [joinKey(namespace, service)] : [];
}

function expectSlices(cache: Informer<EndpointSlice>, expectations: Expectations): void {
  cache.onEvent({
    onAdd: (slice) => serviceOf(slice).forEach((key) => expectations.created(key)),
    onDelete: (slice) => serviceOf(slice).forEach((key) => expectations.deleted(key, slice.metadata.uid ?? '')),
  });
}

function selects({ spec }: Service, pod: Pod): boolean {
  const selector = spec?.selector ?? {};
  return (
    Object.keys(selector).length > 0 && labelSelectorMatcher({ matchLabels: selector }).matches(pod.metadata.labels)
  );
}

/** What a slice says of a pod. */
function podMatters(before: Pod, after: Pod): boolean {
  const said = (pod: Pod): unknown => [
    pod.metadata.labels,
    pod.metadata.deletionTimestamp,
    pod.spec.nodeName,
    pod.status?.podIPs ?? pod.status?.podIP,
    pod.status?.phase,
    isReady(pod),
  ];
  return !jsonEqual(said(before), said(after));
}

async function reconcileService(ctx: Context, scope: SliceScope, key: string): Promise<ReconcileResult | void> {
  const service = scope.serviceCache.get(key);
  // Slices of a Service that is gone are the collector's.
  if (service === undefined) {
    scope.expectations.forget(key);
    return undefined;
  }
  if (Object.keys(service.spec?.selector ?? {}).length === 0 || service.spec?.type === 'ExternalName') return undefined;
  if (!scope.expectations.satisfied(key)) return { requeueAfterMs: unsettledCheckMs };
  scope.expectations.expect(key, 0, []);
  const { namespace = '' } = service.metadata;
  const mine = scope.sliceCache.byIndex('byNamespace', namespace).filter((slice) => serviceOf(slice).includes(key));
  const selected = scope.podCache.byIndex('byNamespace', namespace).filter((pod) => selects(service, pod));
  const types = addressTypesOf(service);
  await write(ctx, scope, key, {
    create: [],
    update: [],
    remove: mine.filter((one) => !types.includes(one.addressType)),
  });
  for (const type of types) {
    const groups = groupsOf(service, selected, (node) => scope.nodeCache.get(node), type);
    const existing = mine.filter(({ addressType }) => addressType === type);
    const plan = planSlices(service, type, groups, existing);
    // While the Service ends, the collector takes its slices: new ones would outlive it.
    await write(ctx, scope, key, service.metadata.deletionTimestamp === undefined ? plan : { ...plan, create: [] });
  }
  return undefined;
}

async function write(ctx: Context, scope: SliceScope, key: string, plan: SlicePlan): Promise<void> {
  const { client } = scope.env;
  for (const slice of plan.create) {
    scope.expectations.add(key, 1, []);
    try {
      await client.create(ctx, endpointSlices, slice);
    } catch (error) {
      scope.expectations.created(key);
      if (isNamespaceEnding(error)) return;
      throw error;
    }
  }
  for (const change of plan.update) await commit(ctx, client, endpointSlices, change);
  for (const { metadata } of plan.remove) {
    const { namespace, name: slice = '', uid = '' } = metadata;
    scope.expectations.add(key, 0, [uid]);
    try {
      await client.delete(ctx, endpointSlices, { namespace, name: slice }, { preconditions: { uid } });
    } catch (error) {
      scope.expectations.deleted(key, uid);
      if (!hasCode(error, 'NotFound')) throw error;
    }
  }
}
