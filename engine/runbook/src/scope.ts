/** What a step may use: clients that write only while the run is ours, and the before-images of its lane. */
import type { Context } from '@polyanthus/ground-base/context';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { changeClaimed } from './claims.ts';
import type { RunHandle, StepRecord } from './handle.ts';
import type { StepScope } from './runbook.ts';

/** Makes the scope of a step; `ctx` is the one of the attempt. */
export function scopeOf(ctx: Context, handle: RunHandle, record: StepRecord, mark?: unknown): StepScope {
  const { target, stage, lane } = record;
  const effect = async <T>(on: string, sentence: string, fn: () => Promise<T>): Promise<T> => {
    handle.emit(ctx, 'effect', { record, message: `${on}: ${sentence}` });
    await handle.guard(ctx);
    return fn();
  };
  return {
    client: guardedClient(handle),
    parameters: handle.options.parameters,
    target,
    mark,
    effect,
    beforeOf: (step) =>
      handle.records.find((one) => one.stage === stage && one.lane === lane && one.definition.id === step)?.object
        .status?.before,
    change: async (sentence, patch) => {
      if (target === undefined) throw new Error(`step ${record.definition.id} has no target to change`);
      await effect(`${target.kind} ${target.name}`, sentence, () => changeClaimed(ctx, handle, target, patch));
    },
  };
}

/** Every write makes sure of the epoch first; what was read before it and is written with uid and resourceVersion is fenced. */
function guardedClient(handle: RunHandle): KubeClient {
  const client = handle.options.clusterClient;
  const guarded = async <T>(ctx: Context, fn: () => Promise<T>): Promise<T> => {
    await handle.guard(ctx);
    return fn();
  };
  return {
    ...client,
    create: (ctx, type, object, options) => guarded(ctx, () => client.create(ctx, type, object, options)),
    createAt: (ctx, type, key, subresource, body, options) =>
      guarded(ctx, () => client.createAt(ctx, type, key, subresource, body, options)),
    update: (ctx, type, object, options) => guarded(ctx, () => client.update(ctx, type, object, options)),
    patch: (ctx, type, key, patch, options) => guarded(ctx, () => client.patch(ctx, type, key, patch, options)),
    delete: (ctx, type, key, options) => guarded(ctx, () => client.delete(ctx, type, key, options)),
    deleteCollection: (ctx, type, list, options) =>
      guarded(ctx, () => client.deleteCollection(ctx, type, list, options)),
  };
}
