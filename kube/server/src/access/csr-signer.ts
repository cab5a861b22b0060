/** Signs approved CertificateSigningRequests of clients, kubelets and what they serve with the cluster's own authority. */
import type { Context } from '@polyanthus/ground-base/context';
import { readCsr, type CertificateRequest } from '@polyanthus/ground-pki/authority';
import { listAt, objectAt, textAt, timestamp, type ApiObject } from '../api-object.ts';
import type { Cluster } from '../cluster.ts';
import { encodeAt, indexOf, parseStored } from '../encode.ts';
import { prefixOf } from '../registry/keys.ts';
import type { ResourceDefinition } from '../registry/definition.ts';

const servingSigner = 'kubernetes.io/kubelet-serving';
const signers: ReadonlySet<string> = new Set([
  'kubernetes.io/kube-apiserver-client',
  'kubernetes.io/kube-apiserver-client-kubelet',
  servingSigner,
]);
/** Unless spec.expirationSeconds says less. */
const ttlSeconds = 365 * 24 * 3600;

/** Follows the cluster's requests until it closes. */
export function startCsrSigner(ctx: Context, cluster: Cluster): void {
  const definition = cluster.registry.find('certificates.k8s.io', 'v1', 'certificatesigningrequests');
  if (definition === undefined) throw new Error('CertificateSigningRequest is not among the built-in kinds');
  const prefix = prefixOf(cluster.name, definition);
  let last: Promise<void> = Promise.resolve();
  const look = (key: string): void => {
    last = last
      .then(() => sign(ctx, cluster, definition, key))
      .catch((error: unknown) => ctx.log.error('a certificate could not be signed', { key, error }));
  };
  const watch = cluster.store.watch(prefix, cluster.store.revision, ({ key, object }) =>
    object === undefined ? undefined : look(key),
  );
  for (const { key } of cluster.store.range(prefix).objects) look(key);
  cluster.onClose(() => watch.close());
}

async function sign(ctx: Context, cluster: Cluster, definition: ResourceDefinition, key: string): Promise<void> {
  const stored = cluster.store.get(key);
  if (stored === undefined) return;
  const object = parseStored(stored);
  const spec = objectAt(object, 'spec');
  const status = objectAt(object, 'status');
  const conditions = listAt(status, 'conditions').map((one) => textAt(one, 'type'));
  const ready = conditions.includes('Approved') && !conditions.includes('Denied') && !conditions.includes('Failed');
  if (!ready || textAt(status, 'certificate') !== '' || !signers.has(textAt(spec, 'signerName'))) return;
  const outcome = await issue(ctx, cluster, object);
  const after: ApiObject = { ...object, status: { ...status, ...outcome(status) } };
  await cluster.store.write(ctx, {
    kind: 'put',
    key,
    expected: stored.revision,
    encode: (revision) => encodeAt(after, revision),
    index: indexOf(after, definition),
  });
}

type Outcome = (status: ApiObject['status'] & object) => Record<string, ApiObject['status']>;

/** The certificate, or a Failed condition for a request that cannot be read. */
async function issue(ctx: Context, cluster: Cluster, object: ApiObject): Promise<Outcome> {
  const spec = objectAt(object, 'spec');
  const asked = spec['expirationSeconds'];
  const seconds = typeof asked === 'number' ? Math.min(asked, ttlSeconds) : ttlSeconds;
  try {
    const request = await readCsr(Buffer.from(textAt(spec, 'request'), 'base64').toString());
    const signer = textAt(spec, 'signerName');
    const fault = requestFault(signer, request) ?? usageFault(signer, spec['usages']);
    if (fault !== undefined) throw new Error(fault);
    const { authority } = await cluster.identity();
    const { commonName, organizations, publicKeyPem, dnsNames: names, ips } = request;
    const subject = { commonName, organizations, publicKeyPem, ttlMs: seconds * 1000 };
    const pem =
      signer === servingSigner
        ? await authority.issueServer(ctx.clock.now(), { ...subject, names, ips })
        : await authority.issueClient(ctx.clock.now(), subject);
    return () => ({ certificate: Buffer.from(pem).toString('base64') });
  } catch (error) {
    const now = timestamp(ctx.clock.now());
    const message = error instanceof Error ? error.message : String(error);
    const failed = {
      type: 'Failed',
      status: 'True',
      reason: 'SignerValidationFailure',
      message,
      lastUpdateTime: now,
      lastTransitionTime: now,
    };
    return () => ({ conditions: [...listAt(objectAt(object, 'status'), 'conditions'), failed] });
  }
}

/** What a signer does not sign, whoever approved it (kube-controller-manager's signers). */
function requestFault(signer: string, request: CertificateRequest): string | undefined {
  const { commonName, organizations, dnsNames, ips, otherNames } = request;
  if (organizations.includes('system:masters')) return 'a certificate of system:masters is not signed';
  if (signer === 'kubernetes.io/kube-apiserver-client') return undefined;
  if (!commonName.startsWith('system:node:') || organizations.join() !== 'system:nodes')
    return 'the subject is not that of a kubelet: CN=system:node:<name>, O=system:nodes';
  const names = dnsNames.length + ips.length;
  if (signer === servingSigner && names === 0) return 'DNS or IP subjectAltName is required';
  if (signer !== servingSigner && names > 0) return 'subjectAltNames are not allowed in a client certificate';
  return otherNames > 0 ? 'only DNS and IP subjectAltNames are allowed' : undefined;
}

/** A kubelet asks for exactly what it needs; other clients at least for what makes them clients. */
function usageFault(signer: string, asked: unknown): string | undefined {
  const usages = Array.isArray(asked) ? (asked as readonly string[]) : [];
  const purpose = signer === servingSigner ? 'server auth' : 'client auth';
  const allowed = ['digital signature', 'key encipherment', purpose];
  const kubelet = signer !== 'kubernetes.io/kube-apiserver-client';
  const right =
    usages.includes(purpose) &&
    usages.every((usage) => allowed.includes(usage)) &&
    (!kubelet || usages.includes('digital signature'));
  return right ? undefined : `the usages are not ${allowed.join(', ')}`;
}
