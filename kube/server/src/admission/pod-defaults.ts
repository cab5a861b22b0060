/** Priority and DefaultTolerationSeconds: what every pod gets from the cluster. */
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import { listAt, objectAt, textAt, type ApiObject } from '../api-object.ts';
import { parseKept } from '../encode.ts';
import type { Scope } from '../scope.ts';
import type { Operation } from './plugin.ts';
import { forbidden } from './namespace-lifecycle.ts';

const tolerationSeconds = 300;
const unhealthy = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];

export function podDefaults(scope: Scope, operation: Operation, object: ApiObject): ApiObject {
  const { group, resource } = scope.definition.type;
  if (operation !== 'CREATE' || group !== '' || resource !== 'pods' || scope.subresource !== '') return object;
  const spec = objectAt(object, 'spec');
  return { ...object, spec: { ...spec, ...priorityOf(scope, object, spec), tolerations: tolerationsOf(spec) } };
}

/** Nodes that fail are left after five minutes, unless the pod says otherwise. */
function tolerationsOf(spec: JsonObject): JsonObject[] {
  const given = listAt(spec, 'tolerations');
  const covers = (key: string, one: JsonObject): boolean =>
    (textAt(one, 'key') === key || textAt(one, 'key') === '') && ['', 'NoExecute'].includes(textAt(one, 'effect'));
  const missing = unhealthy.filter((key) => !given.some((one) => covers(key, one)));
  return [...given, ...missing.map((key) => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds }))];
}

function priorityOf(scope: Scope, object: ApiObject, spec: JsonObject): JsonObject {
  const name = textAt(spec, 'priorityClassName');
  const classes = scope.cluster.listAll('scheduling.k8s.io', 'priorityclasses').map(parseKept);
  const found = classes.find((one) => (name === '' ? one['globalDefault'] === true : one.metadata.name === name));
  if (found === undefined && name !== '')
    throw forbidden(scope, object.metadata.name ?? '', `no PriorityClass with name ${name} was found`);
  return {
    priority: found?.['value'] ?? 0,
    preemptionPolicy: found?.['preemptionPolicy'] ?? 'PreemptLowerPriority',
    ...(found === undefined || name !== '' ? {} : { priorityClassName: found.metadata.name }),
  };
}
