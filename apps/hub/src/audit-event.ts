/** A line of the gateway as an event of Kubernetes' audit log (audit.k8s.io/v1): what reads those reads the hub's too. */
import type { GatewayAudit } from '@polyanthus/engine-gateway/audit';

const own = (name: string): string => `fleet.polyanthus.dev/${name}`;

/** The annotations that say what an Event has no field for. */
export const auditAnnotations = {
  decision: 'authorization.k8s.io/decision',
  reason: 'authorization.k8s.io/reason',
  membership: own('membership'),
  source: own('source-address'),
  end: own('end'),
} as const;

/** The event, at level Metadata. */
export function auditEvent(line: GatewayAudit): object {
  const receivedMs = Date.parse(line.time);
  const { decision, reason, membership, source, end } = auditAnnotations;
  return {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'Metadata',
    auditID: line.auditId,
    stage: 'ResponseComplete',
    requestURI: line.uri,
    verb: line.verb,
    user: { username: line.user, groups: line.groups },
    ...(line.impersonated === undefined ? {} : { impersonatedUser: { username: line.impersonated } }),
    sourceIPs: [line.sourceAddress.replace(/:\d+$/, '').replaceAll(/[[\]]/g, '')],
    ...(line.userAgent === undefined ? {} : { userAgent: line.userAgent }),
    responseStatus: { metadata: {}, code: line.status },
    requestReceivedTimestamp: microTime(receivedMs),
    stageTimestamp: microTime(receivedMs + line.durationMs),
    annotations: {
      [decision]: line.allowed ? 'allow' : 'forbid',
      [reason]: line.reason,
      ...(line.membership === undefined ? {} : { [membership]: line.membership }),
      [source]: line.sourceAddress,
      [end]: line.end,
    },
  };
}

/** metav1.MicroTime, to the tenth of a millisecond that is known. */
function microTime(ms: number): string {
  const whole = Math.floor(ms);
  const rest = String(Math.round((ms - whole) * 10) * 100).padStart(3, '0');
  return new Date(whole).toISOString().replace(/Z$/, `${rest === '1000' ? '900' : rest}Z`);
}
