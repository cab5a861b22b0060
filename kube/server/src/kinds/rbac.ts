/** rbac.authorization.k8s.io/v1: shape of rules and bindings (escalation is judged in admission). */
import { equalJson } from '@polyanthus/kube-objects/json-value';
import { invalidValue, notSupported, requiredValue } from '@polyanthus/kube-objects/field-errors';
import type { StatusCause } from '@polyanthus/kube-objects/status';
import { listAt, objectAt, textAt, type ApiObject, type Faults } from '../api-object.ts';

const strings = (value: unknown): readonly string[] => (Array.isArray(value) ? (value as string[]) : []);

/** Every rule has verbs, and resources or (in cluster roles) URLs. */
export function roleFaults(after: ApiObject): Faults {
  const faults: StatusCause[] = [];
  listAt(after, 'rules').forEach((rule, index) => {
    const path = `rules[${index}]`;
    const verbless = strings(rule['verbs']).length === 0;
    const urls = strings(rule['nonResourceURLs']);
    if (urls.length > 0) {
      if (after.kind === 'Role')
        faults.push(
          invalidValue(`${path}.nonResourceURLs`, [...urls], 'namespaced rules cannot apply to non-resource URLs'),
        );
      if (['apiGroups', 'resources', 'resourceNames'].some((key) => strings(rule[key]).length > 0))
        faults.push(
          invalidValue(
            `${path}.nonResourceURLs`,
            [...urls],
            'rules cannot apply to both regular resources and non-resource URLs',
          ),
        );
      if (verbless) faults.push(requiredValue(`${path}.verbs`));
      return;
    }
    if (strings(rule['apiGroups']).length === 0)
      faults.push(requiredValue(`${path}.apiGroups`, 'resource rules must supply at least one api group'));
    if (strings(rule['resources']).length === 0)
      faults.push(requiredValue(`${path}.resources`, 'resource rules must supply at least one resource'));
    if (verbless) faults.push(requiredValue(`${path}.verbs`));
  });
  return faults;
}

/** The roleRef names an existing kind and never changes; subjects are whole. */
export function bindingFaults(after: ApiObject, before: ApiObject | undefined): Faults {
  const faults: StatusCause[] = [];
  const ref = objectAt(after, 'roleRef');
  const kinds = after.kind === 'RoleBinding' ? ['ClusterRole', 'Role'] : ['ClusterRole'];
  if (textAt(ref, 'apiGroup') !== 'rbac.authorization.k8s.io')
    faults.push(notSupported('roleRef.apiGroup', textAt(ref, 'apiGroup'), ['rbac.authorization.k8s.io']));
  if (!kinds.includes(textAt(ref, 'kind'))) faults.push(notSupported('roleRef.kind', textAt(ref, 'kind'), kinds));
  if (textAt(ref, 'name') === '') faults.push(requiredValue('roleRef.name'));
  listAt(after, 'subjects').forEach((subject, index) => {
    const path = `subjects[${index}]`;
    const kind = textAt(subject, 'kind');
    if (textAt(subject, 'name') === '') faults.push(requiredValue(`${path}.name`));
    if (!['ServiceAccount', 'User', 'Group'].includes(kind))
      faults.push(notSupported(`${path}.kind`, kind, ['ServiceAccount', 'User', 'Group']));
    if (kind === 'ServiceAccount' && after.kind === 'ClusterRoleBinding' && textAt(subject, 'namespace') === '')
      faults.push(requiredValue(`${path}.namespace`));
  });
  if (before !== undefined && !equalJson(after['roleRef'], before['roleRef']))
    faults.push(
      invalidValue(
        'roleRef',
        { APIGroup: textAt(ref, 'apiGroup'), Kind: textAt(ref, 'kind'), Name: textAt(ref, 'name') },
        'field is immutable',
      ),
    );
  return faults;
}
