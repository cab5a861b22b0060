/** Signs approved CertificateSigningRequests of the API's client signer with the cluster's own authority. */
import type { Context } from '@polyanthus/ground-base/context';
import { readCsr } from '@polyanthus/ground-pki/authority';
import { listAt, objectAt, textAt, timestamp, type ApiObject } from '../api-object.ts';
import type { Cluster } from '../cluster.ts';
import { encodeAt, indexOf, parseStored } from '../encode.ts';
import { prefixOf } from '../registry/keys.ts';
import type { ResourceDefinition } from '../registry/definition.ts';

const signers: ReadonlySet<string> = new Set([
  'kubernetes.io/kube-apiserver-client',
  'kubernetes.io/kube-apiserver-client-kubelet',
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
    const fault = subjectFault(textAt(spec, 'signerName'), request);
    if (fault !== undefined) throw new Error(fault);
    const { authority } = await cluster.identity();
    const pem = await authority.issueClient(ctx.clock.now(), {
      commonName: request.commonName,
      organizations: request.organizations,
      publicKeyPem: request.publicKeyPem,
      ttlMs: seconds * 1000,
    });
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
function subjectFault(
  signer: string,
  { commonName, organizations }: { readonly commonName: string; readonly organizations: readonly string[] },
): string | undefined {
  if (organizations.includes('system:masters')) return 'a certificate of system:masters is not signed';
  if (signer !== 'kubernetes.io/kube-apiserver-client-kubelet') return undefined;
  const kubelet = commonName.startsWith('system:node:') && organizations.join() === 'system:nodes';
  return kubelet ? undefined : 'the subject is not that of a kubelet: CN=system:node:<name>, O=system:nodes';
}
