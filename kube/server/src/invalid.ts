/** 422 answers. Beside what kube/objects words, real answers leave out an empty name. */
import { StatusError, invalid, type StatusCause } from '@polyanthus/kube-objects/status';

/** `Deployment.apps "x" is invalid: …`. */
export function invalidObject(group: string, kind: string, name: string, causes: readonly StatusCause[]): StatusError {
  const error = invalid(group, kind, name, causes);
  if (name !== '' && kind !== '') return error;
  const details = Object.entries(error.status.details ?? {}).filter(([, value]) => value !== '');
  return new StatusError({ ...error.status, details: Object.fromEntries(details) });
}

/** Faults of the query: `ListOptions.meta.k8s.io "" is invalid: …`. */
export function invalidOptions(kind: string, cause: StatusCause): StatusError {
  return invalidObject('meta.k8s.io', kind, '', [cause]);
}
