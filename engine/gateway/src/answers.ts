/** The gateway's own answers: always a Status, and a warning that kubectl prints even where it drops the Status. */
import { warningValue } from '@polyanthus/engine-tunnel/warning';
import type { HttpResponse } from '@polyanthus/ground-http/message';
import type { RenderError } from '@polyanthus/ground-http/admission';
import { StatusError, statusError, type StatusReason } from '@polyanthus/kube-objects/status';

/** The Status as an answer. With `warn`, its message is a `Warning: 299` header too (facts/stack.md D.4). Never a Retry-After on a 503. */
export function statusAnswer(error: StatusError, options: { readonly warn?: boolean } = {}): HttpResponse {
  const { status } = error;
  return {
    status: status.code,
    headers: {
      'content-type': 'application/json',
      'cache-control': 'no-cache, private',
      ...(options.warn === true ? { warning: warningValue(status.message ?? '') } : {}),
      ...(status.code === 429 ? { 'retry-after': '1' } : {}),
      ...(status.code === 401 ? { 'www-authenticate': 'Bearer realm="polyanthus"' } : {}),
    },
    body: Buffer.from(JSON.stringify(status)),
  };
}

/** A 431: too many or too large header fields, most often groups. */
export function headersTooLarge(why: string): StatusError {
  return new StatusError({
    apiVersion: 'v1',
    kind: 'Status',
    metadata: {},
    status: 'Failure',
    message: `${why}; the groups of a user count too, so ask for fewer groups in the token`,
    reason: 'RequestHeaderFieldsTooLarge',
    code: 431,
  });
}

const reasons: Readonly<Record<number, StatusReason>> = {
  400: 'BadRequest',
  408: 'Timeout',
  413: 'RequestEntityTooLarge',
  503: 'ServiceUnavailable',
};

/** For `serve`: answers that come without the handler are Status objects as well. */
export const renderStatus: RenderError = (code, message) => {
  const error = code === 431 ? headersTooLarge(message) : statusError(reasons[code] ?? 'InternalError', message);
  const { headers, body } = statusAnswer(error);
  return { headers, body };
};
