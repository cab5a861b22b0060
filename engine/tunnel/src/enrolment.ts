/**
 * How an agent gets its certificate: once by a token that its owner copied into the member, later by the ServiceAccount
 * token of its own cluster. The hub keeps hashes of tokens alone.
 */
import { createHash } from 'node:crypto';
import type { Context } from '@polyanthus/ground-base/context';
import { CodedError } from '@polyanthus/ground-base/errors';
import type { Random } from '@polyanthus/ground-base/random';
import { readBody } from '@polyanthus/ground-http/body';
import type { Handler, ServerRequest, ServerResponse, Transport } from '@polyanthus/ground-http/message';
import { readCsr, type Authority } from '@polyanthus/ground-pki/authority';
import { verifyJwt } from '@polyanthus/ground-pki/jwt';
import { publicKeyHash } from '@polyanthus/ground-pki/keys';
import { agentOrganization } from './agent-key.ts';
import type { EnrolledMember, EnrolmentStore } from './enrolment-store.ts';
import { tunnelErrors } from './errors.ts';

/** Where the hub takes enrolments. */
export const enrolmentPath = '/enrol/v1/agents';

const bodyBytesMax = 64 * 1024;

/** What an agent sends, as JSON. */
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

/** What it gets, as JSON; all of it is for its own files. */
export interface Enrolment {
  readonly certificatePem: string;
  readonly membershipUid: string;
  /** `fleet/name`. */
  readonly membership: string;
  readonly hubId: string;
}

/** Accounts of a member that may enrol. All get a certificate of the agent; its key opens tunnels for one alone. */
export interface AgentSubjects {
  /** Its key becomes the key of the tunnel, in place of the one before. */
  readonly tunnel: string;
  /** Their keys are for the hub's API only. */
  readonly api: readonly string[];
}

/** That an agent was let in or not, and why. Never a token. */
export interface AgentDecision {
  readonly peerAddress: string;
  /** `fleet/name`, where it is proven. */
  readonly membership?: string;
  readonly allowed: boolean;
  readonly reason: string;
  readonly status: number;
}

/** What the endpoint is built from. */
export interface EnrolmentOptions {
  readonly hubId: string;
  readonly store: EnrolmentStore;
  /** The CA for agents. */
  readonly authority: Pick<Authority, 'issueClient'>;
  /** The agent's ServiceAccounts, each `system:serviceaccount:<namespace>:<name>`. */
  readonly agentSubjects: AgentSubjects;
  /** Told of every decision, for an audit log. */
  readonly onDecision?: (decision: AgentDecision) => void;
  /** Default 30 days; agents renew at a third of it. */
  readonly certificateTtlMs?: number;
}

const defaultTtlMs = 30 * 86_400_000;

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

/**
 * Audience of the ServiceAccount tokens that agents enrol with. The uid is the hub's own, so that a token is worth nothing
 * at another hub, nor for another membership.
 */
export function enrolmentAudience(membershipUid: string): string {
  return `polyanthus:enrol:${membershipUid}`;
}

/** Serves POST `/enrol/v1/agents`. Every refusal is 403 with the same words for unknown, expired and used tokens. */
export function createEnrolmentHandler(options: EnrolmentOptions): Handler {
  return async (ctx, request) => {
    if (request.url !== enrolmentPath) return answer(404, { code: 'NotFound', message: 'not found' });
    if (request.method !== 'POST')
      return answer(405, { code: 'MethodNotAllowed', message: 'POST alone is served here' });
    const peerAddress = request.peer.address;
    try {
      const enrolment = await enrol(ctx, await read(request), options);
      const { membership } = enrolment;
      options.onDecision?.({ peerAddress, membership, allowed: true, reason: 'enrolled', status: 200 });
      return answer(200, enrolment);
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      options.onDecision?.({ peerAddress, allowed: false, reason: `${error.code}: ${error.message}`, status: 403 });
      ctx.log.warn('an enrolment was refused', { peer: request.peer.address, error });
      return answer(403, { code: error.code, message: error.message });
    }
  };
}

async function enrol(ctx: Context, asked: EnrolmentRequest, options: EnrolmentOptions): Promise<Enrolment> {
  const { publicKeyPem } = await readCsr(asked.csrPem);
  const keyHash = publicKeyHash(publicKeyPem);
  const member =
    asked.token === undefined
      ? await byServiceAccount(ctx, asked, keyHash, options)
      : await byToken(ctx, asked, keyHash, options);
  const certificatePem = await sign(ctx, member.membershipUid, publicKeyPem, options);
  const { hubId } = options;
  return { certificatePem, membershipUid: member.membershipUid, membership: `${member.fleet}/${member.name}`, hubId };
}

async function byToken(
  ctx: Context,
  asked: EnrolmentRequest,
  keyHash: string,
  options: EnrolmentOptions,
): Promise<EnrolledMember> {
  const tokenHash = tokenHashOf(asked.token ?? '');
  const { externalId } = asked;
  const member = await options.store.redeem(ctx, { tokenHash, keyHash, externalId, nowMs: ctx.clock.now() });
  if (member === undefined) throw refused('the token is unknown, has expired or was used by another agent');
  return member;
}

async function byServiceAccount(
  ctx: Context,
  asked: EnrolmentRequest,
  keyHash: string,
  options: EnrolmentOptions,
): Promise<EnrolledMember> {
  const authority = await options.store.authorityOf(ctx, asked.membershipUid ?? '');
  if (authority === undefined || authority.externalId !== asked.externalId)
    throw refused(
      'the membership is unknown, has no keys of its cluster (spec.authority), or is that of another cluster',
    );
  const { tunnel, api } = options.agentSubjects;
  const subject = await subjectOf(ctx, asked.serviceAccountToken ?? '', authority);
  if (subject === tunnel) await options.store.replaceKey(ctx, authority.member.membershipUid, keyHash);
  else if (!api.includes(subject)) throw refused(`the token is that of ${subject}, not of the agent ${tunnel}`);
  return authority.member;
}

async function subjectOf(
  ctx: Context,
  token: string,
  authority: { readonly member: EnrolledMember; readonly issuer: string; readonly jwks: string },
): Promise<string> {
  const { issuer } = authority;
  const audience = enrolmentAudience(authority.member.membershipUid);
  try {
    const keys = JSON.parse(authority.jwks) as Parameters<typeof verifyJwt>[1];
    const claims = await verifyJwt(token, keys, { issuer, audiences: [audience], nowMs: ctx.clock.now() });
    return claims.sub ?? '';
  } catch (cause) {
    const message = `the ServiceAccount token was not accepted (issuer ${issuer}, audience ${audience})`;
    throw tunnelErrors.error('EnrolmentRefused', message, { cause });
  }
}

function sign(
  ctx: Context,
  membershipUid: string,
  publicKeyPem: string,
  options: Pick<EnrolmentOptions, 'authority' | 'certificateTtlMs'>,
): Promise<string> {
  return options.authority.issueClient(ctx.clock.now(), {
    commonName: agentCommonName(membershipUid),
    organizations: [agentOrganization],
    publicKeyPem,
    ttlMs: options.certificateTtlMs ?? defaultTtlMs,
  });
}

/** Signs renewals for `createTunnelHub({ renew })`: for the key of the tunnel alone. Another key needs a new enrolment. */
export function createRenewal(
  options: Pick<EnrolmentOptions, 'authority' | 'certificateTtlMs'>,
): (
  ctx: Context,
  identity: { readonly membershipUid: string; readonly keyHash: string },
  csrPem: string,
) => Promise<string> {
  return async (ctx, identity, csrPem) => {
    const { publicKeyPem } = await readCsr(csrPem);
    if (publicKeyHash(publicKeyPem) !== identity.keyHash)
      throw refused('a renewal is for the key that holds the tunnel');
    return sign(ctx, identity.membershipUid, publicKeyPem, options);
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
