/** Priority's second half: there is one default PriorityClass at most. */
import type { ApiObject } from '../api-object.ts';
import type { Scope } from '../scope.ts';
import { forbidden } from './namespace-lifecycle.ts';
import type { Operation } from './plugin.ts';
import { defaultClass } from './priority.ts';

export function priorityClass(scope: Scope, operation: Operation, object: ApiObject): ApiObject {
  const { group, resource } = scope.definition.type;
  if (operation === 'DELETE' || group !== 'scheduling.k8s.io' || resource !== 'priorityclasses') return object;
  if (object['globalDefault'] !== true) return object;
  const other = defaultClass(scope)?.metadata.name;
  const name = object.metadata.name ?? '';
  if (other === undefined || (operation === 'UPDATE' && other === name)) return object;
  throw forbidden(scope, name, `PriorityClass ${other} is already marked as default. Only one default can exist`);
}
