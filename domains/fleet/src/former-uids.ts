/**
 * Whom a Membership was before it was restored by another API server, which gives every object a new uid: agents' first
 * certificates and configurations name the old one until they are renewed.
 */
import type { Membership } from '@polyanthus/kube-kinds/own/fleet';

/** On a Membership: earlier uids, the newest first, separated by commas. Only a restore writes it. */
export const formerUidsAnnotation = 'fleet.polyanthus.dev/former-uids';

/** Restores that an agent may have slept through. */
const formerUidsMax = 5;

/** Earlier uids, the newest first. */
export function formerUids(membership: Membership): readonly string[] {
  const text = membership.metadata.annotations?.[formerUidsAnnotation] ?? '';
  return text
    .split(',')
    .filter((uid) => uid !== '')
    .slice(0, formerUidsMax);
}

/** The value of the annotation once `membership` gets another uid. */
export function formerUidsOf(membership: Membership): string {
  return [membership.metadata.uid ?? '', ...formerUids(membership)].slice(0, formerUidsMax).join(',');
}
