/** Namespace deletion: empties a terminating namespace, then takes the finalizer `kubernetes` off (through /finalize). */
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { unlessGone } from '@polyanthus/kube-client/gone';
import { namespaces, type Namespace } from '@polyanthus/kube-kinds/core';
import { commit } from '@polyanthus/kube-runtime/committer';
import { runController, type ReconcileResult } from '@polyanthus/kube-runtime/controller';
import { watchInto } from '@polyanthus/kube-runtime/watches';
import { queueFor, type ControllerDefinition, type ControllerEnv } from '../environment.ts';
import { isSwept, namespaceConditions, type Sweep } from './conditions.ts';
import { sweepNamespace } from './content.ts';

const finalizer = 'kubernetes';
/** When finalizers of others hold the content, they are asked about this often. */
const finalizerWaitMs = 15_000;

/** Ends namespaces that were deleted. */
export const namespaceController: ControllerDefinition = {
  spec: {
    name: 'namespace-controller',
    inputs: [namespaces],
    outputs: [namespaces],
    rbac: [
      { apiGroups: [''], resources: ['namespaces'], verbs: ['get', 'list', 'watch', 'delete'] },
      { apiGroups: [''], resources: ['namespaces/finalize', 'namespaces/status'], verbs: ['update', 'patch'] },
      { apiGroups: ['*'], resources: ['*'], verbs: ['delete', 'deletecollection', 'get', 'list'] },
      { nonResourceURLs: ['/api', '/api/*', '/apis', '/apis/*'], verbs: ['get'] },
    ],
  },
  run: async (ctx, env) => {
    const cache = env.informers.of(namespaces);
    const queue = queueFor(ctx, env, 'namespace-controller');
    watchInto(cache, queue, (namespace) =>
      namespace.metadata.deletionTimestamp === undefined ? [] : [namespace.metadata.name ?? ''],
    );
    await runController(ctx, {
      name: 'namespace-controller',
      queue,
      workers: 3,
      metrics: env.metrics,
      informers: [cache],
      reconcileTimeoutMs: 300_000,
      reconcile: (inner, name) => reconcileNamespace(inner, env, name),
    });
  },
};

async function reconcileNamespace(ctx: Context, env: ControllerEnv, name: string): Promise<ReconcileResult | void> {
  // Fresh: a cached one could be an older namespace of the same name.
  const namespace = await read(ctx, env, name);
  if (namespace?.metadata.deletionTimestamp === undefined || !(namespace.spec?.finalizers ?? []).includes(finalizer))
    return undefined;
  const sweep = await sweepNamespace(ctx, env.client, name);
  const conditions = namespaceConditions(namespace.status?.conditions, sweep, ctx.clock.now());
  const after: Namespace = { ...namespace, status: { ...namespace.status, phase: 'Terminating', conditions } };
  const current = await commit(ctx, env.client, namespaces, { before: namespace, after });
  if (!isSwept(sweep)) return { requeueAfterMs: waitMs(sweep) };
  await finalize(ctx, env, current);
  return undefined;
}

function waitMs(sweep: Sweep): number {
  if (sweep.finalizers.size > 0) return finalizerWaitMs / 2 + 1000;
  return (sweep.podGraceSeconds / 2 + 1) * 1000;
}

async function read(ctx: Context, env: ControllerEnv, name: string): Promise<Namespace | undefined> {
  try {
    return await env.client.get(ctx, namespaces, { name });
  } catch (error) {
    if (hasCode(error, 'NotFound')) return undefined;
    throw error;
  }
}

async function finalize(ctx: Context, env: ControllerEnv, namespace: Namespace): Promise<void> {
  const finalizers = (namespace.spec?.finalizers ?? []).filter((each) => each !== finalizer);
  await unlessGone(
    env.client.update(
      ctx,
      namespaces,
      { ...namespace, spec: { ...namespace.spec, finalizers } },
      { subresource: 'finalize' },
    ),
  );
}
