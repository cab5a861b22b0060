/** Which right a request to a member needs at the hub, and what a membership's ceiling leaves of it. */
import type { RequestInfo } from '@polyanthus/kube-access/request-info';
import type { Attributes, UserInfo } from '@polyanthus/kube-access/user';
import { fleetGroup } from '@polyanthus/kube-kinds/own/fleet';

/** A member as far as the gateway must know it. */
export interface GatewayMember {
  readonly uid: string;
  readonly fleet: string;
  readonly name: string;
  readonly ceiling: 'full' | 'readonly';
}

/** A right on a resource. */
export type ResourceRight = Extract<Attributes, { readonly kind: 'resource' }>;

const podStreams: ReadonlySet<string> = new Set(['exec', 'attach', 'portforward']);

/**
 * Whether a request gives hands inside a cluster: exec, attach and port-forward by whichever method, the kubelet's API
 * through nodes/proxy, and any other switch of protocols but that of a watch.
 */
export function isStream(target: RequestInfo, upgrades: boolean): boolean {
  if (target.isResourceRequest && target.resource === 'pods' && podStreams.has(target.subresource)) return true;
  if (target.isResourceRequest && target.resource === 'nodes' && target.subresource === 'proxy') return true;
  return target.verb === 'proxy' || (upgrades && target.verb !== 'watch');
}

const reading: ReadonlySet<string> = new Set(['get', 'list', 'watch']);
const questions: ReadonlySet<string> = new Set([
  'selfsubjectaccessreviews',
  'selfsubjectrulesreviews',
  'selfsubjectreviews',
]);

/** Whether a request only asks who or what its own user is: created in form, read in meaning (kubectl auth can-i, whoami). */
function asksOfOneself(target: RequestInfo): boolean {
  return target.isResourceRequest && target.verb === 'create' && questions.has(target.resource);
}

/**
 * The right on `memberships` in the fleet's namespace: the target's verb on `gateway`, or `create` on `stream`. A question
 * about oneself needs `get`: who may read in a member may know what they may.
 */
export function neededRight(
  user: UserInfo,
  at: { readonly fleet: string; readonly membership: string },
  target: RequestInfo,
  stream: boolean,
): ResourceRight {
  return {
    kind: 'resource',
    user,
    verb: stream ? 'create' : asksOfOneself(target) ? 'get' : target.verb,
    group: fleetGroup,
    version: 'v1',
    resource: 'memberships',
    subresource: stream ? 'stream' : 'gateway',
    namespace: at.fleet,
    name: at.membership,
  };
}

/** Why a request is above the ceiling, or undefined. Read-only leaves reads, and questions about one's own rights. */
export function aboveCeiling(member: GatewayMember, target: RequestInfo, stream: boolean): string | undefined {
  if (member.ceiling === 'full') return undefined;
  if (stream) return 'streams into pods and nodes are closed';
  if (asksOfOneself(target)) return undefined;
  if (target.isResourceRequest && target.subresource === 'proxy')
    return 'proxying to pods, services and nodes is closed';
  return reading.has(target.verb) ? undefined : `"${target.verb}" is not reading`;
}
