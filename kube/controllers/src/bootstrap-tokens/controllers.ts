/** Bootstrap tokens: deletes those that have run out, and signs `cluster-info` with those that may (controller/bootstrap). */
import { createHmac } from 'node:crypto';
import type { Context } from '@polyanthus/ground-base/context';
import { unlessGone } from '@polyanthus/kube-client/gone';
import { configMaps, secrets, type ConfigMap, type Secret } from '@polyanthus/kube-kinds/core';
import {
  bootstrapTokenNamespace,
  bootstrapTokenPrefix,
  bootstrapTokenType,
  secretText,
  tokenExpiryMs,
} from '@polyanthus/kube-kinds/bootstrap-tokens';
import { commit } from '@polyanthus/kube-runtime/committer';
import { runController, type ReconcileResult } from '@polyanthus/kube-runtime/controller';
import type { Informer } from '@polyanthus/kube-runtime/informer';
import { keyOf, splitKey } from '@polyanthus/kube-runtime/keys';
import { watchInto } from '@polyanthus/kube-runtime/watches';
import { queueFor, type ControllerDefinition, type ControllerEnv } from '../environment.ts';

const infoNamespace = 'kube-public';
const infoName = 'cluster-info';
const signaturePrefix = 'jws-kubeconfig-';
const tokensOnly = { namespace: bootstrapTokenNamespace, fieldSelector: `type=${bootstrapTokenType}` };

/** Deletes bootstrap tokens when they run out. */
export const tokenCleanerController: ControllerDefinition = {
  spec: {
    name: 'token-cleaner-controller',
    inputs: [secrets],
    outputs: [secrets],
    rbac: [{ apiGroups: [''], resources: ['secrets'], verbs: ['get', 'list', 'watch', 'delete'] }],
  },
  run: async (ctx, env) => {
    const cache = env.informers.of(secrets, tokensOnly);
    const queue = queueFor(ctx, env, 'token-cleaner-controller');
    watchInto(cache, queue);
    await runController(ctx, {
      name: 'token-cleaner-controller',
      queue,
      metrics: env.metrics,
      informers: [cache],
      reconcile: async (inner, key) => {
        const secret = cache.get(key);
        const expiryMs = secret === undefined ? Infinity : tokenExpiryMs(secret);
        if (secret === undefined || expiryMs === Infinity) return undefined;
        const leftMs = expiryMs - inner.clock.now();
        if (leftMs > 0) return { requeueAfterMs: leftMs };
        const { uid = '', resourceVersion = '' } = secret.metadata;
        await unlessGone(env.client.delete(inner, secrets, splitKey(key), { preconditions: { uid, resourceVersion } }));
        return undefined;
      },
    });
  },
};

/** Keeps one signature a token in `cluster-info`, by which a node that knows the token trusts what it says. */
export const bootstrapSignerController: ControllerDefinition = {
  spec: {
    name: 'bootstrap-signer-controller',
    inputs: [secrets, configMaps],
    outputs: [configMaps],
    rbac: [
      { apiGroups: [''], resources: ['secrets'], verbs: ['get', 'list', 'watch'] },
      { apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'list', 'watch'] },
      { apiGroups: [''], resources: ['configmaps'], resourceNames: [infoName], verbs: ['update', 'patch'] },
    ],
  },
  run: async (ctx, env) => {
    const tokens = env.informers.of(secrets, tokensOnly);
    const infos = env.informers.of(configMaps, {
      namespace: infoNamespace,
      fieldSelector: `metadata.name=${infoName}`,
    });
    const queue = queueFor(ctx, env, 'bootstrap-signer-controller');
    watchInto(infos, queue);
    watchInto(tokens, queue, () => infos.list().map(keyOf));
    await runController(ctx, {
      name: 'bootstrap-signer-controller',
      queue,
      metrics: env.metrics,
      informers: [tokens, infos],
      reconcile: (inner, key) => signInfo(inner, env, tokens, infos.get(key)),
    });
  },
};

async function signInfo(
  ctx: Context,
  env: ControllerEnv,
  tokens: Informer<Secret>,
  before: ConfigMap | undefined,
): Promise<ReconcileResult | void> {
  const content = before?.data?.['kubeconfig'];
  if (before === undefined || content === undefined) return undefined;
  const signing = tokens.list().filter((secret) => maySign(secret, ctx.clock.now()));
  const signatures = signing.map((secret) => {
    const id = secretText(secret, 'token-id');
    return [`${signaturePrefix}${id}`, detachedSignature(content, id, secretText(secret, 'token-secret'))] as const;
  });
  const others = Object.entries(before.data ?? {}).filter(([key]) => !key.startsWith(signaturePrefix));
  const data = Object.fromEntries([...others, ...signatures]);
  await commit(ctx, env.client, configMaps, { before, after: { ...before, data } });
  const ends = signing.map(tokenExpiryMs).filter((end) => end !== Infinity);
  return ends.length === 0 ? undefined : { requeueAfterMs: Math.max(1, Math.min(...ends) - ctx.clock.now()) };
}

function maySign(secret: Secret, nowMs: number): boolean {
  const id = secretText(secret, 'token-id');
  return (
    secret.type === bootstrapTokenType &&
    secret.metadata.deletionTimestamp === undefined &&
    secret.metadata.name === `${bootstrapTokenPrefix}${id}` &&
    secretText(secret, 'token-secret') !== '' &&
    secretText(secret, 'usage-bootstrap-signing') === 'true' &&
    tokenExpiryMs(secret) > nowMs
  );
}

/** A JWS (HS256) of the content, with the content left out. */
export function detachedSignature(content: string, tokenId: string, tokenSecret: string): string {
  const header = Buffer.from(JSON.stringify({ alg: 'HS256', kid: tokenId })).toString('base64url');
  const payload = Buffer.from(content).toString('base64url');
  const signature = createHmac('sha256', tokenSecret).update(`${header}.${payload}`).digest('base64url');
  return `${header}..${signature}`;
}
