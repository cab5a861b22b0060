/** What the condition Ready of nodes and pods says. */
import type { KubeObject } from '@polyanthus/kube-objects/meta';

interface Conditioned {
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[] | undefined;
  };
}

/** Whether the condition Ready is True. */
export function isReady({ status }: Conditioned): boolean {
  return status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ?? false;
}

/** Ready, and not about to go. */
export function isServing(pod: KubeObject & Conditioned): boolean {
  return pod.metadata.deletionTimestamp === undefined && isReady(pod);
}
