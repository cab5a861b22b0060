/** core/v1 Node, PersistentVolume and PersistentVolumeClaim: what a new one gets. */
import { objectAt, textAt, type ApiObject } from '../api-object.ts';

/** Pending. The protection finalizers of kube-apiserver are left out: no controller here would ever remove them. */
export function prepareVolume(after: ApiObject, before: ApiObject | undefined): ApiObject {
  if (before !== undefined) return after;
  return { ...after, status: { ...objectAt(after, 'status'), phase: 'Pending' } };
}

/** podCIDRs follows podCIDR. */
export function prepareNode(after: ApiObject): ApiObject {
  const spec = objectAt(after, 'spec');
  const cidr = textAt(spec, 'podCIDR');
  return cidr === '' || spec['podCIDRs'] !== undefined ? after : { ...after, spec: { ...spec, podCIDRs: [cidr] } };
}
