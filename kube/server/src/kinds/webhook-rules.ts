/** Rules of webhooks: which requests they are asked about. */
import { invalidValue, notSupported, requiredValue } from '@polyanthus/kube-objects/field-errors';
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import type { StatusCause } from '@polyanthus/kube-objects/status';
import type { Faults } from '../api-object.ts';

const operations = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];
const scopes = ['*', 'Cluster', 'Namespaced'];

/** A list of texts; empty when it is something else. */
export const strings = (value: JsonValue | undefined): readonly string[] =>
  Array.isArray(value) ? (value as readonly JsonValue[]).map(String) : [];

/** Faults of one rule with its operations. */
export function ruleFaults(rule: JsonObject, path: string): Faults {
  const asked = strings(rule['operations']);
  const faults: StatusCause[] = [...starFaults(rule, path, 'operations', 'operations')];
  asked.forEach((operation, index) => {
    if (!operations.includes(operation))
      faults.push(notSupported(`${path}.operations[${index}]`, operation, operations));
  });
  faults.push(
    ...starFaults(rule, path, 'apiGroups', 'API groups'),
    ...starFaults(rule, path, 'apiVersions', 'API versions'),
  );
  strings(rule['apiVersions']).forEach((version, index) => {
    if (version === '') faults.push(requiredValue(`${path}.apiVersions[${index}]`));
  });
  faults.push(...resourceFaults(strings(rule['resources']), `${path}.resources`));
  const scope = rule['scope'];
  if (scope !== undefined && !scopes.includes(String(scope))) faults.push(notSupported(`${path}.scope`, scope, scopes));
  return faults;
}

/** There is one at least, and `*` stands alone. */
function starFaults(rule: JsonObject, path: string, key: string, what: string): Faults {
  const values = strings(rule[key]);
  if (values.length === 0) return [requiredValue(`${path}.${key}`)];
  return values.length > 1 && values.includes('*')
    ? [invalidValue(`${path}.${key}`, [...values], `if '*' is present, must not specify other ${what}`)]
    : [];
}

function resourceFaults(resources: readonly string[], field: string): Faults {
  const faults: StatusCause[] = resources.length === 0 ? [requiredValue(field)] : [];
  const [wholeResources, wholeSubresources] = [new Set<string>(), new Set<string>()];
  let bare = false;
  resources.forEach((given, index) => {
    const at = given.indexOf('/');
    if (given === '') faults.push(requiredValue(`${field}[${index}]`));
    else if (at < 0) bare = given !== '*';
    else {
      const [resource, sub] = [given.slice(0, at), given.slice(at + 1)];
      const refuse = (star: string): StatusCause =>
        invalidValue(`${field}[${index}]`, given, `if '${star}' is present, must not specify ${given}`);
      if (wholeResources.has(resource)) faults.push(refuse(`${resource}/*`));
      if (wholeSubresources.has(sub)) faults.push(refuse(`*/${sub}`));
      if (sub === '*') wholeResources.add(resource);
      if (resource === '*') wholeSubresources.add(sub);
    }
  });
  if (resources.length > 1 && resources.includes('*/*'))
    faults.push(invalidValue(field, [...resources], "if '*/*' is present, must not specify other resources"));
  if (resources.includes('*') && bare)
    faults.push(
      invalidValue(field, [...resources], "if '*' is present, must not specify other resources without subresources"),
    );
  return faults;
}
