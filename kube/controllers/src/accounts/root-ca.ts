/** Every namespace has the ConfigMap `kube-root-ca.crt`, so that pods can check the API server (rootcacertpublisher). */
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { configMaps, namespaces, type ConfigMap } from '@polyanthus/kube-kinds/core';
import { commit } from '@polyanthus/kube-runtime/committer';
import { runController } from '@polyanthus/kube-runtime/controller';
import { watchInto } from '@polyanthus/kube-runtime/watches';
import { queueFor, type ControllerDefinition, type ControllerEnv } from '../environment.ts';
import { isTerminating } from './service-accounts.ts';

const mapName = 'kube-root-ca.crt';

/** Publishes the CA in every namespace; does nothing when no CA was given. */
export const rootCaController: ControllerDefinition = {
  spec: {
    name: 'root-ca-certificate-publisher-controller',
    inputs: [namespaces, configMaps],
    outputs: [configMaps],
    rbac: [
      { apiGroups: [''], resources: ['namespaces'], verbs: ['list', 'watch'] },
      { apiGroups: [''], resources: ['configmaps'], verbs: ['create', 'get', 'list', 'watch', 'patch'] },
    ],
  },
  run: async (ctx, env) => {
    // Without a certificate there is nothing to publish.
    if (env.clusterCaPem === undefined) return;
    const caPem = env.clusterCaPem;
    const namespaceCache = env.informers.of(namespaces);
    const maps = env.informers.of(configMaps, { fieldSelector: `metadata.name=${mapName}` });
    const queue = queueFor(ctx, env, 'root-ca-certificate-publisher-controller');
    watchInto(namespaceCache, queue);
    watchInto(maps, queue, (map) => [map.metadata.namespace ?? '']);
    await runController(ctx, {
      name: 'root-ca-certificate-publisher-controller',
      queue,
      metrics: env.metrics,
      informers: [namespaceCache, maps],
      reconcile: async (inner, namespace) => {
        const owner = namespaceCache.get(namespace);
        if (owner === undefined || owner.metadata.deletionTimestamp !== undefined) return;
        await publish(inner, env, namespace, maps.get(`${namespace}/${mapName}`), caPem);
      },
    });
  },
};

async function publish(
  ctx: Context,
  env: ControllerEnv,
  namespace: string,
  before: ConfigMap | undefined,
  caPem: string,
): Promise<void> {
  const data = { 'ca.crt': caPem };
  if (before !== undefined) {
    await commit(ctx, env.client, configMaps, { before, after: { ...before, data } });
    return;
  }
  const annotations = {
    'kubernetes.io/description':
      'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc.',
  };
  try {
    await env.client.create(ctx, configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { namespace, name: mapName, annotations },
      data,
    });
  } catch (error) {
    if (!hasCode(error, 'AlreadyExists') && !isTerminating(error)) throw error;
  }
}
