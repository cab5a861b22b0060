/** DefaultTolerationSeconds: what every pod gets from the cluster. */
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import { listAt, objectAt, textAt, type ApiObject } from '../api-object.ts';
import type { Scope } from '../scope.ts';
import type { Operation } from './plugin.ts';

const tolerationSeconds = 300;
const unhealthy = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];

export function podDefaults(scope: Scope, operation: Operation, object: ApiObject): ApiObject {
  const { group, resource } = scope.definition.type;
  if (operation !== 'CREATE' || group !== '' || resource !== 'pods' || scope.subresource !== '') return object;
  const spec = objectAt(object, 'spec');
  return { ...object, spec: { ...spec, tolerations: tolerationsOf(spec) } };
}

/** Nodes that fail are left after five minutes, unless the pod says otherwise. */
function tolerationsOf(spec: JsonObject): JsonObject[] {
  const given = listAt(spec, 'tolerations');
  const covers = (key: string, one: JsonObject): boolean =>
    (textAt(one, 'key') === key || textAt(one, 'key') === '') && ['', 'NoExecute'].includes(textAt(one, 'effect'));
  const missing = unhealthy.filter((key) => !given.some((one) => covers(key, one)));
  return [...given, ...missing.map((key) => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds }))];
}
