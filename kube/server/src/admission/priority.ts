/**
 * Priority (kube plugin/pkg/admission/priority): a pod's number comes from its PriorityClass, never from who writes it.
 * Any class may be named anywhere: only a quota keeps the system's classes to their namespaces, as in kube-apiserver.
 */
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import { objectAt, textAt, type ApiObject } from '../api-object.ts';
import { parseKept } from '../encode.ts';
import type { Scope } from '../scope.ts';
import { admittedName, forbidden } from './namespace-lifecycle.ts';
import type { Operation } from './plugin.ts';

export function priority(
  scope: Scope,
  operation: Operation,
  object: ApiObject,
  before: ApiObject | undefined,
): ApiObject {
  const { group, resource } = scope.definition.type;
  if (operation === 'DELETE' || group !== '' || resource !== 'pods' || scope.subresource !== '') return object;
  const spec = objectAt(object, 'spec');
  if (operation === 'CREATE') return { ...object, spec: { ...spec, ...resolved(scope, object, spec) } };
  const old = objectAt(before ?? object, 'spec');
  const kept: Record<string, unknown> = {};
  // An update that leaves them out means them as they were.
  for (const key of ['priority', 'preemptionPolicy'])
    if (spec[key] === undefined && old[key] !== undefined) kept[key] = old[key];
  return Object.keys(kept).length === 0 ? object : { ...object, spec: { ...spec, ...kept } as JsonObject };
}

function resolved(scope: Scope, pod: ApiObject, spec: JsonObject): JsonObject {
  const podName = admittedName(pod);
  const asked = textAt(spec, 'priorityClassName');
  const found = asked === '' ? defaultClass(scope) : namedClass(scope, podName, asked);
  const value = found === undefined ? 0 : valueOf(found);
  const policy = found === undefined ? 'PreemptLowerPriority' : textAt(found, 'preemptionPolicy');
  const given = spec['priority'];
  if (typeof given === 'number' && given !== value)
    throw forbidden(
      scope,
      podName,
      `the integer value of priority (${given}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`,
    );
  const givenPolicy = textAt(spec, 'preemptionPolicy');
  if (policy !== '' && givenPolicy !== '' && givenPolicy !== policy)
    throw forbidden(
      scope,
      podName,
      `the string value of PreemptionPolicy (${givenPolicy}) must not be provided in pod spec; priority admission controller computed ${policy} from the given PriorityClass name`,
    );
  return {
    priority: value,
    ...(policy === '' ? {} : { preemptionPolicy: policy }),
    ...(asked === '' && found !== undefined ? { priorityClassName: found.metadata.name ?? '' } : {}),
  };
}

/** The default class; of several, which only a race can make, the one with the least value. */
export function defaultClass(scope: Scope): ApiObject | undefined {
  return scope.cluster
    .listAll('scheduling.k8s.io', 'priorityclasses')
    .map(parseKept)
    .filter((one) => one['globalDefault'] === true)
    .toSorted((a, b) => valueOf(a) - valueOf(b))[0];
}

function namedClass(scope: Scope, podName: string, name: string): ApiObject {
  const stored = scope.cluster.find('scheduling.k8s.io', 'priorityclasses', '', name);
  if (stored === undefined) throw forbidden(scope, podName, `no PriorityClass with name ${name} was found`);
  return parseKept(stored);
}

function valueOf(priorityClass: ApiObject): number {
  const { value } = priorityClass;
  return typeof value === 'number' ? value : 0;
}
