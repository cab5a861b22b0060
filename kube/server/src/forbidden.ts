/** The 403 of an authorizer, worded as apiserver's responsewriters/errors.go. */
import type { Attributes } from '@polyanthus/kube-access/user';
import { statusError, type StatusError } from '@polyanthus/kube-objects/status';

/** `pods "x" is forbidden: User "u" cannot get resource "pods" in API group "" in the namespace "n"`. */
export function forbiddenAnswer(attributes: Attributes, reason: string): StatusError {
  const because = reason === '' ? '' : `: ${reason}`;
  if (attributes.kind === 'nonResource') {
    const text = `User ${JSON.stringify(attributes.user.username)} cannot ${attributes.verb} path ${JSON.stringify(attributes.path)}`;
    return statusError('Forbidden', `forbidden: ${text}${because}`, {});
  }
  const { user, verb, group, resource, subresource, namespace, name } = attributes;
  const full = subresource === '' ? resource : `${resource}/${subresource}`;
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`;
  const text = `User ${JSON.stringify(user.username)} cannot ${verb} resource ${JSON.stringify(full)} in API group ${JSON.stringify(group)} ${where}`;
  const qualified = group === '' ? resource : `${resource}.${group}`;
  const what = name === '' ? `${qualified} is forbidden` : `${qualified} ${JSON.stringify(name)} is forbidden`;
  return statusError('Forbidden', `${what}: ${text}${because}`, {
    ...(name === '' ? {} : { name }),
    ...(group === '' ? {} : { group }),
    kind: resource,
  });
}
