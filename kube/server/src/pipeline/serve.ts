/** What every request goes through: who, may they, in how much time, and what it answers when something fails. */
import { withinTime, type Context } from '@polyanthus/ground-base/context';
import type { Counter } from '@polyanthus/ground-base/metrics';
import type { ServerRequest, ServerResponse } from '@polyanthus/ground-http/message';
import { requestInfo, type RequestInfo } from '@polyanthus/kube-access/request-info';
import type { Attributes, UserInfo } from '@polyanthus/kube-access/user';
import { impersonated, type Authenticate } from '../access/authentication.ts';
import { errorAnswer, pageNotFound } from '../answers.ts';
import { auditEvent, type AuditRecord, type AuditSink } from '@polyanthus/kube-access/audit';
import { whileOpen } from './while-open.ts';
import type { Cluster } from '../cluster.ts';
import { serveDocument } from '../documents.ts';
import { forbiddenAnswer } from '../forbidden.ts';
import { methodNotAllowed, noSuchPath, serveResource } from '../router.ts';
import type { Scope } from '../scope.ts';

/** What the pipeline needs to know of its cluster beyond `Cluster`. */
export interface PipelineParts {
  readonly cluster: Cluster;
  /** Who asks. Throws Unauthorized. */
  readonly authenticate: Authenticate;
  readonly limits: InFlight;
  readonly requests: Counter;
  readonly audit?: AuditSink;
}

/** Bounds what is at work at the same time. */
export interface InFlight {
  /** Returns how to give the place back; throws TooManyRequests when there is none. */
  enter(kind: 'mutating' | 'readOnly' | 'long'): () => void;
}

const requestTimeoutMs = 60_000;
const longSubresources: ReadonlySet<string> = new Set(['exec', 'attach', 'portforward', 'log', 'proxy']);

/** Answers one request to a logical cluster. Never throws but for programmer errors. */
export async function serveRequest(
  ctx: Context,
  parts: PipelineParts,
  request: ServerRequest,
): Promise<ServerResponse> {
  const at = request.url.indexOf('?');
  const target = requestInfo(request.method, request.url);
  const query = new URLSearchParams(at < 0 ? '' : request.url.slice(at + 1));
  const { verb } = target;
  const receivedMs = ctx.clock.now();
  const audit: AuditRecord = { id: parts.cluster.random.uuid(), receivedMs, request, verb };
  const answer = await bounded(ctx, parts, { request, target, query, verb, audit });
  parts.requests.add({
    verb: verb.toUpperCase(),
    code: String(answer.status),
    resource: target.resource,
  });
  parts.audit?.(auditEvent(ctx, audit, answer.status));
  return answer;
}

async function bounded(ctx: Context, parts: PipelineParts, parsed: Parsed): Promise<ServerResponse> {
  const { request, target, verb } = parsed;
  try {
    const long = verb === 'watch' || longSubresources.has(target.subresource);
    const leave = parts.limits.enter(long ? 'long' : isMutating(request.method) ? 'mutating' : 'readOnly');
    if (long) return await whileOpen(ctx, authorised(ctx, parts, parsed), leave);
    try {
      return await withinTime(ctx, requestTimeoutMs, 'the request', (inner) => authorised(inner, parts, parsed));
    } finally {
      leave();
    }
  } catch (error) {
    const answer = errorAnswer(error);
    if (answer.status === 500) ctx.log.warn('a request failed', { method: request.method, url: request.url, error });
    return answer;
  }
}

const isMutating = (method: string): boolean => !['GET', 'HEAD', 'OPTIONS'].includes(method);

interface Parsed {
  readonly request: ServerRequest;
  readonly target: RequestInfo;
  readonly query: URLSearchParams;
  readonly verb: string;
  readonly audit: AuditRecord;
}

async function authorised(ctx: Context, parts: PipelineParts, parsed: Parsed): Promise<ServerResponse> {
  const { request, target, query, verb } = parsed;
  const { cluster } = parts;
  const { audit } = parsed;
  audit.caller = await parts.authenticate(ctx, request);
  const user = (audit.user = await impersonated(cluster, audit.caller, request));
  const attributes = (audit.attributes = attributesOf(user, parsed));
  const decision = (audit.decision = await cluster.authorize(attributes));
  if (!decision.allowed) throw forbiddenAnswer(attributes, decision.reason);
  if (!target.isResourceRequest) return serveDocument({ ctx, cluster, request, query, user, path: target.path });
  const definition = cluster.registry.find(target.apiGroup, target.apiVersion, target.resource);
  const name = target.parts[1] ?? '';
  if (definition === undefined || verb === 'proxy' || !fitsScope(target, definition.type.namespaced))
    return knownVersion(cluster, target) ? errorAnswer(noSuchPath()) : pageNotFound();
  if (
    !means(request.method, verb, name) ||
    (verb === 'create' && definition.type.namespaced && target.namespace === '')
  )
    throw methodNotAllowed();
  // What is created is named by the body, and rights by the URL.
  if (verb === 'create' && name !== '' && target.subresource === '') throw methodNotAllowed();
  const warnings = new Set<string>();
  const scope: Scope = {
    ctx,
    cluster,
    request,
    query,
    user,
    definition,
    namespace: definition.type.namespaced ? target.namespace : '',
    name,
    subresource: target.parts.slice(2).join('/'),
    warnings,
    annotate: (key, value) => {
      audit.annotations ??= {};
      audit.annotations[key] ??= value;
    },
  };
  const response = await serveResource(scope, verb);
  return warnings.size === 0
    ? response
    : { ...response, headers: { ...response.headers, warning: [...warnings].map(warningHeader) } };
}

/** Whether anything is served at this group and version. */
function knownVersion(cluster: Cluster, { apiGroup, apiVersion }: RequestInfo): boolean {
  return cluster.registry.all().some(({ type }) => type.group === apiGroup && type.version === apiVersion);
}

/** Whether the path's form fits the resource's scope: only collections may be asked for in all namespaces. */
function fitsScope(target: RequestInfo, namespaced: boolean): boolean {
  const name = target.parts[1] ?? '';
  if (namespaced) return target.namespace !== '' || name === '';
  // A namespace is asked for with the rights in it; one below another would be judged by the rights in that one.
  return target.namespace === '' || (target.resource === 'namespaces' && target.namespace === name);
}

/** RFC 7234 warn-text; at most 4 KiB, as apiserver bounds it. */
function warningHeader(text: string): string {
  const clean = text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 4096);
  return `299 - "${clean.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** Whether the method of the URL's form is one that the API has: a collection is not updated, and only GET watches. */
function means(method: string, verb: string, name: string): boolean {
  if (verb === 'watch') return method === 'GET' || method === 'HEAD';
  return verb !== '' && (name !== '' || (verb !== 'update' && verb !== 'patch'));
}

function attributesOf(user: UserInfo, { target, verb }: Parsed): Attributes {
  if (!target.isResourceRequest) return { kind: 'nonResource', user, verb, path: target.path };
  const { apiGroup, apiVersion, resource, subresource, namespace, name } = target;
  return { kind: 'resource', user, verb, group: apiGroup, version: apiVersion, resource, subresource, namespace, name };
}
