/** What the condition Ready of nodes and pods says. */
import type { KubeObject } from '@polyanthus/kube-objects/meta';

interface Conditioned {
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[] | undefined;
  };
}

/** True, False or Unknown, as the condition Ready says; undefined without it. */
export function readyStatus({ status }: Conditioned): string | undefined {
  return status?.conditions?.find((one) => one.type === 'Ready')?.status;
}

/** Whether the condition Ready is True. */
export function isReady(of: Conditioned): boolean {
  return readyStatus(of) === 'True';
}

/** Ready, and not about to go. */
export function isServing(pod: KubeObject & Conditioned): boolean {
  return pod.metadata.deletionTimestamp === undefined && isReady(pod);
}
