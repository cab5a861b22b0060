/** Identities that mean something inside a member: nobody may come in as one of them. */

const users = /^system:(admin|apiserver|kube-|node:|serviceaccount:|volume-scheduler|aggregator)/;
const groups = /^system:(masters|nodes|serviceaccounts|bootstrappers|kubeadm|monitoring)/;

/** Why this identity is refused, or undefined when it may be impersonated. */
export function refusedIdentity(user: {
  readonly username: string;
  readonly groups: readonly string[];
}): string | undefined {
  if (users.test(user.username)) return `user "${user.username}" means something inside the member`;
  const group = user.groups.find((one) => groups.test(one));
  return group === undefined ? undefined : `group "${group}" means something inside the member`;
}
