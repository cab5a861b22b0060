/** core/v1 Pod: phases, quality of service, graceful deletion, what may change. */
import { equalJson } from '@polyanthus/kube-objects/json-value';
import { forbiddenValue, invalidValue, requiredValue, duplicateValue } from '@polyanthus/kube-objects/field-errors';
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import { dns1123Label } from '@polyanthus/kube-objects/names';
import type { StatusCause } from '@polyanthus/kube-objects/status';
import { listAt, objectAt, textAt, type ApiObject, type Faults } from '../api-object.ts';
import type { WriteMoment } from '../registry/strategy.ts';

/** New pods are Pending; their QoS class is computed. */
export function preparePod(after: ApiObject, before: ApiObject | undefined, moment: WriteMoment): ApiObject {
  if (before !== undefined || moment.subresource !== '') return after;
  return { ...after, status: { phase: 'Pending', qosClass: qosClass(objectAt(after, 'spec')) } };
}

/** What `ephemeralcontainers` and `resize` may change: those containers, and the resources of the others. */
export function keepPodParts(subresource: string, after: ApiObject, before: ApiObject): ApiObject {
  if (subresource !== 'ephemeralcontainers' && subresource !== 'resize') return after;
  const { resourceVersion, managedFields } = after.metadata;
  const [now, then] = [objectAt(after, 'spec'), objectAt(before, 'spec')];
  const spec: Record<string, JsonValue | undefined> = { ...then };
  if (subresource === 'ephemeralcontainers') spec['ephemeralContainers'] = now['ephemeralContainers'];
  else
    for (const key of ['containers', 'initContainers'].filter((one) => one in then))
      spec[key] = listAt(then, key).map((container) => resized(container, listAt(now, key)));
  return { ...before, metadata: { ...before.metadata, resourceVersion, managedFields }, spec: spec as JsonObject };
}

function resized(container: JsonObject, wanted: readonly JsonObject[]): JsonObject {
  const found = wanted.find((one) => one['name'] === container['name']);
  return found === undefined
    ? container
    : { ...container, resources: found['resources'] ?? {}, resizePolicy: found['resizePolicy'] };
}

/** Guaranteed, Burstable or BestEffort by the requests and limits of cpu and memory (pkg/apis/core/v1/helper/qos). */
export function qosClass(spec: JsonObject): string {
  const containers = [...listAt(spec, 'initContainers'), ...listAt(spec, 'containers')];
  let any = false;
  let all = true;
  for (const container of containers) {
    const resources = objectAt(container, 'resources');
    const limits = objectAt(resources, 'limits');
    const requests = objectAt(resources, 'requests');
    for (const name of ['cpu', 'memory']) {
      const limit = limits[name];
      const request = requests[name] ?? limit;
      if (limit !== undefined || request !== undefined) any = true;
      if (limit === undefined || !equalJson(limit, request)) all = false;
    }
  }
  return !any ? 'BestEffort' : all ? 'Guaranteed' : 'Burstable';
}

/** Selectable fields that default. */
export function podFields(object: ApiObject): Readonly<Record<string, string>> {
  const spec = objectAt(object, 'spec');
  const status = objectAt(object, 'status');
  return {
    'spec.nodeName': textAt(spec, 'nodeName'),
    'spec.restartPolicy': textAt(spec, 'restartPolicy'),
    'spec.schedulerName': textAt(spec, 'schedulerName'),
    'spec.serviceAccountName': textAt(spec, 'serviceAccountName'),
    'spec.hostNetwork': String(spec['hostNetwork'] === true),
    'status.phase': textAt(status, 'phase'),
    'status.podIP': textAt(status, 'podIP'),
    'status.nominatedNodeName': textAt(status, 'nominatedNodeName'),
  };
}

/** Grace of a deletion: asked for, else the pod's own; none for pods that no node runs or that have ended. */
export function podGrace(object: ApiObject, requestedSeconds: number | undefined): number {
  const spec = objectAt(object, 'spec');
  const own = spec['terminationGracePeriodSeconds'];
  const wanted = requestedSeconds ?? (typeof own === 'number' ? own : 30);
  const seconds = wanted < 0 ? 1 : wanted;
  const phase = textAt(objectAt(object, 'status'), 'phase');
  if (textAt(spec, 'nodeName') === '' || phase === 'Failed' || phase === 'Succeeded') return 0;
  return seconds;
}

/** Rules of a pod, on its own or in a template. */
export function podSpecFaults(spec: JsonObject, path: string): Faults {
  const faults: StatusCause[] = [];
  const containers = listAt(spec, 'containers');
  if (containers.length === 0) faults.push(requiredValue(`${path}.containers`));
  const seen = new Set<string>();
  for (const key of ['initContainers', 'containers']) {
    listAt(spec, key).forEach((container, index) => {
      const at = `${path}.${key}[${index}]`;
      const name = textAt(container, 'name');
      if (name === '') faults.push(requiredValue(`${at}.name`));
      else for (const fault of dns1123Label(name)) faults.push(invalidValue(`${at}.name`, name, fault));
      if (name !== '' && seen.has(name)) faults.push(duplicateValue(`${at}.name`, name));
      seen.add(name);
      if (textAt(container, 'image') === '') faults.push(requiredValue(`${at}.image`));
    });
  }
  return faults;
}

/** What an update of a running pod may change in its spec. */
const mutableParts: readonly string[] = [
  'activeDeadlineSeconds',
  'terminationGracePeriodSeconds',
  'tolerations',
  'schedulingGates',
];

function comparable(spec: JsonObject): JsonObject {
  const copy: Record<string, unknown> = { ...spec };
  for (const part of mutableParts) delete copy[part];
  for (const key of ['containers', 'initContainers', 'ephemeralContainers']) {
    if (copy[key] === undefined) continue;
    copy[key] = listAt(spec, key).map((container) => ({ ...container, image: undefined, resources: undefined }));
  }
  return copy as JsonObject;
}

const updateRefusal =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

/** Rules of a pod's create and update. */
export function podFaults(after: ApiObject, before: ApiObject | undefined, moment: WriteMoment): Faults {
  const spec = objectAt(after, 'spec');
  if (before === undefined) return podSpecFaults(spec, 'spec');
  if (moment.subresource !== '') return [];
  const faults = [...podSpecFaults(spec, 'spec')];
  if (!equalJson(comparable(spec), comparable(objectAt(before, 'spec'))))
    faults.push(forbiddenValue('spec', updateRefusal));
  return faults;
}
