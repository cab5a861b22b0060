/** Node's connection errors as coded errors whose message names the address and the reason. */
import type { PeerCertificate } from 'node:tls';
import { CodedError } from '@polyanthus/ground-base/errors';
import { httpErrors } from './errors.ts';

type Code = Parameters<typeof httpErrors.error>[0];

const reasons: Readonly<Record<string, readonly [Code, string]>> = {
  ECONNREFUSED: ['ConnectionRefused', 'connection refused'],
  ENOENT: ['ConnectionRefused', 'there is no such socket'],
  EACCES: ['ConnectionRefused', 'this user may not use the socket'],
  ETIMEDOUT: ['ConnectionRefused', 'no answer in time'],
  EHOSTUNREACH: ['ConnectionRefused', 'no route to the host'],
  ENETUNREACH: ['ConnectionRefused', 'the network is unreachable'],
  EADDRNOTAVAIL: ['ConnectionRefused', 'no local address or port is free'],
  ENOTFOUND: ['NameNotFound', 'the name does not exist'],
  EAI_AGAIN: ['NameNotFound', 'the DNS server gave no answer'],
  ECONNRESET: ['ConnectionBroken', 'the connection was reset'],
  EPIPE: ['ConnectionBroken', 'the connection was closed by the other end'],
  ERR_STREAM_PREMATURE_CLOSE: ['ConnectionBroken', 'the connection was closed by the other end'],
  ERR_HTTP2_STREAM_ERROR: ['ConnectionBroken', 'the server reset the stream'],
  ERR_HTTP2_SESSION_ERROR: ['ConnectionBroken', 'the server ended the HTTP/2 session'],
  ERR_HTTP2_STREAM_CANCEL: ['ConnectionBroken', 'the HTTP/2 session ended'],
  ERR_HTTP2_GOAWAY_SESSION: ['ConnectionBroken', 'the server is closing the HTTP/2 session'],
  ERR_HTTP2_INVALID_SESSION: ['ConnectionBroken', 'the HTTP/2 session ended'],
  ERR_SSL_WRONG_VERSION_NUMBER: ['UnexpectedProtocol', 'the server does not speak TLS on this port'],
  ERR_SSL_PACKET_LENGTH_TOO_LONG: ['UnexpectedProtocol', 'the server does not speak TLS on this port'],
  EPROTO: ['UnexpectedProtocol', 'the TLS handshake failed'],
  ERR_HTTP2_ERROR: ['UnexpectedProtocol', 'the server does not speak HTTP/2'],
};

/** The error to throw for what Node reported while talking to `address`. Coded errors pass untouched. */
export function connectionError(cause: unknown, address: string): CodedError {
  if (cause instanceof CodedError) return cause;
  const inner = cause instanceof AggregateError ? (cause.errors[0] as unknown) : cause;
  const { code = '', message = String(cause) } = inner as { code?: string; message?: string };
  const known = reasons[code];
  if (known !== undefined) return httpErrors.error(known[0], `${address}: ${known[1]}`, { cause });
  if (/ALERT_(BAD_CERTIFICATE|CERTIFICATE|UNKNOWN_CA|UNSUPPORTED_CERTIFICATE)|CERTIFICATE_REQUIRED/.test(code)) {
    const alert = code
      .replace(/^ERR_SSL_(.*_ALERT_)?/, '')
      .toLowerCase()
      .replaceAll('_', ' ');
    return httpErrors.error('ClientCertificateRefused', `${address} refused the client certificate: ${alert}`, {
      cause,
    });
  }
  if (code.startsWith('HPE_'))
    return httpErrors.error('UnexpectedProtocol', `${address}: the answer is not valid HTTP (${code})`, { cause });
  return httpErrors.error('ConnectionBroken', `${address}: ${code === '' ? message : code}`, { cause });
}

const rejections: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is self-signed and not among the trusted CAs',
  SELF_SIGNED_CERT_IN_CHAIN: 'its chain ends in a CA that is not trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'it is signed by a CA that is not trusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'it is signed by a CA that is not trusted',
  UNABLE_TO_GET_ISSUER_CERT: 'it is signed by a CA that is not trusted',
  CERT_SIGNATURE_FAILURE: 'its signature does not match the trusted CA',
  CERT_REVOKED: 'it is revoked',
  INVALID_PURPOSE: 'it is not meant for servers',
};

/** Why the server's certificate was not accepted. `nowMs` is the local clock, which may be the one that is wrong. */
export function certificateError(
  code: string,
  shown: PeerCertificate | undefined,
  at: { readonly address: string; readonly serverName: string; readonly nowMs: number },
): CodedError {
  return httpErrors.error(
    'CertificateRejected',
    `${at.address}: the server's certificate is not accepted: ${rejection(code, shown, at)}`,
  );
}

function rejection(
  code: string,
  shown: PeerCertificate | undefined,
  at: { readonly serverName: string; readonly nowMs: number },
): string {
  const here = new Date(at.nowMs).toISOString();
  if (code === 'CERT_HAS_EXPIRED') return `it expired at ${instant(shown?.valid_to)}; the local time is ${here}`;
  if (code === 'CERT_NOT_YET_VALID')
    return `it is valid only from ${instant(shown?.valid_from)}; the local time is ${here}`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `it is for ${shown?.subjectaltname ?? shown?.subject?.CN ?? 'nobody'}, not for ${at.serverName}`;
  }
  return rejections[code] ?? code;
}

function instant(text: string | undefined): string {
  const ms = Date.parse(text ?? '');
  return Number.isNaN(ms) ? (text ?? 'an unknown time') : new Date(ms).toISOString();
}
