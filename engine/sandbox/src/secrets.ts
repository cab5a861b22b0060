/** What of a Secret may leave its cluster: that it exists, its type, and the names of its keys. */
import type { JsonObject, KubeObject, ObjectMeta } from '@polyanthus/kube-objects/meta';

/** The only annotations that are kept: validation of `kubernetes.io/service-account-token` asks for them. */
const harmless: ReadonlySet<string> = new Set([
  'kubernetes.io/service-account.name',
  'kubernetes.io/service-account.uid',
]);

/** Core Secrets, and custom kinds built like them (ClusterSecret and the like). */
function isSecretLike(kind: string): boolean {
  return kind.endsWith('Secret') || kind.endsWith('Secrets');
}

function onlyKeys(data: unknown): JsonObject | undefined {
  if (typeof data !== 'object' || data === null) return undefined;
  return Object.fromEntries(Object.keys(data).map((key) => [key, '']));
}

function withoutCopies({ managedFields: _fields, annotations, ...rest }: ObjectMeta): ObjectMeta {
  const kept = Object.entries(annotations ?? {}).filter(([name]) => harmless.has(name));
  return kept.length === 0 ? rest : { ...rest, annotations: Object.fromEntries(kept) };
}

/**
 * The object without secret values. Of kinds named like Secret, values of `data` become empty (their keys stay),
 * `stringData` goes, and so do managedFields and annotations: kubectl and others keep whole copies there. Other kinds are
 * given back as they are: what somebody wrote in plain text into a ConfigMap or a Pod's environment stays.
 */
export function withoutSecretValues<T extends KubeObject>(kind: string, object: T): T {
  if (!isSecretLike(kind)) return object;
  const { data, stringData: _text, binaryData, ...rest } = object as T & Readonly<Record<string, unknown>>;
  const keys = onlyKeys(data);
  const binaryKeys = onlyKeys(binaryData);
  return {
    ...rest,
    metadata: withoutCopies(object.metadata),
    ...(keys === undefined ? {} : { data: keys }),
    ...(binaryKeys === undefined ? {} : { binaryData: binaryKeys }),
  } as unknown as T;
}
