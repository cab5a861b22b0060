/** One line of JSON for every request, written when it is over. */
import { header } from '@polyanthus/ground-http/headers';
import type { ServerRequest } from '@polyanthus/ground-http/message';
import { auditedUri } from '@polyanthus/kube-access/audit';
import type { UserInfo } from '@polyanthus/kube-access/user';

/** What is kept of one request; never a header, a body or a token. */
export interface GatewayAudit {
  /** RFC 3339, when the request arrived. */
  readonly time: string;
  readonly auditId: string;
  readonly user: string;
  readonly groups: readonly string[];
  /** Whom the caller acted as, by a right at the hub. */
  readonly impersonated?: string;
  readonly sourceAddress: string;
  readonly userAgent?: string;
  /** `fleet/name`; absent for the hub's own API. */
  readonly membership?: string;
  readonly verb: string;
  readonly uri: string;
  /** False when the hub itself refused. */
  readonly allowed: boolean;
  readonly reason: string;
  /** As the caller saw it; 101 for an upgrade. */
  readonly status: number;
  readonly durationMs: number;
  /** How the answer ended. */
  readonly end: 'complete' | 'broken' | 'closed';
}

/** What is known at first; `finish` gives the line, once. */
export interface AuditDraft {
  readonly auditId: string;
  user?: UserInfo;
  impersonated?: string;
  membership?: string;
  verb: string;
  allowed: boolean;
  reason: string;
  status: number;
}

/** The line; `durationMs` is rounded to a tenth. */
export function auditLine(
  served: { readonly request: ServerRequest; readonly draft: AuditDraft },
  arrivedMs: number,
  durationMs: number,
  end: GatewayAudit['end'],
): GatewayAudit {
  const { request, draft } = served;
  const userAgent = header(request.headers, 'user-agent');
  return {
    time: new Date(arrivedMs).toISOString(),
    auditId: draft.auditId,
    user: draft.user?.username ?? '',
    groups: draft.user?.groups ?? [],
    ...(draft.impersonated === undefined ? {} : { impersonated: draft.impersonated }),
    sourceAddress: request.peer.address,
    ...(userAgent === undefined ? {} : { userAgent }),
    ...(draft.membership === undefined ? {} : { membership: draft.membership }),
    verb: draft.verb,
    uri: auditedUri(request.url),
    allowed: draft.allowed,
    reason: draft.reason,
    status: draft.status,
    durationMs: Math.round(durationMs * 10) / 10,
    end,
  };
}
