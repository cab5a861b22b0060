/**
 * A client certificate where TLS cannot carry it, behind a proxy that ends TLS: the agent signs that it speaks to this
 * hub until a moment that is near, and sends it as a bearer token. It stands for the certificate in it and no more.
 */
import type { KeyObject } from 'node:crypto';
import type { Context } from '@polyanthus/ground-base/context';
import { describeError } from '@polyanthus/ground-base/log';
import type { ServerRequest } from '@polyanthus/ground-http/message';
import { readCertificate, verifyCertificate } from '@polyanthus/ground-pki/certificate';
import { signedBy, signWith } from './agent-key.ts';

const scheme = 'Bearer polyanthus-agent.';
const ttlMs = 5 * 60_000;
/** Clocks differ by so much at most. */
const skewMs = 5 * 60_000;

interface Claims {
  readonly hubId: string;
  readonly untilMs: number;
  readonly certificatePem: string;
}

/** The value of an `Authorization` header, good for five minutes at the hub of this id. */
export function signAgentProof(
  nowMs: number,
  agent: { readonly hubId: string; readonly privateKey: KeyObject; readonly certificatePem: string },
): string {
  const { hubId, certificatePem } = agent;
  const claims: Claims = { hubId, untilMs: nowMs + ttlMs, certificatePem };
  const text = Buffer.from(JSON.stringify(claims)).toString('base64url');
  return `${scheme}${text}.${Buffer.from(signWith(agent.privateKey, signedText(text)), 'base64').toString('base64url')}`;
}

/** Another beginning than what an agent signs for a tunnel, so that neither passes for the other. */
const signedText = (text: string): Uint8Array => Buffer.from(`polyanthus agent proof 1 ${text}`);

/**
 * The request as if its certificate had come by TLS. One without a proof is given back as it is; one whose proof is not
 * good has no certificate, and why in `peer.refusedCertificate`.
 */
export function withProvenCertificate(
  ctx: Context,
  request: ServerRequest,
  hub: { readonly hubId: string; readonly agentCaPems: readonly string[] },
): ServerRequest {
  const { authorization, ...headers } = request.headers;
  if (typeof authorization !== 'string' || !authorization.startsWith(scheme)) return request;
  const { address } = request.peer;
  try {
    const certificate = certificateIn(authorization.slice(scheme.length), ctx.clock.now(), hub);
    const shown = request.peer.certificate;
    if (shown !== undefined && !Buffer.from(shown).equals(certificate))
      throw new Error('TLS showed another certificate');
    return { ...request, headers, peer: { address, certificate } };
  } catch (error) {
    return { ...request, headers, peer: { address, refusedCertificate: `the agent's proof: ${describeError(error)}` } };
  }
}

function certificateIn(
  token: string,
  nowMs: number,
  hub: { readonly hubId: string; readonly agentCaPems: readonly string[] },
): Uint8Array {
  const [text = '', signature = ''] = token.split('.');
  const { hubId, untilMs, certificatePem } = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as Claims;
  const { publicKey } = verifyCertificate(certificatePem, hub.agentCaPems, nowMs);
  if (!signedBy(publicKey, signedText(text), Buffer.from(signature, 'base64url').toString('base64')))
    throw new Error('it is signed by another key');
  if (hubId !== hub.hubId) throw new Error('it is for another hub');
  if (!(untilMs > nowMs - skewMs && untilMs < nowMs + ttlMs + skewMs))
    throw new Error(`it is not of this time, which here is ${new Date(nowMs).toISOString()}`);
  return readCertificate(certificatePem).raw;
}
