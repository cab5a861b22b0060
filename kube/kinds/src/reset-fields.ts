/** Fields that an endpoint of a built-in kind never writes (GetResetFields of the registries), so that nobody owns them by it. */
import type { ResourceType } from '@polyanthus/kube-objects/resource';

type Paths = readonly (readonly string[])[];

/** Status endpoints that leave more alone than `spec`. */
const statusEndpoints: Readonly<Record<string, Paths>> = {
  'deployments.apps': [['spec'], ['metadata', 'labels']],
  'pods.': [['spec'], ['metadata', 'deletionTimestamp'], ['metadata', 'ownerReferences']],
  'certificatesigningrequests.certificates.k8s.io': [['spec'], ['status', 'conditions']],
  'podcertificaterequests.certificates.k8s.io': [['metadata'], ['spec']],
  'validatingadmissionpolicies.admissionregistration.k8s.io': [['metadata'], ['spec']],
  'servicecidrs.networking.k8s.io': [['metadata'], ['spec']],
  'csinodes.storage.k8s.io': [['metadata'], ['spec']],
  'volumeattachments.storage.k8s.io': [['metadata'], ['spec']],
};

/** Kinds with a status endpoint whose own endpoint leaves more alone than `status`. */
const ownEndpoints: Readonly<Record<string, Paths>> = {
  'certificatesigningrequests.certificates.k8s.io': [['spec'], ['status']],
};

/** For `resetFields` of apply and update tracking. `hasStatus`: whether the kind has a status endpoint. */
export function resetFieldsOf(
  type: Pick<ResourceType, 'group' | 'resource'>,
  subresource: string | undefined,
  hasStatus: boolean,
): Paths {
  const key = `${type.resource}.${type.group}`;
  if (subresource === 'status') return statusEndpoints[key] ?? [['spec']];
  if (subresource === 'approval') return [['spec'], ['status', 'certificate']];
  if (subresource === 'finalize') return [['status']];
  if (subresource !== undefined || !hasStatus) return [];
  return ownEndpoints[key] ?? [['status']];
}
