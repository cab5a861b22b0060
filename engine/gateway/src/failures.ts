/** What a failure on the way to a member, or a right that is missing, looks like to the caller. */
import type { Context } from '@polyanthus/ground-base/context';
import { CodedError, hasCode } from '@polyanthus/ground-base/errors';
import { describeError } from '@polyanthus/ground-base/log';
import { StatusError, statusError } from '@polyanthus/kube-objects/status';
import type { GatewayMember, ResourceRight } from './permission.ts';

/** The Status of an operating failure; undefined for a defect and for a caller who has gone. */
export function failureStatus(ctx: Context, error: unknown, membership: string | undefined): StatusError | undefined {
  if (error instanceof StatusError) return error;
  return ctx.signal.aborted ? closedBy(ctx) : unreachable(error, membership);
}

/** The reason with which an exchange was closed before its answer began. */
function closedBy(ctx: Context): StatusError | undefined {
  const reason: unknown = ctx.signal.reason;
  return reason instanceof StatusError ? reason : undefined;
}

/** 503 for what is away, 429 for what is full, undefined for a defect. */
function unreachable(error: unknown, membership: string | undefined): StatusError | undefined {
  const what = membership === undefined ? "the hub's API" : `membership ${membership}`;
  if (hasCode(error, 'TunnelBusy'))
    return statusError('TooManyRequests', `${what}: ${describeError(error)}`, { retryAfterSeconds: 1 });
  if (!(error instanceof CodedError) || error.code === 'Cancelled') return undefined;
  return statusError('ServiceUnavailable', `${what} cannot be reached: ${describeError(error)}. ${error.next}`);
}

/** Worded as kube-apiserver's authorizer words it. */
export function forbiddenRight(right: ResourceRight): StatusError {
  const resource = `${right.resource}/${right.subresource}`;
  const message = `${right.resource}.${right.group} "${right.name}" is forbidden: User "${right.user.username}" cannot ${right.verb} resource "${resource}" in API group "${right.group}" in the namespace "${right.namespace}"`;
  return statusError('Forbidden', message, { name: right.name, group: right.group, kind: right.resource });
}

/** A membership that the hub may only read. */
export function aboveCeilingError(member: GatewayMember, why: string): StatusError {
  return statusError('Forbidden', `membership "${member.name}" is read-only for the hub (spec.ceiling): ${why}`);
}
