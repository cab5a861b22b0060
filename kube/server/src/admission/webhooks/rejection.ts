/** A webhook's no, as the client gets to read it (apiserver webhook/errors). */
import { isObject, member } from '@polyanthus/kube-objects/json-value';
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import { StatusError, type Status } from '@polyanthus/kube-objects/status';
import { textAt } from '../../api-object.ts';

/** The failure that a webhook's refusal becomes; its own Status is kept where it says something. */
export function rejection(webhook: string, given: JsonObject | undefined): StatusError {
  const status = given ?? {};
  const [message, reason] = [textAt(status, 'message'), textAt(status, 'reason')];
  const details = member(status, 'details');
  const code = status['code'];
  const denied = `admission webhook ${JSON.stringify(webhook)} denied the request`;
  const why = message === '' ? reason : message;
  const known = textAt(status, 'status');
  return new StatusError({
    apiVersion: 'v1',
    kind: 'Status',
    metadata: {},
    status: (known === '' || known === 'Success' ? 'Failure' : known) as Status['status'],
    message: why === '' ? `${denied} without explanation` : `${denied}: ${why}`,
    ...(reason === '' ? {} : { reason: reason as NonNullable<Status['reason']> }),
    ...(isObject(details) ? { details: details as NonNullable<Status['details']> } : {}),
    code: typeof code === 'number' && Number.isInteger(code) && code >= 400 && code <= 999 ? code : 400,
  });
}
