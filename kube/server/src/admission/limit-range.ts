/**
 * LimitRanger (kube plugin/pkg/admission/limitranger): containers get what a namespace gives by default, and nothing asks
 * for less or more than it allows.
 */
import { podLimits, podRequests, type CostlyPod } from '@polyanthus/kube-kinds/quota/pod-resources';
import { readResources, type ResourceList } from '@polyanthus/kube-kinds/quota/resource-list';
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import { formatQuantity, type Quantity } from '@polyanthus/kube-objects/quantity';
import { listAt, objectAt, textAt, withMeta, type ApiObject } from '../api-object.ts';
import { parseKept } from '../encode.ts';
import type { Scope } from '../scope.ts';
import { forbidden } from './namespace-lifecycle.ts';
import type { Operation } from './plugin.ts';

/** What was set by default, for people to read. */
const annotation = 'kubernetes.io/limit-ranger';

/** Gives the containers of a new pod the defaults. */
export function limitDefaults(scope: Scope, operation: Operation, object: ApiObject): ApiObject {
  const { group, resource } = scope.definition.type;
  if (operation !== 'CREATE' || group !== '' || resource !== 'pods' || scope.subresource !== '') return object;
  return rangesOf(scope).reduce(withDefaults, object);
}

const rangesOf = (scope: Scope): readonly ApiObject[] =>
  scope.cluster.listAll('', 'limitranges', scope.namespace).map(parseKept);

const itemsOf = (range: ApiObject, type: string): readonly JsonObject[] =>
  listAt(objectAt(range, 'spec'), 'limits').filter((item) => textAt(item, 'type') === type);

function withDefaults(pod: ApiObject, range: ApiObject): ApiObject {
  const items = itemsOf(range, 'Container');
  const together = (key: string): JsonObject => Object.assign({}, ...items.map((item) => objectAt(item, key)));
  const [limits, requests] = [together('default'), together('defaultRequest')];
  const spec = objectAt(pod, 'spec');
  const told: string[] = [];
  const changed: Record<string, readonly JsonObject[]> = {};
  for (const [key, word] of [
    ['containers', 'container'],
    ['initContainers', 'init container'],
  ] as const) {
    if (spec[key] === undefined) continue;
    changed[key] = listAt(spec, key).map((container) => {
      const resources = objectAt(container, 'resources');
      const asked = objectAt(resources, 'requests');
      const bounded = objectAt(resources, 'limits');
      const missing = (wanted: JsonObject, has: JsonObject): string =>
        Object.keys(wanted)
          .filter((name) => !(name in has))
          .toSorted()
          .join(', ');
      const [newRequests, newLimits] = [missing(requests, asked), missing(limits, bounded)];
      if (newRequests !== '') told.push(`${newRequests} request for ${word} ${textAt(container, 'name')}`);
      if (newLimits !== '') told.push(`${newLimits} limit for ${word} ${textAt(container, 'name')}`);
      if (newRequests === '' && newLimits === '') return container;
      const both = { requests: { ...requests, ...asked }, limits: { ...limits, ...bounded } };
      const filled = Object.entries(both).filter(([, list]) => Object.keys(list).length > 0);
      return { ...container, resources: { ...resources, ...Object.fromEntries(filled) } };
    });
  }
  if (told.length === 0) return pod;
  const annotations = { ...pod.metadata.annotations, [annotation]: `LimitRanger plugin set: ${told.join('; ')}` };
  return withMeta({ ...pod, spec: { ...spec, ...changed } }, { annotations });
}

/** Throws Forbidden for what is outside the limits. */
export function checkLimits(
  scope: Scope,
  operation: Operation,
  object: ApiObject,
  before: ApiObject | undefined,
): void {
  const { group, resource } = scope.definition.type;
  if (group !== '' || before?.metadata.deletionTimestamp !== undefined) return;
  const isPod =
    resource === 'pods' && (operation === 'CREATE' ? scope.subresource === '' : scope.subresource === 'resize');
  const isClaim = resource === 'persistentvolumeclaims' && scope.subresource === '';
  if (!isPod && !isClaim) return;
  for (const range of rangesOf(scope)) {
    const faults = [...new Set(isPod ? podFaults(range, object) : claimFaults(range, object))];
    if (faults.length === 0) continue;
    const text = faults.length === 1 ? (faults[0] ?? '') : `[${faults.join(', ')}]`;
    throw forbidden(scope, object.metadata.name ?? '', text);
  }
}

interface Asked {
  readonly requests: ResourceList;
  readonly limits: ResourceList;
}

function podFaults(range: ApiObject, pod: ApiObject): readonly string[] {
  const spec = objectAt(pod, 'spec');
  const containers = [...listAt(spec, 'containers'), ...listAt(spec, 'initContainers')].map((container): Asked => {
    const resources = objectAt(container, 'resources');
    return { requests: readResources(resources['requests']), limits: readResources(resources['limits']) };
  });
  // As it is asked for, whatever its status says.
  const bare = { metadata: {}, apiVersion: 'v1', kind: 'Pod', spec } as unknown as CostlyPod;
  const whole: Asked = { requests: podRequests(bare), limits: podLimits(bare) };
  return [
    ...itemsOf(range, 'Container').flatMap((item) =>
      containers.flatMap((asked) => itemFaults('Container', item, asked)),
    ),
    ...itemsOf(range, 'Pod').flatMap((item) => itemFaults('Pod', item, whole)),
  ];
}

function claimFaults(range: ApiObject, claim: ApiObject): readonly string[] {
  const requests = readResources(objectAt(objectAt(claim, 'spec'), 'resources')['requests']);
  const type = 'PersistentVolumeClaim';
  return itemsOf(range, type).flatMap((item) => [
    ...each(item, 'min', (name, least) => tooLittle(type, name, least, { requests, limits: {} })),
    ...each(item, 'max', (name, most) => {
      const asked = requests[name];
      const start = `maximum ${name} usage per ${type} is ${formatQuantity(most)}`;
      if (asked === undefined) return `${start}.  No request is specified`;
      return asked.nano > most.nano ? `${start}, but request is ${formatQuantity(asked)}` : undefined;
    }),
  ]);
}

function itemFaults(type: string, item: JsonObject, asked: Asked): readonly string[] {
  return [
    ...each(item, 'min', (name, least) => tooLittle(type, name, least, asked)),
    ...each(item, 'max', (name, most) => tooMuch(type, name, most, asked)),
    ...each(item, 'maxLimitRequestRatio', (name, ratio) => tooFar(type, name, ratio, asked)),
  ];
}

function each(item: JsonObject, key: string, fault: (name: string, amount: Quantity) => string | undefined): string[] {
  return Object.entries(readResources(item[key])).flatMap(([name, amount]) => fault(name, amount) ?? []);
}

function tooLittle(type: string, name: string, least: Quantity, { requests, limits }: Asked): string | undefined {
  const [request, limit] = [requests[name], limits[name]];
  const start = `minimum ${name} usage per ${type} is ${formatQuantity(least)}`;
  if (request === undefined) return `${start}.  No request is specified`;
  if (request.nano < least.nano) return `${start}, but request is ${formatQuantity(request)}`;
  if (limit !== undefined && limit.nano < least.nano) return `${start}, but limit is ${formatQuantity(limit)}`;
  return undefined;
}

function tooMuch(type: string, name: string, most: Quantity, { requests, limits }: Asked): string | undefined {
  const [request, limit] = [requests[name], limits[name]];
  const start = `maximum ${name} usage per ${type} is ${formatQuantity(most)}`;
  if (limit === undefined) return `${start}.  No limit is specified`;
  if (limit.nano > most.nano) return `${start}, but limit is ${formatQuantity(limit)}`;
  if (request !== undefined && request.nano > most.nano) return `${start}, but request is ${formatQuantity(request)}`;
  return undefined;
}

function tooFar(type: string, name: string, ratio: Quantity, { requests, limits }: Asked): string | undefined {
  const [request, limit] = [requests[name], limits[name]];
  const start = `${name} max limit to request ratio per ${type} is ${formatQuantity(ratio)}`;
  if (request === undefined || request.nano === 0n) return `${start}, but no request is specified or request is 0`;
  if (limit === undefined || limit.nano === 0n) return `${start}, but no limit is specified or limit is 0`;
  if (limit.nano * 1_000_000_000n <= ratio.nano * request.nano) return undefined;
  return `${start}, but provided ratio is ${(Number(limit.nano) / Number(request.nano)).toFixed(6)}`;
}
