/** Approves client certificates of kubelets whose askers may have them (certificates/approver/sarapprove.go). */
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { readCsr, type CertificateRequest } from '@polyanthus/ground-pki/authority';
import type { KubeClient } from '@polyanthus/kube-client/client';
import {
  certificateSigningRequests,
  subjectAccessReviews,
  type CertificateSigningRequest,
} from '@polyanthus/kube-kinds/certificates';
import { runController } from '@polyanthus/kube-runtime/controller';
import { kubeTime } from '@polyanthus/kube-runtime/times';
import { watchInto } from '@polyanthus/kube-runtime/watches';
import { queueFor, type ControllerDefinition } from '../environment.ts';

const name = 'certificatesigningrequest-approving-controller';
const signer = 'kubernetes.io/kube-apiserver-client-kubelet';
/** Rights may come later than the request. */
const askAgainMs = 60_000;

/** Approves what the rights `nodeclient` and `selfnodeclient` of the asker allow. */
export const certificateApprover: ControllerDefinition = {
  spec: {
    name,
    inputs: [certificateSigningRequests],
    outputs: [certificateSigningRequests, subjectAccessReviews],
    rbac: [
      {
        apiGroups: ['certificates.k8s.io'],
        resources: ['certificatesigningrequests'],
        verbs: ['get', 'list', 'watch'],
      },
      { apiGroups: ['certificates.k8s.io'], resources: ['certificatesigningrequests/approval'], verbs: ['patch'] },
      { apiGroups: ['certificates.k8s.io'], resources: ['signers'], resourceNames: [signer], verbs: ['approve'] },
      { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
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
        if (request === undefined || request.spec.signerName !== signer || isDecided(request)) return undefined;
        const found = await recognize(request);
        if (found.length === 0) return undefined;
        for (const right of found)
          if (await mayHave(inner, env.client, request, right)) return approve(inner, env.client, request, right);
        return { requeueAfterMs: askAgainMs };
      },
    });
  },
};

type Right = 'selfnodeclient' | 'nodeclient';

const messages: Readonly<Record<Right, string>> = {
  selfnodeclient: 'Auto approving self kubelet client certificate after SubjectAccessReview.',
  nodeclient: 'Auto approving kubelet client certificate after SubjectAccessReview.',
};

function isDecided({ status }: CertificateSigningRequest): boolean {
  return (
    (status?.certificate ?? '') !== '' ||
    (status?.conditions ?? []).some(({ type }) => type === 'Approved' || type === 'Denied')
  );
}

/** The rights that would allow the request, the narrower first; none for what is no request of a kubelet. */
async function recognize({ spec }: CertificateSigningRequest): Promise<readonly Right[]> {
  let request: CertificateRequest;
  try {
    request = await readCsr(Buffer.from(spec.request, 'base64').toString());
  } catch (error) {
    if (hasCode(error, 'CsrInvalid')) return [];
    throw error;
  }
  if (!isKubeletClient(request, spec.usages ?? [])) return [];
  return spec.username === request.commonName ? ['selfnodeclient', 'nodeclient'] : ['nodeclient'];
}

function isKubeletClient(request: CertificateRequest, usages: readonly string[]): boolean {
  const { commonName, organizations, dnsNames, ips, otherNames } = request;
  const asked = usages.filter((usage) => usage !== 'key encipherment').sort((a, b) => (a < b ? -1 : 1));
  return (
    commonName.startsWith('system:node:') &&
    organizations.join() === 'system:nodes' &&
    dnsNames.length + ips.length + otherNames === 0 &&
    asked.join() === 'client auth,digital signature'
  );
}

async function mayHave(
  ctx: Context,
  client: KubeClient,
  { spec: { username = '', uid, groups, extra } }: CertificateSigningRequest,
  subresource: Right,
): Promise<boolean> {
  const review = await client.create(ctx, subjectAccessReviews, {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    metadata: {},
    spec: {
      user: username,
      ...(uid === undefined ? {} : { uid }),
      ...(groups === undefined ? {} : { groups }),
      ...(extra === undefined ? {} : { extra }),
      resourceAttributes: {
        group: 'certificates.k8s.io',
        version: '*',
        resource: 'certificatesigningrequests',
        verb: 'create',
        subresource,
      },
    },
  });
  return review.status?.allowed === true;
}

async function approve(
  ctx: Context,
  client: KubeClient,
  request: CertificateSigningRequest,
  right: Right,
): Promise<undefined> {
  const now = kubeTime(ctx.clock.now());
  const approved = {
    type: 'Approved',
    status: 'True',
    reason: 'AutoApproved',
    message: messages[right],
    lastUpdateTime: now,
    lastTransitionTime: now,
  };
  const { name: key = '', uid, resourceVersion } = request.metadata;
  const conditions = [...(request.status?.conditions ?? []), approved];
  const body = { metadata: { uid, resourceVersion }, status: { conditions } };
  await client.patch(
    ctx,
    certificateSigningRequests,
    { name: key },
    { type: 'merge', body },
    { subresource: 'approval' },
  );
}
