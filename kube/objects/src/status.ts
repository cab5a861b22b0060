/** metav1.Status, the one error shape of the Kubernetes API (apimachinery meta/v1 types.go, api/errors). */

/** StatusReason values that we give or branch on; others pass through. */
export type StatusReason =
  | 'Unauthorized'
  | 'Forbidden'
  | 'NotFound'
  | 'AlreadyExists'
  | 'Conflict'
  | 'Gone'
  | 'Expired'
  | 'Invalid'
  | 'ServerTimeout'
  | 'Timeout'
  | 'TooManyRequests'
  | 'BadRequest'
  | 'MethodNotAllowed'
  | 'NotAcceptable'
  | 'RequestEntityTooLarge'
  | 'UnsupportedMediaType'
  | 'InternalError'
  | 'ServiceUnavailable'
  | 'StoreReadError'
  | '';

/** One reason among several of a failed request (meta/v1 StatusCause). */
export interface StatusCause {
  readonly reason?: string;
  readonly message?: string;
  readonly field?: string;
}

export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly StatusCause[];
  readonly retryAfterSeconds?: number;
}

/** The body of a failed request, and of some that went well (meta/v1 Status). */
export interface Status {
  readonly apiVersion: 'v1';
  readonly kind: 'Status';
  readonly metadata: Record<string, never>;
  readonly status: 'Success' | 'Failure';
  readonly message?: string;
  readonly reason?: string;
  readonly details?: StatusDetails;
  readonly code: number;
}

const codes: Readonly<Record<string, number>> = {
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  Invalid: 422,
  ServerTimeout: 500,
  Timeout: 504,
  TooManyRequests: 429,
  BadRequest: 400,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  InternalError: 500,
  ServiceUnavailable: 503,
  StoreReadError: 500,
};

/** A failure that an API server gave or is about to give. `code` is the reason, so that `hasCode(error, 'NotFound')` works. */
export class StatusError extends Error {
  readonly status: Status;
  readonly code: string;

  constructor(status: Status, options?: { readonly cause?: unknown }) {
    super(status.message ?? status.reason ?? `HTTP ${status.code}`, options);
    this.name = 'StatusError';
    this.status = status;
    this.code = status.reason ?? '';
  }

  /** The HTTP status. */
  get httpStatus(): number {
    return this.status.code;
  }
}

/** Builds the failure for a reason; the HTTP code follows from it. */
export function statusError(reason: StatusReason, message: string, details?: StatusDetails): StatusError {
  return new StatusError({
    apiVersion: 'v1',
    kind: 'Status',
    metadata: {},
    status: 'Failure',
    message,
    reason,
    ...(details === undefined ? {} : { details }),
    code: codes[reason] ?? 500,
  });
}

/** Whether `error` is an API failure with this reason. */
export function isStatus(error: unknown, reason: StatusReason): boolean {
  return error instanceof StatusError && error.code === reason;
}

const qualified = (group: string, resource: string): string => (group === '' ? resource : `${resource}.${group}`);

/** `pods "x" not found`, as kube-apiserver words it. */
export function notFound(group: string, resource: string, name: string): StatusError {
  return statusError('NotFound', `${qualified(group, resource)} "${name}" not found`, {
    name,
    ...(group === '' ? {} : { group }),
    kind: resource,
  });
}

/** `pods "x" already exists`. */
export function alreadyExists(group: string, resource: string, name: string): StatusError {
  return statusError('AlreadyExists', `${qualified(group, resource)} "${name}" already exists`, {
    name,
    ...(group === '' ? {} : { group }),
    kind: resource,
  });
}

/** `Operation cannot be fulfilled on pods "x": …`. */
export function conflict(group: string, resource: string, name: string, why: string): StatusError {
  return statusError('Conflict', `Operation cannot be fulfilled on ${qualified(group, resource)} "${name}": ${why}`, {
    name,
    ...(group === '' ? {} : { group }),
    kind: resource,
  });
}

/** `Deployment.apps "x" is invalid: spec.replicas: Invalid value: …`; one cause a field. */
export function invalid(group: string, kind: string, name: string, causes: readonly StatusCause[]): StatusError {
  const texts = causes.map((cause) => `${cause.field ?? ''}: ${cause.message ?? ''}`);
  const joined = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
  return statusError('Invalid', `${qualified(group, kind)} "${name}" is invalid: ${joined}`, {
    name,
    ...(group === '' ? {} : { group }),
    kind,
    causes,
  });
}
