/** Which failures are of the way and not of the work: waited out, never counted as an attempt. */
import { CodedError, hasCode } from '@polyanthus/ground-base/errors';
import { StatusError } from '@polyanthus/kube-objects/status';

const apiAway = ['ConnectionRefused', 'ConnectionBroken', 'TransportClosed', 'NameNotFound', 'ProxyFailed'];
/** What was begun on a host is found again, so asking again does nothing twice (engine/hosts). */
const hostAway = ['HostUnreachable', 'HostConnectionLost', 'HostTimedOut', 'HostStopping'];

/** The API or a host is away, overloaded or in trouble of its own. */
export function isTransient(error: unknown): boolean {
  if (error instanceof StatusError) return error.httpStatus >= 500 || error.httpStatus === 429;
  return [...apiAway, ...hostAway].some((code) => hasCode(error, code));
}

/** One line. */
export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Why a step is red: which step, the cause, and what to do next. */
export function redText(error: unknown, step?: string): string {
  const text = textOf(error);
  const where = step === undefined || text.includes(step) ? '' : `step ${step}: `;
  return `${where}${text}${error instanceof CodedError ? ` (${error.next})` : ''}`;
}
