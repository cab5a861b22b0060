/** Reading the API's answers: JSON, Status failures, warnings. */
import { readBody } from '@polyanthus/ground-http/body';
import { header, headerAll } from '@polyanthus/ground-http/headers';
import type { HeaderValues, HttpResponse } from '@polyanthus/ground-http/message';
import { StatusError, type Status } from '@polyanthus/kube-objects/status';
import { clientErrors } from './errors.ts';

/** What a request was about, for messages. */
export interface Asked {
  readonly method: string;
  readonly path: string;
}

/** Bytes of one answer that is read whole; a list page of 500 large objects fits. */
export const answerBytesMax = 256 * 1024 * 1024;
const failureBytesMax = 1024 * 1024;

/** Without a copy of the bytes. */
const textOf = ({ buffer, byteOffset, byteLength }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString('utf8');

/** The JSON of a successful answer. Failures are StatusError; JSON that does not parse is AnswerNotUnderstood. */
export async function readJson<R>(asked: Asked, response: HttpResponse): Promise<R> {
  if (response.status < 200 || response.status > 299) throw await readFailure(asked, response);
  const text = textOf(await readBody(response.body, answerBytesMax));
  try {
    return JSON.parse(text) as R;
  } catch (cause) {
    throw clientErrors.error(
      'AnswerNotUnderstood',
      `${asked.method} ${asked.path} was answered by something that is not JSON: ${excerpt(text)}`,
      { cause },
    );
  }
}

/** The failure that an answer means: its own Status, or one made from code and text as client-go makes it. */
export async function readFailure(asked: Asked, response: HttpResponse): Promise<StatusError> {
  const text = textOf(await readBody(response.body, failureBytesMax));
  return new StatusError(statusOf(text) ?? foreignStatus(asked, response, text));
}

function statusOf(text: string): Status | undefined {
  try {
    const value = JSON.parse(text) as Partial<Status> | null;
    return value?.kind === 'Status' && value.apiVersion === 'v1' && typeof value.code === 'number'
      ? (value as Status)
      : undefined;
  } catch {
    return undefined;
  }
}

const reasons: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  406: 'NotAcceptable',
  409: 'Conflict',
  410: 'Gone',
  413: 'RequestEntityTooLarge',
  415: 'UnsupportedMediaType',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

/** A failure that something before the API server worded: a proxy, a load balancer, a login page. */
function foreignStatus(asked: Asked, response: HttpResponse, text: string): Status {
  const seconds = retryAfterSeconds(response.headers);
  return {
    apiVersion: 'v1',
    kind: 'Status',
    metadata: {},
    status: 'Failure',
    message: `${asked.method} ${asked.path} was answered with HTTP ${response.status} and no Status: ${excerpt(text)}`,
    reason: reasons[response.status] ?? 'Unknown',
    ...(seconds === undefined ? {} : { details: { retryAfterSeconds: seconds } }),
    code: response.status,
  };
}

/** Whole seconds of a Retry-After header; the date form is not used by Kubernetes and counts as absent. */
export function retryAfterSeconds(headers: HeaderValues): number | undefined {
  const value = header(headers, 'retry-after');
  return value !== undefined && /^\d{1,6}$/.test(value) ? Number(value) : undefined;
}

/** The texts of `Warning: 299 - "…"` headers (RFC 7234 section 5.5), as kubectl prints them. */
export function warningsOf(headers: HeaderValues): string[] {
  const texts: string[] = [];
  for (const value of headerAll(headers, 'warning')) {
    for (const match of value.matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g))
      texts.push((match[1] ?? '').replaceAll(/\\(.)/g, '$1'));
  }
  return texts;
}

/** The beginning of a text that nobody can vouch for, safe to print. */
function excerpt(text: string): string {
  const line = text
    .slice(0, 200)
    .replaceAll(/[^\x20-\x7e\u00a0-\uffff]+/g, ' ')
    .trim();
  return line === '' ? '(empty)' : line;
}
