/** Why a call of a webhook failed, in the words of kube-apiserver and of Go's HTTP client. */
import type { JsonObject } from '@polyanthus/kube-objects/meta';

/** A webhook that could not be asked. Whether that refuses the write says its failurePolicy. */
export class CallFailure extends Error {
  /** The caller of the write went away. */
  readonly cancelled: boolean;

  constructor(webhook: string, why: string, cancelled = false) {
    super(`failed calling webhook ${JSON.stringify(webhook)}: ${why}`);
    this.name = 'CallFailure';
    this.cancelled = cancelled;
  }
}

const generic: Readonly<Record<number, string>> = {
  400: 'the server rejected our request for an unknown reason',
  401: 'the server has asked for the client to provide credentials',
  404: 'the server could not find the requested resource',
  405: 'the server does not allow this method on the requested resource',
  409: 'the server reported a conflict',
  422: 'the server rejected our request due to an error in our request',
  429: 'the server has received too many requests and has asked us to try again later',
  503: 'the server is currently unable to handle the request',
  504: 'the server was unable to return a response in the time allotted, but may still be processing the request',
};

/** What an HTTP status other than 2xx means; `text` is the body, when it is a text. */
export function statusWords(status: number, text: string, body: JsonObject | undefined): string {
  const told = body?.['kind'] === 'Status' && typeof body['message'] === 'string' ? body['message'] : '';
  if (told !== '') return told;
  const said = text === '' ? 'unknown' : text;
  if (status === 403 || status === 415) return said;
  if (status === 406 && said !== 'unknown') return said;
  const known = generic[status];
  if (known !== undefined) return known;
  if (status >= 500)
    return `an error on the server (${JSON.stringify(said)}) has prevented the request from succeeding`;
  return `the server responded with the status code ${status} but did not return more information`;
}

/** What Go's client says of a connection that did not come about, or ended. `place` is the address that was dialled. */
export function connectionWords(error: unknown, place: string): string {
  const { code = '', message = String(error), cause } = error as { code?: string; message?: string; cause?: unknown };
  const inner = (cause as { code?: string } | undefined)?.code;
  if (code === 'DeadlineExceeded') return 'context deadline exceeded';
  if (code === 'Cancelled') return 'context canceled';
  if (inner === 'ECONNREFUSED') return `dial tcp ${place}: connect: connection refused`;
  if (inner === 'ENOTFOUND') return `dial tcp: lookup ${place.replace(/:\d+$/, '')}: no such host`;
  if (code === 'CertificateRejected') return `tls: failed to verify certificate: x509: ${certificateWords(message)}`;
  if (code === 'ConnectionBroken') return 'EOF';
  return message;
}

function certificateWords(message: string): string {
  if (/not trusted|not among the trusted|self-signed/.test(message)) return 'certificate signed by unknown authority';
  const names = /it is for (.*), not for (.*)$/.exec(message);
  if (names !== null) {
    const valid = (names[1] ?? '').replaceAll(/(?:DNS|IP Address):/g, '');
    return `certificate is valid for ${valid}, not ${names[2]}`;
  }
  return message.replace(/^.*is not accepted: /, '');
}
