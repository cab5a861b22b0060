/** Building HTTP answers. */
import type { HeaderValues, ServerResponse } from '@polyanthus/ground-http/message';
import { encodeJson } from '@polyanthus/kube-objects/exact-json';
import type { JsonValue } from '@polyanthus/kube-objects/meta';
import { StatusError, statusError } from '@polyanthus/kube-objects/status';

/** JSON bytes that exist already. */
export function rawJson(status: number, bytes: Uint8Array, headers: HeaderValues = {}): ServerResponse {
  return {
    status,
    headers: {
      'content-type': 'application/json',
      'cache-control': 'no-cache, private',
      'content-length': String(bytes.length),
      ...headers,
    },
    body: bytes,
  };
}

/** Any value as JSON. */
export function jsonAnswer(status: number, value: unknown, headers: HeaderValues = {}): ServerResponse {
  return rawJson(status, encodeJson(value as JsonValue), headers);
}

/** Plain text: health checks and metrics. */
export function textAnswer(status: number, text: string, headers: HeaderValues = {}): ServerResponse {
  const bytes = Buffer.from(text);
  return {
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'content-length': String(bytes.length), ...headers },
    body: bytes,
  };
}

/** The answer of paths that lead nowhere at all. */
export function pageNotFound(): ServerResponse {
  return textAnswer(404, '404 page not found\n');
}

/** The answer for a failure; what is no StatusError becomes InternalError with its message. */
export function errorAnswer(error: unknown): ServerResponse {
  const { status } = toStatusError(error);
  const retry = status.details?.retryAfterSeconds;
  const headers: Record<string, string> = {};
  if (retry !== undefined && retry > 0) headers['retry-after'] = String(retry);
  if (status.code === 401) headers['www-authenticate'] = 'Bearer';
  return jsonAnswer(status.code, status, headers);
}

export function toStatusError(error: unknown): StatusError {
  if (error instanceof StatusError) return error;
  const coded = error as { readonly code?: unknown; readonly message?: unknown };
  if (coded.code === 'StoreReadOnly' || coded.code === 'StoreFailed')
    return statusError('ServiceUnavailable', `the store takes no writes: ${String(coded.message)}`);
  if (coded.code === 'DeadlineExceeded' || coded.code === 'Cancelled')
    return statusError('Timeout', 'request did not complete within the allotted timeout');
  const text = error instanceof Error ? error.message : String(error);
  return statusError('InternalError', `Internal error occurred: ${text}`, { causes: [{ message: text }] });
}
