/** One audit event a request, at level Metadata (audit.k8s.io/v1): who did what to which object, and how it ended. */
import type { Context } from '@polyanthus/ground-base/context';
import { headerAll } from '@polyanthus/ground-http/headers';
import type { ServerRequest } from '@polyanthus/ground-http/message';
import { userInfoJson, type Attributes, type Decision, type UserInfo } from './user.ts';

/** Takes the event, as JSON of audit.k8s.io/v1; bounded and never throwing is the receiver's duty. Bodies are never in it. */
export type AuditSink = (event: Readonly<Record<string, unknown>>) => void;

/** What is known of a request; filled as it goes through the pipeline. */
export interface AuditRecord {
  readonly id: string;
  readonly receivedMs: number;
  readonly request: ServerRequest;
  verb: string;
  /** Who sent it. */
  caller?: UserInfo;
  /** Whom they act as, when another. */
  user?: UserInfo;
  attributes?: Attributes;
  decision?: Decision;
  /** What admission has to say of it, by key. */
  annotations?: Record<string, string>;
}

/** The event of a finished request. */
export function auditEvent(ctx: Context, record: AuditRecord, code: number): Readonly<Record<string, unknown>> {
  const { request, caller, user, attributes, decision } = record;
  const agent = headerAll(request.headers, 'user-agent')[0];
  return {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'Metadata',
    auditID: record.id,
    stage: 'ResponseComplete',
    requestURI: auditedUri(request.url),
    verb: record.verb,
    user: caller === undefined ? {} : userInfoJson(caller),
    ...(user === undefined || user === caller ? {} : { impersonatedUser: userInfoJson(user) }),
    sourceIPs: [request.peer.address.replace(/:\d+$/, '')],
    ...(agent === undefined ? {} : { userAgent: agent }),
    ...(attributes?.kind === 'resource' ? { objectRef: objectRef(attributes) } : {}),
    responseStatus: { metadata: {}, code },
    requestReceivedTimestamp: microTime(record.receivedMs),
    stageTimestamp: microTime(ctx.clock.now()),
    ...(decision === undefined
      ? {}
      : {
          annotations: {
            ...record.annotations,
            'authorization.k8s.io/decision': decision.allowed ? 'allow' : 'forbid',
            'authorization.k8s.io/reason': decision.reason,
          },
        }),
  };
}

function objectRef(attributes: Attributes & { readonly kind: 'resource' }): Record<string, string> {
  const { resource, namespace, name, group, version, subresource } = attributes;
  const parts = { resource, namespace, name, apiGroup: group, apiVersion: version, subresource };
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== ''));
}

/** metav1.MicroTime. */
function microTime(ms: number): string {
  return new Date(ms).toISOString().replace(/Z$/, '000Z');
}

const secretParameters = /([?&](?:access_token|token|api_key)=)[^&]*/gi;

/** A URL as it may be written down: bounded, and the values of parameters that carry tokens left out. */
export function auditedUri(url: string): string {
  return url.slice(0, 2_048).replaceAll(secretParameters, '$1…');
}
