/**
 * Who a cluster takes for its users by client certificate: kube-apiserver publishes the CAs it trusts for that in
 * kube-system/extension-apiserver-authentication, for servers beside it such as this hub. Watched, since they rotate.
 */
import { untilAborted, withTimeout, type Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import { systemRandom } from '@polyanthus/ground-base/random';
import { readCertificate, splitPem } from '@polyanthus/ground-pki/certificate';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { configMaps } from '@polyanthus/kube-kinds/core';
import { createInformer } from '@polyanthus/kube-runtime/informer';
import { joinKey } from '@polyanthus/kube-runtime/keys';

/** The CAs as they are at this moment. */
export interface UserCas {
  /** PEM, one certificate each. */
  readonly pems: () => readonly string[];
  /** Calls `fn` after every change. */
  readonly onChange: (fn: () => void) => void;
}

/** Where kube-apiserver publishes them. */
export const trustConfigMap = { namespace: 'kube-system', name: 'extension-apiserver-authentication' } as const;
const caKey = 'client-ca-file';
const firstLookMs = 5_000;

/** An API that has no such CAs. */
export const noUserCas: UserCas = { pems: () => [], onChange: () => undefined };

/** Follows them until `ctx` is cancelled. A hub without the right to read them serves, and says so in its log. */
export async function followUserCas(ctx: Context, hubClient: KubeClient, metrics: MetricsRegistry): Promise<UserCas> {
  const { namespace, name } = trustConfigMap;
  const scope = { namespace, fieldSelector: `metadata.name=${name}` };
  const informer = createInformer(hubClient, configMaps, { ...scope, random: systemRandom, metrics });
  const listeners = new Set<() => void>();
  let pems: readonly string[] = [];
  const read = (): void => {
    const before = pems.join();
    pems = certificatesIn(ctx, informer.get(joinKey(namespace, name))?.data?.[caKey] ?? '');
    if (pems.join() !== before) for (const tell of listeners) tell();
  };
  informer.onEvent({ onAdd: read, onUpdate: read, onDelete: read });
  informer.start(ctx);
  try {
    await withTimeout(ctx, firstLookMs, 'reading the CAs of client certificates', (inner) =>
      untilAborted(inner, informer.synced),
    );
    if (pems.length === 0) ctx.log.info('the cluster publishes no CA of client certificates', { namespace, name });
  } catch (error) {
    if (ctx.signal.aborted || !hasCode(error, 'DeadlineExceeded')) throw error;
    const next = 'apply what "polyanthus hub manifests" prints: it has the RoleBinding for it';
    ctx.log.warn('users with client certificates of the cluster are not let in yet', { namespace, name, next });
  }
  return { pems: () => pems, onChange: (fn) => void listeners.add(fn) };
}

/** Only what is a certificate: TLS would refuse the whole list for one that is not. */
function certificatesIn(ctx: Context, bundle: string): readonly string[] {
  return splitPem(bundle).filter((pem) => {
    try {
      readCertificate(pem);
      return true;
    } catch (error) {
      ctx.log.warn('a CA of client certificates cannot be read', { ...trustConfigMap, error });
      return false;
    }
  });
}
