/** Errors that kube-apiserver passes on without a reason. */
import { StatusError } from './status.ts';

export { statusError, type StatusError } from './status.ts';

/** Code 500 and a message, no reason: what becomes of a plain Go error in a handler. */
export function bareError(message: string): StatusError {
  return new StatusError({ apiVersion: 'v1', kind: 'Status', metadata: {}, status: 'Failure', message, code: 500 });
}
