/**
 * How an agent gets its certificate: once by a token that its owner copied into the member, later by the ServiceAccount
 * token of its own cluster. The hub keeps hashes of tokens alone.
 */
import { createHash, X509Certificate } from 'node:crypto';
import type { Context } from '@polyanthus/ground-base/context';
import { CodedError } from '@polyanthus/ground-base/errors';
import type { Random } from '@polyanthus/ground-base/random';
import { readBody } from '@polyanthus/ground-http/body';
import type { Handler, ServerRequest, ServerResponse, Transport } from '@polyanthus/ground-http/message';
import { agentOrganization, keyHashOf } from './agent-key.ts';
import type { EnrolledMember, EnrolmentStore } from './enrolment-store.ts';
import { tunnelErrors } from './errors.ts';

export const enrolmentPath = '/enrol/v1/agents';

const bodyBytesMax = 64 * 1024;

export interface EnrolmentRequest {
  /** One-time token; or `serviceAccountToken` with `membershipUid`. */
  readonly token?: string;
  readonly serviceAccountToken?: string;
  readonly membershipUid?: string;
  /** uid of the member's kube-system namespace: which cluster asks. */
  readonly externalId: string;
  /** PKCS#10, PEM, by the agent's key. */
  readonly csrPem: string;
}

export interface Enrolment {
  readonly certificatePem: string;
  readonly membershipUid: string;
  /** `fleet/name`. */
  readonly membership: string;
  readonly hubId: string;
}

export interface EnrolmentOptions {
  readonly hubId: string;
  readonly store: EnrolmentStore;
  /**
   * Signs a client certificate for the CSR's key after checking the CSR's own signature (ground/pki
   * `Authority.issueClient`). Throws for a CSR that is no good.
   */
  readonly issue: (
    ctx: Context,
    subject: { readonly commonName: string; readonly organizations: readonly string[]; readonly csrPem: string },
  ) => Promise<string>;
  /** Checks signature, issuer, audience and time of a JWT, and gives its subject (ground/pki `verifyJwt`); throws otherwise. */
  readonly verifyToken: (
    ctx: Context,
    token: string,
    expected: { readonly issuer: string; readonly audience: string; readonly jwks: string },
  ) => Promise<string>;
  /** The agent's ServiceAccount: `system:serviceaccount:<namespace>:<name>`. */
  readonly agentSubject: string;
}

/** A new token for a membership, and what the hub keeps of it. 256 random bits, so that guessing needs no defence. */
export function newEnrolmentToken(random: Random): { readonly token: string; readonly tokenHash: string } {
  const token = `polyanthus-enrol.${Buffer.from(random.bytes(32)).toString('base64url')}`;
  return { token, tokenHash: tokenHashOf(token) };
}

/** SHA-256, hex. */
export function tokenHashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** Common name of an agent's certificate. */
export function agentCommonName(membershipUid: string): string {
  return `polyanthus:agent:${membershipUid}`;
}

/** Serves POST `/enrol/v1/agents`. Every refusal is 403 with the same words for unknown, expired and used tokens. */
export function createEnrolmentHandler(options: EnrolmentOptions): Handler {
  return async (ctx, request) => {
    if (request.url !== enrolmentPath) return answer(404, { code: 'NotFound', message: 'not found' });
    if (request.method !== 'POST')
      return answer(405, { code: 'MethodNotAllowed', message: 'POST alone is served here' });
    try {
      return answer(200, await enrol(ctx, await read(request), options));
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      ctx.log.warn('an enrolment was refused', { peer: request.peer.address, error });
      return answer(403, { code: error.code, message: error.message });
    }
  };
}

async function enrol(ctx: Context, asked: EnrolmentRequest, options: EnrolmentOptions): Promise<Enrolment> {
  const member = asked.token === undefined ? await byServiceAccount(ctx, asked, options) : undefined;
  // Signed first, told only when the token was redeemed for this very key.
  const certificatePem = await sign(ctx, member?.membershipUid ?? 'pending', asked.csrPem, options);
  const keyHash = keyHashOf(new X509Certificate(certificatePem).publicKey);
  if (member !== undefined) {
    await options.store.replaceKey(ctx, member.membershipUid, keyHash);
    return enrolment(member, certificatePem, options);
  }
  const redeemed = await options.store.redeem(ctx, {
    tokenHash: tokenHashOf(asked.token ?? ''),
    keyHash,
    externalId: asked.externalId,
    nowMs: ctx.clock.now(),
  });
  if (redeemed === undefined) throw refused('the token is unknown, has expired or was used by another agent');
  return enrolment(redeemed, await sign(ctx, redeemed.membershipUid, asked.csrPem, options), options);
}

function enrolment(member: EnrolledMember, certificatePem: string, options: EnrolmentOptions): Enrolment {
  return {
    certificatePem,
    membershipUid: member.membershipUid,
    membership: `${member.fleet}/${member.name}`,
    hubId: options.hubId,
  };
}

async function byServiceAccount(
  ctx: Context,
  asked: EnrolmentRequest,
  options: EnrolmentOptions,
): Promise<EnrolledMember> {
  const authority = await options.store.authorityOf(ctx, asked.membershipUid ?? '');
  if (authority === undefined || authority.externalId !== asked.externalId)
    throw refused(
      'the membership is unknown, has no keys of its cluster (spec.authority), or is that of another cluster',
    );
  const subject = await verified(ctx, asked.serviceAccountToken ?? '', authority, options);
  if (subject !== options.agentSubject)
    throw refused(`the token is that of ${subject}, not of the agent ${options.agentSubject}`);
  return authority.member;
}

async function verified(
  ctx: Context,
  token: string,
  authority: { readonly issuer: string; readonly jwks: string },
  options: EnrolmentOptions,
): Promise<string> {
  try {
    return await options.verifyToken(ctx, token, {
      issuer: authority.issuer,
      audience: options.hubId,
      jwks: authority.jwks,
    });
  } catch (cause) {
    throw tunnelErrors.error(
      'EnrolmentRefused',
      `the ServiceAccount token was not accepted (issuer ${authority.issuer}, audience ${options.hubId})`,
      { cause },
    );
  }
}

async function sign(ctx: Context, membershipUid: string, csrPem: string, options: EnrolmentOptions): Promise<string> {
  try {
    return await options.issue(ctx, {
      commonName: agentCommonName(membershipUid),
      organizations: [agentOrganization],
      csrPem,
    });
  } catch (cause) {
    throw tunnelErrors.error('EnrolmentRefused', 'the certificate request is not one that can be signed', { cause });
  }
}

/**
 * Signs renewals for `createTunnelHub({ renew })`: the same key as the tunnel's alone. Another key needs a new enrolment.
 */
export function createRenewal(
  options: Pick<EnrolmentOptions, 'issue'>,
): (
  ctx: Context,
  identity: { readonly membershipUid: string; readonly keyHash: string },
  csrPem: string,
) => Promise<string> {
  return async (ctx, identity, csrPem) => {
    const certificatePem = await options.issue(ctx, {
      commonName: agentCommonName(identity.membershipUid),
      organizations: [agentOrganization],
      csrPem,
    });
    if (keyHashOf(new X509Certificate(certificatePem).publicKey) !== identity.keyHash)
      throw refused('a renewal is for the key that holds the tunnel');
    return certificatePem;
  };
}

async function read(request: ServerRequest): Promise<EnrolmentRequest> {
  const text = Buffer.from(await readBody(request.body, bodyBytesMax)).toString('utf8');
  const value = parse(text);
  const texts = ['token', 'serviceAccountToken', 'membershipUid'].every(
    (name) => value[name] === undefined || typeof value[name] === 'string',
  );
  const credentials = (value['token'] === undefined) !== (value['serviceAccountToken'] === undefined);
  if (!texts || !credentials || typeof value['externalId'] !== 'string' || typeof value['csrPem'] !== 'string') {
    throw refused('the request needs externalId, csrPem, and either token or serviceAccountToken');
  }
  return value as unknown as EnrolmentRequest;
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** The agent's call. Errors: EnrolmentRefused with the hub's words, and those of ground/http. */
export async function enrolAgent(ctx: Context, hub: Transport, request: EnrolmentRequest): Promise<Enrolment> {
  const body = Buffer.from(JSON.stringify(request));
  const response = await hub.request(ctx, {
    method: 'POST',
    url: enrolmentPath,
    headers: { 'content-type': 'application/json' },
    body,
  });
  const text = Buffer.from(await readBody(response.body, bodyBytesMax)).toString('utf8');
  const value = parse(text);
  if (response.status !== 200)
    throw refused(
      `the hub answered ${response.status}: ${typeof value['message'] === 'string' ? value['message'] : text.slice(0, 200)}`,
    );
  return value as unknown as Enrolment;
}

function answer(status: number, value: object): ServerResponse {
  return {
    status,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
    body: Buffer.from(JSON.stringify(value)),
  };
}

function refused(message: string): CodedError {
  return tunnelErrors.error('EnrolmentRefused', message);
}
