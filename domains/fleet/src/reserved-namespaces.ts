/** Namespaces of a member that no fleet takes: who is admin in them is master of the cluster, or of the agent. */
import { agentNamespace } from '@polyanthus/kube-kinds/own/ownership';

const reserved = /^(?:kube-|openshift-|default$)/;

/** Whether a fleet namespace may not have this name. */
export function isReservedNamespace(name: string): boolean {
  return name === agentNamespace || reserved.test(name);
}
