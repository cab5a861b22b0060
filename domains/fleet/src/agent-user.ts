/** The user that a member's agent is at the hub: its certificate's common name. Bound to the uid, since names come again. */
import { agentCommonName } from '@polyanthus/engine-tunnel/enrolment';

/** `polyanthus:agent:UID`. */
export function agentUser(membershipUid: string): string {
  return agentCommonName(membershipUid);
}
