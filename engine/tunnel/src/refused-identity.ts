/**
 * Identities that mean something inside a member: nobody comes in as one of them. Refused is every name under prefixes
 * that Kubernetes and the distributions keep for themselves, so that a new one of theirs is refused too.
 */

const reserved = /^(?:system|kubeadm|eks):/;
/** What every API server itself adds to whoever it knows. */
const harmless: ReadonlySet<string> = new Set(['system:authenticated']);

/** Why this identity is refused, or undefined when it may be impersonated. */
export function refusedIdentity(user: {
  readonly username: string;
  readonly groups: readonly string[];
}): string | undefined {
  if (reserved.test(user.username)) return `user "${user.username}" means something inside the member`;
  const group = user.groups.find((one) => reserved.test(one) && !harmless.has(one));
  return group === undefined ? undefined : `group "${group}" means something inside the member`;
}
