/** PersistentVolumeClaims in quotas: their number and their storage, also by storage class. */
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { Quantity } from '@polyanthus/kube-objects/quantity';
import type { QuotaEvaluator } from './evaluator.ts';
import { readResources, units, type ResourceList } from './resource-list.ts';
import { matchesNames } from './scope-values.ts';

const byClass = '.storageclass.storage.k8s.io/';
const counted = ['persistentvolumeclaims', 'requests.storage'];

interface Claim extends KubeObject {
  readonly spec?: {
    readonly storageClassName?: string;
    readonly volumeAttributesClassName?: string;
    readonly resources?: { readonly requests?: unknown };
  };
  readonly status?: {
    readonly allocatedResources?: unknown;
    readonly currentVolumeAttributesClassName?: string;
    readonly modifyVolumeStatus?: { readonly targetVolumeAttributesClassName?: string };
  };
}

const oneUnit = 1_000_000_000n;

/** Whole bytes, upwards. */
function rounded(quantity: Quantity): Quantity {
  const rest = quantity.nano % oneUnit;
  return rest === 0n ? quantity : { ...quantity, nano: quantity.nano - rest + oneUnit };
}

function storageOf({ spec, status }: Claim): Quantity | undefined {
  const asked = readResources(spec?.resources?.requests)['storage'];
  const given = readResources(status?.allocatedResources)['storage'];
  if (asked === undefined) return undefined;
  return rounded(given !== undefined && given.nano > asked.nano ? given : asked);
}

/** The old annotation comes first, as everywhere in Kubernetes. */
function classOf({ metadata, spec }: Claim): string {
  return metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? spec?.storageClassName ?? '';
}

function usage(claim: Claim): ResourceList {
  const storage = storageOf(claim);
  const storageClass = classOf(claim);
  const own: ResourceList = {
    persistentvolumeclaims: units(1),
    ...(storage === undefined ? {} : { 'requests.storage': storage }),
  };
  const ofClass =
    storageClass === ''
      ? []
      : Object.entries(own).map(([name, amount]) => [`${storageClass}${byClass}${name}`, amount] as const);
  return { ...own, 'count/persistentvolumeclaims': units(1), ...Object.fromEntries(ofClass) };
}

function attributesClasses({ spec, status }: Claim): readonly string[] {
  const names = [
    spec?.volumeAttributesClassName,
    status?.currentVolumeAttributesClassName,
    status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
  ];
  return [...new Set(names.filter((name) => name !== undefined && name !== ''))] as string[];
}

/** Whether an update of its status changes what the claim takes. */
export function claimUsageChanged(before: KubeObject, after: KubeObject): boolean {
  const part = (object: KubeObject): string => {
    const claim = object as Claim;
    return JSON.stringify([claim.status?.allocatedResources ?? null, attributesClasses(claim)]);
  };
  return part(before) !== part(after);
}

/** How claims count. */
export const claimEvaluator: QuotaEvaluator = {
  handles: ({ subresource, object, before }) =>
    subresource === '' || (subresource === 'status' && before !== undefined && claimUsageChanged(before, object)),
  matching: (wanted) =>
    wanted.filter(
      (name) =>
        name === 'count/persistentvolumeclaims' ||
        counted.some((one) => name === one || name.endsWith(`${byClass}${one}`)),
    ),
  matchesScope: (scope, object) =>
    scope.scopeName === 'VolumeAttributesClass' && matchesNames(scope, attributesClasses(object as Claim)),
  constraint: () => undefined,
  usage: (object) => usage(object as Claim),
};
