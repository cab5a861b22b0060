/** Following objects to be woken by their changes, by callers that would look at intervals anyway. */
import { withCancel, type Context } from '@polyanthus/ground-base/context';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { WatchEvent } from './client.ts';

/** A watch that may end at any time. */
export interface Following {
  /** False when the watch has ended: from then on only looking tells. */
  alive(): boolean;
  stop(): void;
}

/**
 * Calls `on` for each event until `stop`, the end of the context, or of the watch (the server ends it after a while, or
 * refuses it). Nothing is thrown, and nothing is begun anew: a caller that must not miss anything wants an informer.
 */
export function follow<T extends KubeObject>(
  ctx: Context,
  watch: (ctx: Context) => AsyncIterable<WatchEvent<T>>,
  on: (event: WatchEvent<T>) => void,
): Following {
  const { ctx: inner, cancel } = withCancel(ctx);
  let alive = true;
  const run = async (): Promise<void> => {
    for await (const event of watch(inner)) {
      if (inner.signal.aborted) return;
      on(event);
    }
  };
  run()
    .catch((error: unknown) => {
      if (!inner.signal.aborted) ctx.log.debug('a watch ended, looking at intervals instead', { error });
    })
    .finally(() => (alive = false));
  return { alive: () => alive, stop: () => cancel() };
}
