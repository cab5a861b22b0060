/** Audit lines of what never reaches the gateway: enrolments, tunnels that are refused, requests that are no HTTP. */
import type { Context } from '@polyanthus/ground-base/context';
import type { Random } from '@polyanthus/ground-base/random';
import type { HttpFault } from '@polyanthus/ground-http/server-exchange';
import type { GatewayAudit } from '@polyanthus/engine-gateway/audit';
import { enrolmentPath, type AgentDecision } from '@polyanthus/engine-tunnel/enrolment';
import { tunnelPath } from '@polyanthus/engine-tunnel/hello';

/** Writes them. */
export interface DoorAudit {
  readonly enrolment: (decision: AgentDecision) => void;
  readonly tunnelRefused: (peerAddress: string, reason: string) => void;
  readonly fault: (fault: HttpFault) => void;
}

/** Lines of the same form as the gateway's; `write` takes them to the log. */
export function doorAudit(ctx: Context, random: Random, write: (line: GatewayAudit) => void): DoorAudit {
  const line = (verb: string, uri: string, decision: AgentDecision): void =>
    write({
      time: new Date(ctx.clock.now()).toISOString(),
      auditId: random.uuid(),
      user: '',
      groups: [],
      sourceAddress: decision.peerAddress,
      ...(decision.membership === undefined ? {} : { membership: decision.membership }),
      verb,
      uri,
      allowed: decision.allowed,
      reason: decision.reason,
      status: decision.status,
      durationMs: 0,
      end: 'complete',
    });
  return {
    enrolment: (decision) => line('enrol', enrolmentPath, decision),
    tunnelRefused: (peerAddress, reason) =>
      line('tunnel', tunnelPath, { peerAddress, allowed: false, reason, status: 101 }),
    fault: ({ peerAddress, message, status, method, url }) =>
      line(method.toLowerCase(), url.slice(0, 2_048), { peerAddress, allowed: false, reason: message, status }),
  };
}
