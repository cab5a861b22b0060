/** What users ask of a run: changes of its spec, which the executor reads. */
import type { Context } from '@polyanthus/ground-base/context';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { runs, type Run } from '@polyanthus/kube-kinds/own/runbook';
import { isStatus } from '@polyanthus/kube-objects/status';

/** One request. */
export type RunRequest =
  | { readonly kind: 'pause' | 'resume' | 'abort' }
  /** `STEP` or `STEP/TARGET`. */
  | { readonly kind: 'approve'; readonly steps: readonly string[] }
  /** `to`: the last step that stays; absent: nothing stays. */
  | { readonly kind: 'undo'; readonly to: string | undefined };

const conflictsMax = 10;

/** Writes the request into the Run; answers the Run. Resuming takes pause and abort back, and undoing takes abort back. */
export async function requestOf(
  ctx: Context,
  runsClient: KubeClient,
  key: { readonly namespace: string; readonly name: string },
  request: RunRequest,
): Promise<Run> {
  for (let left = conflictsMax; ; left--) {
    const run = await runsClient.get(ctx, runs, key);
    try {
      return await runsClient.update(ctx, runs, { ...run, spec: { ...run.spec, ...changeOf(run, request) } });
    } catch (error) {
      if (!isStatus(error, 'Conflict') || left === 0) throw error;
    }
  }
}

function changeOf({ spec, status }: Run, request: RunRequest): Partial<Run['spec']> {
  switch (request.kind) {
    case 'pause':
      return { paused: true };
    case 'resume':
      return { paused: false, abort: false, resumes: (status?.resumes ?? 0) + 1 };
    case 'abort':
      return { abort: true };
    case 'approve':
      return { approvals: [...new Set([...(spec.approvals ?? []), ...request.steps])] };
    case 'undo':
      return {
        paused: false,
        abort: false,
        undo: { number: (status?.undos ?? 0) + 1, ...(request.to === undefined ? {} : { to: request.to }) },
      };
    default:
      return request satisfies never;
  }
}
