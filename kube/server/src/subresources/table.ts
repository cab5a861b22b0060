/** Which code serves which subresource. */
import type { ServerResponse } from '@polyanthus/ground-http/message';
import type { Scope } from '../scope.ts';
import { bindPod } from './binding.ts';
import { evictPod } from './eviction.ts';
import { podLog, streamPod } from './kubelet.ts';
import { scaleVerb } from './scale.ts';
import { requestToken } from './token.ts';

export type SubresourceHandler = (scope: Scope, verb: string) => ServerResponse | Promise<ServerResponse>;

/** Subresources with the shape of their object: get, update, patch as of the object itself. */
export const objectSubresources: ReadonlySet<string> = new Set([
  'status',
  'finalize',
  'approval',
  'ephemeralcontainers',
  'resize',
]);

/** By `resource.group/subresource`, or `*` for all resources. */
export const subresourceHandlers: Readonly<Record<string, SubresourceHandler>> = {
  'pods/binding': bindPod,
  'pods/eviction': evictPod,
  'pods/exec': streamPod,
  'pods/attach': streamPod,
  'pods/portforward': streamPod,
  'pods/log': podLog,
  'serviceaccounts/token': requestToken,
  '*/scale': scaleVerb,
};
