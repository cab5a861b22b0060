/** The CRD of the lock object, from the generated ones. */
import type { CustomResourceDefinition } from '@polyanthus/kube-kinds/core';
import { ownCrds } from '@polyanthus/kube-kinds/own/crds';

/** `memberships.hub.gke.io`. */
export function lockCrd(): CustomResourceDefinition {
  const found = ownCrds.find((crd) => crd.metadata.name === 'memberships.hub.gke.io');
  if (found === undefined) throw new Error('crds.json lacks memberships.hub.gke.io; run npm run generate');
  return found;
}
