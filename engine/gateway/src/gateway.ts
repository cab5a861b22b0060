/**
 * The one way in. `/v1/projects/{fleet}/locations/global/memberships/{name}/…` goes to that member as the caller, all
 * else to the hub's own API with the caller's credentials (DESIGN section 4 "Tunnel and gateway").
 */
import type { Clock } from '@polyanthus/ground-base/clock';
import { type Context } from '@polyanthus/ground-base/context';
import type { Random } from '@polyanthus/ground-base/random';
import { guardBody, linkedSignal } from '@polyanthus/ground-http/guard';
import { header, headerAll } from '@polyanthus/ground-http/headers';
import type { Handler, HttpRequest, ServerRequest, ServerResponse, Transport } from '@polyanthus/ground-http/message';
import { endToEnd } from '@polyanthus/engine-tunnel/hop-headers';
import { answerUpgrade } from '@polyanthus/engine-tunnel/upgrade-answer';
import { requestInfo, type RequestInfo } from '@polyanthus/kube-access/request-info';
import type { Attributes, Decision, UserInfo } from '@polyanthus/kube-access/user';
import { notFound, statusError } from '@polyanthus/kube-objects/status';
import { fleetGroup } from '@polyanthus/kube-kinds/own/fleet';
import { statusAnswer } from './answers.ts';
import { auditLine, type AuditDraft, type GatewayAudit } from './audit.ts';
import { Exchanges } from './exchanges.ts';
import { memberHeaders } from './forwarded-headers.ts';
import { guardedMember } from './member-answer.ts';
import { hubRequest, type CallersApi } from './hub-api.ts';
import { actingUser } from './impersonation.ts';
import { aboveCeilingError, failureStatus, forbiddenRight } from './failures.ts';
import { defaultGatewayLimits, InFlight, type GatewayLimits } from './in-flight.ts';
import { aboveCeiling, isStream, neededRight, type GatewayMember } from './permission.ts';
import { memberPath, routeOf } from './route.ts';

/** What the gateway is built from; the apps give real parts, tests give tables. */
export interface GatewayOptions {
  /** Who asks; throws StatusError (Unauthorized) for credentials that are not good. */
  readonly authenticate: (ctx: Context, request: ServerRequest) => Promise<UserInfo>;
  readonly authorize: (ctx: Context, right: Attributes) => Promise<Decision>;
  /** From the fleet's informer; undefined: there is no such membership. */
  readonly findMember: (fleet: string, name: string) => GatewayMember | undefined;
  readonly transportTo: (membershipUid: string) => Transport;
  /** The hub's own API server. It must believe `X-Remote-*` of this transport alone. */
  readonly hubApi: CallersApi;
  readonly audit: (line: GatewayAudit) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits?: GatewayLimits;
}

/** The gateway as the app that mounts it sees it. */
export interface Gateway {
  readonly handler: Handler;
  /** Ends the requests under way whose right is gone: call it when roles, bindings or memberships change. Gives how many. */
  closeNoLongerAllowed(ctx: Context): Promise<number>;
  /** Requests under way to members. */
  readonly open: () => number;
}

const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
/** What may be switched to. Anything else (h2c above all) would make a raw pipe of requests nobody looks at. */
const protocols: ReadonlySet<string> = new Set(['websocket', 'spdy/3.1']);

/** Builds it. The handler answers every failure as a Status and throws for none; one audit line follows each request. */
export function createGateway(options: GatewayOptions): Gateway {
  const exchanges = new Exchanges();
  const server = new GatewayServer(options, exchanges);
  return {
    handler: (ctx, request) => server.handle(ctx, request),
    closeNoLongerAllowed: (ctx) => exchanges.closeNoLongerAllowed(ctx, options.authorize),
    open: () => exchanges.size,
  };
}

/** One request while it is served. */
interface Served {
  readonly request: ServerRequest;
  readonly upgrade: string | undefined;
  readonly draft: AuditDraft;
  /** Called once, when the answer is over; the last added first. */
  readonly onEnd: (() => void)[];
}

class GatewayServer {
  readonly #options: GatewayOptions;
  readonly #exchanges: Exchanges;
  readonly #inFlight: InFlight;

  constructor(options: GatewayOptions, exchanges: Exchanges) {
    this.#options = options;
    this.#exchanges = exchanges;
    this.#inFlight = new InFlight(options.limits ?? defaultGatewayLimits);
  }

  async handle(ctx: Context, request: ServerRequest): Promise<ServerResponse> {
    const { clock, random } = this.#options;
    const upgrade = header(request.headers, 'upgrade');
    const draft: AuditDraft = {
      auditId: random.uuid(),
      verb: request.method.toLowerCase(),
      allowed: false,
      reason: '',
      status: 0,
    };
    const served: Served = { request, upgrade, draft, onEnd: [] };
    const { controller, release } = linkedSignal(ctx.signal);
    const inner: Context = { ...ctx, signal: controller.signal };
    const arrived = { atMs: clock.now(), at: clock.monotonic() };
    served.onEnd.push(release);
    const finish = (end: GatewayAudit['end']): void => {
      for (const step of served.onEnd.splice(0).toReversed()) step();
      this.#options.audit(auditLine(served, arrived.atMs, clock.monotonic() - arrived.at, end));
    };
    const response = await this.#answer(inner, served, (reason) => controller.abort(reason)).catch((error: unknown) =>
      this.#failure(inner, served, error),
    );
    draft.status = response.status;
    return observed(inner, response, once(finish));
  }

  async #answer(ctx: Context, served: Served, abort: (reason: Error) => void): Promise<ServerResponse> {
    const { request, upgrade } = served;
    const route = routeOf(request.url);
    if (route.kind === 'refused') throw statusError('BadRequest', route.why);
    if (!methods.has(request.method))
      throw statusError('MethodNotAllowed', `the method ${request.method} is not served`);
    if (headerAll(request.headers, 'host').length > 1)
      throw statusError('BadRequest', 'the request names more than one host');
    if (upgrade !== undefined && !protocols.has(upgrade.toLowerCase()))
      throw statusError('BadRequest', `switching to ${upgrade} is not served`);
    const user = await this.#options.authenticate(ctx, withOneCredential(request));
    served.draft.user = user;
    return route.kind === 'hub'
      ? this.#hub(ctx, served, user)
      : this.#member(ctx, served, { caller: user, route, abort });
  }

  async #hub(ctx: Context, served: Served, user: UserInfo): Promise<ServerResponse> {
    const { request, draft } = served;
    const byCertificate = request.peer.certificate !== undefined && request.headers['authorization'] === undefined;
    const { transport, identity } = this.#options.hubApi(request, byCertificate ? user : undefined);
    served.onEnd.push(this.#inFlight.enter(user.username));
    draft.allowed = true;
    draft.reason = "judged by the hub's API";
    return this.#send(ctx, transport, hubRequest(request, identity), served.upgrade);
  }

  async #member(
    ctx: Context,
    served: Served,
    asked: { readonly caller: UserInfo; readonly route: MemberRoute; readonly abort: (reason: Error) => void },
  ): Promise<ServerResponse> {
    const { request, draft, upgrade } = served;
    const { route } = asked;
    draft.membership = `${route.fleet}/${route.membership}`;
    const { user, rights } = await actingUser(ctx, asked.caller, request.headers, this.#options.authorize);
    if (user !== asked.caller) draft.impersonated = user.username;
    const target = requestInfo(request.method, route.url);
    draft.verb = target.verb;
    const stream = isStream(target, upgrade !== undefined);
    const right = neededRight(user, route, target, stream);
    const decision = await this.#options.authorize(ctx, right);
    draft.reason = decision.reason;
    if (!decision.allowed) throw forbiddenRight(right);
    const member = this.#options.findMember(route.fleet, route.membership);
    if (member === undefined) throw notFound(fleetGroup, 'memberships', route.membership);
    const above = aboveCeiling(member, target, stream);
    if (above !== undefined) throw aboveCeilingError(member, above);
    const headers = memberHeaders(request.headers, user);
    served.onEnd.push(this.#inFlight.enter(user.username, draft.membership));
    served.onEnd.push(
      this.#exchanges.add({
        rights: [right, ...rights],
        stands: () => this.#stands(member, target, stream),
        close: asked.abort,
      }),
    );
    draft.allowed = true;
    const outgoing = {
      method: request.method,
      url: route.url,
      headers: upgrade === undefined ? headers : { ...headers, connection: 'Upgrade', upgrade },
      body: request.body,
    };
    const to = guardedMember(this.#options.transportTo(member.uid), memberPath(route.fleet, route.membership));
    return this.#send(ctx, to, outgoing, upgrade);
  }

  #stands(member: GatewayMember, target: RequestInfo, stream: boolean): boolean {
    const now = this.#options.findMember(member.fleet, member.name);
    return now?.uid === member.uid && aboveCeiling(now, target, stream) === undefined;
  }

  async #send(ctx: Context, to: Transport, request: HttpRequest, upgrade: string | undefined): Promise<ServerResponse> {
    if (upgrade !== undefined) return answerUpgrade(ctx, await to.upgrade(ctx, { ...request, body: null }));
    const response = await to.request(ctx, request);
    return { ...response, headers: endToEnd(response.headers) };
  }

  #failure(ctx: Context, served: Served, error: unknown): ServerResponse {
    const known = failureStatus(ctx, error, served.draft.membership);
    if (known === undefined) {
      if (ctx.signal.aborted) return callerGone(served.draft);
      ctx.log.error('a request failed in the gateway', { auditId: served.draft.auditId, error });
      return statusAnswer(
        statusError('InternalError', `the gateway failed; the log has more under ${served.draft.auditId}`),
      );
    }
    served.draft.reason ||= known.message;
    return statusAnswer(known, { warn: isDropped(known.httpStatus, served) });
  }
}

/** Whether kubectl would not print the Status: of discovery it shows a 403 as "unknown". */
function isDropped(httpStatus: number, { request, draft }: Served): boolean {
  if (httpStatus === 403) return isDiscovery(request);
  return httpStatus === 503 || (httpStatus === 404 && draft.membership !== undefined);
}

function isDiscovery({ method, url }: ServerRequest): boolean {
  const route = routeOf(url);
  const { isResourceRequest, resource } = requestInfo(method, route.kind === 'member' ? route.url : url);
  return !isResourceRequest || resource === '';
}

/** A token counts before a certificate, since the hub's API sees the token alone: both must mean the same user. */
function withOneCredential(request: ServerRequest): ServerRequest {
  if (request.headers['authorization'] === undefined) return request;
  const { certificate: _unused, ...peer } = request.peer;
  return { ...request, peer };
}

/** Nobody is there to get an answer; the status is for the audit line (nginx's number for it). */
function callerGone(draft: AuditDraft): ServerResponse {
  draft.reason ||= 'the caller went away';
  return { status: 499, headers: {}, body: null };
}

type MemberRoute = Extract<ReturnType<typeof routeOf>, { readonly kind: 'member' }>;

/** The answer, with `finish` called when it is over. */
function observed(ctx: Context, response: ServerResponse, finish: (end: GatewayAudit['end']) => void): ServerResponse {
  const { upgrade } = response;
  if (upgrade !== undefined) {
    ctx.signal.addEventListener('abort', () => finish('closed'), { once: true });
    return {
      ...response,
      upgrade: (socket, head) => {
        socket.once('close', () => finish('closed'));
        upgrade(socket, head);
      },
    };
  }
  const body = guardBody(ctx, response.body, { done: () => finish('complete'), stopped: () => finish('broken') });
  return { ...response, body };
}

function once<T>(fn: (value: T) => void): (value: T) => void {
  let done = false;
  return (value) => {
    if (done) return;
    done = true;
    fn(value);
  };
}
