/** Deletes CertificateSigningRequests that have served their purpose (certificates/cleaner/cleaner.go). */
import { parseCertificate } from '@polyanthus/ground-pki/certificate';
import { unlessGone } from '@polyanthus/kube-client/gone';
import { certificateSigningRequests, type CertificateSigningRequest } from '@polyanthus/kube-kinds/certificates';
import { runController } from '@polyanthus/kube-runtime/controller';
import { parseKubeTime } from '@polyanthus/kube-runtime/times';
import { watchInto } from '@polyanthus/kube-runtime/watches';
import { queueFor, type ControllerDefinition } from '../environment.ts';

const name = 'certificatesigningrequest-cleaner-controller';
const decidedMs = 3_600_000;
const pendingMs = 24 * 3_600_000;

/** An hour after their decision, a day when nobody decides, at once when their certificate has run out. */
export const certificateCleaner: ControllerDefinition = {
  spec: {
    name,
    inputs: [certificateSigningRequests],
    outputs: [certificateSigningRequests],
    rbac: [
      {
        apiGroups: ['certificates.k8s.io'],
        resources: ['certificatesigningrequests'],
        verbs: ['delete', 'list', 'watch'],
      },
    ],
  },
  run: async (ctx, env) => {
    const cache = env.informers.of(certificateSigningRequests);
    const queue = queueFor(ctx, env, name);
    watchInto(cache, queue);
    await runController(ctx, {
      name,
      queue,
      metrics: env.metrics,
      informers: [cache],
      reconcile: async (inner, key) => {
        const request = cache.get(key);
        if (request === undefined) return undefined;
        const leftMs = expiryMs(request) - inner.clock.now();
        if (leftMs > 0) return { requeueAfterMs: leftMs };
        const { uid = '', resourceVersion = '' } = request.metadata;
        const preconditions = { uid, resourceVersion };
        await unlessGone(env.client.delete(inner, certificateSigningRequests, { name: key }, { preconditions }));
        return undefined;
      },
    });
  },
};

/** When a request is of no use any more, in milliseconds of wall time. */
export function expiryMs({ metadata, status }: CertificateSigningRequest): number {
  const createdMs = parseKubeTime(metadata.creationTimestamp) ?? 0;
  const decisions = (status?.conditions ?? []).filter(({ type }) => ['Approved', 'Denied', 'Failed'].includes(type));
  if (decisions.length === 0) return createdMs + pendingMs;
  const decided = decisions.map(({ lastUpdateTime }) => (parseKubeTime(lastUpdateTime) ?? createdMs) + decidedMs);
  return Math.min(...decided, certificateEndMs(status?.certificate));
}

function certificateEndMs(certificate: string | undefined): number {
  if (certificate === undefined || certificate === '') return Infinity;
  try {
    return parseCertificate(Buffer.from(certificate, 'base64').toString()).notAfterMs;
  } catch {
    // Whatever a foreign signer put there: the hour after the decision counts.
    return Infinity;
  }
}
