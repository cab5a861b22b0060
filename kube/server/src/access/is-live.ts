/** Whether a token's objects still exist. */
import type { ServiceAccountClaims } from '@polyanthus/kube-access/service-account-tokens';
import type { ObjectReader } from '../object-reader.ts';

/** Whether the account of a token, and what the token is bound to, still are the same objects. */
export function isLive(cluster: ObjectReader, { namespace, name, uid, bound }: ServiceAccountClaims): boolean {
  if (cluster.find('', 'serviceaccounts', namespace, name)?.index.uid !== uid) return false;
  if (bound === undefined) return true;
  const resource = { Pod: 'pods', Secret: 'secrets', Node: 'nodes' }[bound.kind];
  return cluster.find('', resource, bound.kind === 'Node' ? '' : namespace, bound.name)?.index.uid === bound.uid;
}
