/**
 * The name of a hub's user or group as a member knows it. ServiceAccounts of the hub get names of their own there, since
 * the member has accounts with the same names: `system:serviceaccount:NS:NAME` becomes `hub:serviceaccount:NS:NAME`.
 */
export function memberName(name: string): string {
  return name.replace(/^system:serviceaccount(s?)(?=:|$)/, 'hub:serviceaccount$1');
}
