/**
 * Secrets of type kubernetes.io/service-account-token get a token of the account that they name, and go with it
 * (kube-controller-manager's tokens_controller.go). The token comes from the TokenRequest API and is bound to the Secret, so
 * that it dies with it; unlike the tokens of kube-controller-manager it also runs out, after ten years.
 */
import type { Context } from '@polyanthus/ground-base/context';
import { unlessGone } from '@polyanthus/kube-client/gone';
import { secrets, serviceAccounts, type Secret, type ServiceAccount } from '@polyanthus/kube-kinds/core';
import { commit } from '@polyanthus/kube-runtime/committer';
import { runController } from '@polyanthus/kube-runtime/controller';
import { joinKey } from '@polyanthus/kube-runtime/keys';
import { watchInto } from '@polyanthus/kube-runtime/watches';
import { queueFor, type ControllerDefinition, type ControllerEnv } from '../environment.ts';

const nameAnnotation = 'kubernetes.io/service-account.name';
const uidAnnotation = 'kubernetes.io/service-account.uid';
const lifetimeSeconds = 10 * 365 * 86_400;

/** Fills token Secrets, and deletes those whose account is gone. */
export const tokenSecretController: ControllerDefinition = {
  spec: {
    name: 'serviceaccount-token-controller',
    inputs: [secrets, serviceAccounts],
    outputs: [secrets],
    rbac: [
      { apiGroups: [''], resources: ['secrets'], verbs: ['list', 'watch', 'patch', 'delete'] },
      { apiGroups: [''], resources: ['serviceaccounts'], verbs: ['get', 'list', 'watch'] },
      { apiGroups: [''], resources: ['serviceaccounts/token'], verbs: ['create'] },
    ],
  },
  run: async (ctx, env) => {
    const tokenSecrets = env.informers.of(secrets, { fieldSelector: 'type=kubernetes.io/service-account-token' });
    const accounts = env.informers.of(serviceAccounts);
    const queue = queueFor(ctx, env, 'serviceaccount-token-controller');
    watchInto(tokenSecrets, queue);
    watchInto(accounts, queue, (account) =>
      tokenSecrets
        .byIndex('byNamespace', account.metadata.namespace ?? '')
        .filter((secret) => secret.metadata.annotations?.[nameAnnotation] === account.metadata.name)
        .map((secret) => joinKey(secret.metadata.namespace, secret.metadata.name ?? '')),
    );
    await runController(ctx, {
      name: 'serviceaccount-token-controller',
      queue,
      metrics: env.metrics,
      informers: [tokenSecrets, accounts],
      reconcile: async (inner, key) => {
        const secret = tokenSecrets.get(key);
        if (secret === undefined || secret.metadata.deletionTimestamp !== undefined) return;
        const account = await readAccount(inner, env, secret);
        const uid = secret.metadata.annotations?.[uidAnnotation];
        if (account === undefined || (uid !== undefined && uid !== account.metadata.uid))
          await remove(inner, env, secret);
        else await fill(inner, env, secret, account);
      },
    });
  },
};

/** Fresh, because a Secret is deleted when it is not there. */
async function readAccount(ctx: Context, env: ControllerEnv, secret: Secret): Promise<ServiceAccount | undefined> {
  const name = secret.metadata.annotations?.[nameAnnotation] ?? '';
  if (name === '') return undefined;
  return unlessGone(env.client.get(ctx, serviceAccounts, { namespace: secret.metadata.namespace, name }));
}

async function remove(ctx: Context, env: ControllerEnv, secret: Secret): Promise<void> {
  const { namespace, name = '', uid = '' } = secret.metadata;
  await unlessGone(env.client.delete(ctx, secrets, { namespace, name }, { preconditions: { uid } }));
}

async function fill(ctx: Context, env: ControllerEnv, secret: Secret, account: ServiceAccount): Promise<void> {
  const { namespace = '', name = '', uid: secretUid = '' } = secret.metadata;
  const { name: accountName = '', uid = '' } = account.metadata;
  const data: Record<string, string> = { ...secret.data, namespace: toBase64(namespace) };
  if (env.clusterCaPem !== undefined) data['ca.crt'] = toBase64(env.clusterCaPem);
  if (data['token'] === undefined) {
    const boundObjectRef = { apiVersion: 'v1', kind: 'Secret', name, uid: secretUid };
    const request = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { expirationSeconds: lifetimeSeconds, boundObjectRef },
    };
    const answer = await env.client.createAt<{ readonly status: { readonly token: string } }>(
      ctx,
      serviceAccounts,
      { namespace, name: accountName },
      'token',
      request,
    );
    data['token'] = toBase64(answer.status.token);
  }
  const annotations = { ...secret.metadata.annotations, [uidAnnotation]: uid };
  await commit(ctx, env.client, secrets, {
    before: secret,
    after: { ...secret, metadata: { ...secret.metadata, annotations }, data },
  });
}

const toBase64 = (text: string): string => Buffer.from(text).toString('base64');
