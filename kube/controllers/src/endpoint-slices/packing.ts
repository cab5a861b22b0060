/** Which slices to create, change and delete so that they hold the endpoints, with few writes (endpointslice/reconciler.go). */
import type { Service } from '@polyanthus/kube-kinds/core';
import type { Endpoint, EndpointPort, EndpointSlice } from '@polyanthus/kube-kinds/discovery';
import { services } from '@polyanthus/kube-kinds/core';
import { jsonEqual } from '@polyanthus/kube-runtime/equal';
import { controllerReference } from '../ownership.ts';
import { portsKey, type AddressType, type EndpointGroup } from './endpoints.ts';

/** The value of the managed-by label of our slices. */
export const managedBy = 'endpointslice-controller.k8s.io';
export const managedByLabel = 'endpointslice.kubernetes.io/managed-by';
export const serviceNameLabel = 'kubernetes.io/service-name';
const headlessLabel = 'service.kubernetes.io/headless';
const endpointsMax = 100;

/** Writes that make the slices right. */
export interface SlicePlan {
  readonly create: readonly EndpointSlice[];
  readonly update: readonly { readonly before: EndpointSlice; readonly after: EndpointSlice }[];
  readonly remove: readonly EndpointSlice[];
}

/** A slice that exists or is to be, while endpoints are being put into it. */
interface Draft {
  readonly before: EndpointSlice | undefined;
  readonly endpoints: Endpoint[];
  changed: boolean;
}

/** The plan for one address type. `existing` are the slices of this type that are managed for the Service's name. */
export function planSlices(
  service: Service,
  type: AddressType,
  groups: readonly EndpointGroup[],
  existing: readonly EndpointSlice[],
): SlicePlan {
  const owned = existing.filter((slice) => isOwned(slice, service));
  const strays = existing.filter((slice) => !isOwned(slice, service));
  const create: EndpointSlice[] = [];
  const update: { before: EndpointSlice; after: EndpointSlice }[] = [];
  const spare = owned.filter((slice) => !groups.some(({ ports }) => portsKey(ports) === portsKey(slice.ports)));
  for (const { ports, endpoints } of groups) {
    const same = owned.filter((slice) => portsKey(slice.ports) === portsKey(ports));
    for (const draft of pack(same, endpoints)) {
      if (draft.before !== undefined && draft.endpoints.length === 0) spare.push(draft.before);
      else if (draft.before === undefined) create.push(sliceOf(service, type, ports, draft.endpoints));
      else update.push({ before: draft.before, after: withLabels(service, draft.before, draft.endpoints) });
    }
  }
  // A Service without endpoints keeps one empty slice, which says that somebody has looked.
  if (create.length === 0 && update.length === 0) {
    const placeholder = sliceOf(service, type, [], []);
    const known = spare.find((slice) => (slice.endpoints ?? []).length === 0 && portsKey(slice.ports) === '');
    if (known === undefined) create.push(placeholder);
    else {
      spare.splice(spare.indexOf(known), 1);
      update.push({ before: known, after: withLabels(service, known, known.endpoints) });
    }
  }
  reuse(create, update, spare);
  return {
    create,
    update: update.filter(({ before, after }) => !jsonEqual(before, after)),
    remove: [...spare, ...strays],
  };
}

/** What shall go becomes what shall come: one write instead of two, and watchers never see a gap. */
function reuse(
  create: EndpointSlice[],
  update: { before: EndpointSlice; after: EndpointSlice }[],
  spare: EndpointSlice[],
): void {
  while (create.length > 0 && spare.length > 0) {
    const [before, wanted] = [spare.pop(), create.pop()];
    if (before === undefined || wanted === undefined) return;
    const { labels = {} } = wanted.metadata;
    update.push({
      before,
      after: {
        ...before,
        metadata: { ...before.metadata, labels },
        endpoints: wanted.endpoints,
        ports: wanted.ports ?? [],
      },
    });
  }
}

/** Every endpoint stays where it is; new ones go into slices that change anyway, then into one that has room for all. */
function pack(slices: readonly EndpointSlice[], endpoints: readonly Endpoint[]): readonly Draft[] {
  const left = new Map(endpoints.map((endpoint) => [endpointKey(endpoint), endpoint]));
  const drafts = slices.map((before): Draft => {
    const kept: Endpoint[] = [];
    let changed = false;
    for (const old of before.endpoints ?? []) {
      const now = left.get(endpointKey(old));
      if (now !== undefined) kept.push(now);
      if (now === undefined || !jsonEqual(now, old)) changed = true;
      left.delete(endpointKey(old));
    }
    return { before, endpoints: kept, changed };
  });
  fill(drafts, [...left.values()]);
  return drafts;
}

function fill(drafts: Draft[], waiting: Endpoint[]): void {
  const into = (draft: Draft): void => {
    if (waiting.length > 0 && draft.endpoints.length < endpointsMax) draft.changed = true;
    draft.endpoints.push(...waiting.splice(0, Math.max(0, endpointsMax - draft.endpoints.length)));
  };
  const fullest = (a: Draft, b: Draft): number => b.endpoints.length - a.endpoints.length;
  for (const draft of drafts.filter(({ changed, endpoints }) => changed && endpoints.length > 0).sort(fullest))
    into(draft);
  const roomy = drafts
    .filter(({ changed, endpoints }) => !changed && endpoints.length + waiting.length <= endpointsMax)
    .sort(fullest)[0];
  if (roomy !== undefined) into(roomy);
  while (waiting.length > 0) {
    const draft: Draft = { before: undefined, endpoints: [], changed: true };
    into(draft);
    drafts.push(draft);
  }
}

/** What makes an endpoint the same one: everything but its conditions and its zone. */
function endpointKey({ addresses, hostname, targetRef, nodeName }: Endpoint): string {
  return JSON.stringify([[...addresses].sort((a, b) => (a < b ? -1 : 1)), hostname, targetRef?.uid, nodeName]);
}

function isOwned({ metadata }: EndpointSlice, service: Service): boolean {
  return (metadata.ownerReferences ?? []).some(({ uid, kind }) => kind === 'Service' && uid === service.metadata.uid);
}

function withLabels(service: Service, slice: EndpointSlice, endpoints: EndpointSlice['endpoints']): EndpointSlice {
  return { ...slice, metadata: { ...slice.metadata, labels: labelsOf(service) }, endpoints };
}

/** The Service's labels, and those that say whose slice it is. */
function labelsOf({ metadata, spec }: Service): Readonly<Record<string, string>> {
  const { [headlessLabel]: _headless, ...labels } = metadata.labels ?? {};
  const headless = spec?.clusterIP === undefined || spec.clusterIP === '' || spec.clusterIP === 'None';
  return {
    ...labels,
    ...(headless ? { [headlessLabel]: '' } : {}),
    [serviceNameLabel]: metadata.name ?? '',
    [managedByLabel]: managedBy,
  };
}

function sliceOf(
  service: Service,
  addressType: AddressType,
  ports: readonly EndpointPort[],
  endpoints: readonly Endpoint[],
): EndpointSlice {
  const { namespace, name = '' } = service.metadata;
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      generateName: `${name}-`,
      ...(namespace === undefined ? {} : { namespace }),
      labels: labelsOf(service),
      ownerReferences: [controllerReference(services, service)],
    },
    addressType,
    endpoints,
    ports,
  };
}
