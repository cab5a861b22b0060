/** Every namespace has a ServiceAccount `default` (kube-controller-manager's serviceaccounts_controller.go). */
import { hasCode } from '@polyanthus/ground-base/errors';
import { namespaces, serviceAccounts } from '@polyanthus/kube-kinds/core';
import { runController } from '@polyanthus/kube-runtime/controller';
import { joinKey } from '@polyanthus/kube-runtime/keys';
import { watchInto } from '@polyanthus/kube-runtime/watches';
import { queueFor, type ControllerDefinition } from '../environment.ts';

/** Keeps a ServiceAccount `default` in every namespace that is not ending. */
export const serviceAccountController: ControllerDefinition = {
  spec: {
    name: 'serviceaccount-controller',
    inputs: [namespaces, serviceAccounts],
    outputs: [serviceAccounts],
    rbac: [
      { apiGroups: [''], resources: ['namespaces', 'serviceaccounts'], verbs: ['get', 'list', 'watch'] },
      { apiGroups: [''], resources: ['serviceaccounts'], verbs: ['create'] },
    ],
  },
  run: async (ctx, env) => {
    const namespaceCache = env.informers.of(namespaces);
    const accounts = env.informers.of(serviceAccounts);
    const queue = queueFor(ctx, env, 'serviceaccount-controller');
    watchInto(namespaceCache, queue);
    accounts.onEvent({ onDelete: (account) => queue.add(account.metadata.namespace ?? '') });
    await runController(ctx, {
      name: 'serviceaccount-controller',
      queue,
      metrics: env.metrics,
      informers: [namespaceCache, accounts],
      reconcile: async (inner, namespace) => {
        const owner = namespaceCache.get(namespace);
        if (
          owner === undefined ||
          owner.metadata.deletionTimestamp !== undefined ||
          accounts.get(joinKey(namespace, 'default')) !== undefined
        )
          return;
        try {
          await env.client.create(inner, serviceAccounts, {
            apiVersion: 'v1',
            kind: 'ServiceAccount',
            metadata: { namespace, name: 'default' },
          });
        } catch (error) {
          if (!hasCode(error, 'AlreadyExists') && !isTerminating(error)) throw error;
        }
      },
    });
  },
};

/** The namespace began to end after it was read: nothing is to be done there any more. */
export function isTerminating(error: unknown): boolean {
  const details = (error as { status?: { details?: { causes?: readonly { reason?: string }[] } } } | null)?.status
    ?.details;
  return (
    hasCode(error, 'NotFound') || (details?.causes?.some((cause) => cause.reason === 'NamespaceTerminating') ?? false)
  );
}
