/** The user that a member's agent is at the hub: its certificate's common name. Bound to the uid, since names come again. */
export function agentUser(membershipUid: string): string {
  return `polyanthus:agent:${membershipUid}`;
}
