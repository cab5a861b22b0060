/** What a step may use: clients that write only while the run is ours, and the before-images of its lane. */
import { background, withTimeout, type Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { KubeClient, WriteOptions } from '@polyanthus/kube-client/client';
import { runSteps } from '@polyanthus/kube-kinds/own/runbook';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import { isStatus } from '@polyanthus/kube-objects/status';
import { parseKubeTime } from '@polyanthus/kube-runtime/times';
import { changeClaimed, readTarget } from './claims.ts';
import type { RunHandle, StepRecord } from './handle.ts';
import { isApproved, questionKey } from './questions.ts';
import type { StepIdentity, StepScope } from './runbook.ts';

/** Makes the scope of a step; `ctx` is the one of the attempt. */
export function scopeOf(ctx: Context, handle: RunHandle, record: StepRecord, mark?: unknown): StepScope {
  const { target, stage, lane } = record;
  const effect = async <T>(on: string, sentence: string, fn: () => Promise<T>): Promise<T> => {
    handle.emit(ctx, 'effect', { record, message: `${on}: ${sentence}` });
    await handle.guard(ctx);
    return fn();
  };
  const inLane = (step: string): StepRecord | undefined =>
    handle.records.find((one) => one.stage === stage && one.lane === lane && one.definition.id === step);
  return {
    client: guardedClient(handle, record),
    parameters: handle.options.parameters,
    target,
    identity: identityOf(handle, record),
    mark,
    kept: () => record.object.status?.kept,
    keep: (value) => handle.store(ctx, record, { kept: value }),
    effect,
    note: (message) => {
      record.noted = message;
      handle.emit(ctx, 'note', { record, message });
    },
    leave: (left) => void (record.left = left),
    ask: (why) => ask(ctx, handle, record, why),
    beforeOf: (step) => inLane(step)?.object.status?.before,
    markOf: (step) => inLane(step)?.object.status?.mark,
    live: async () => {
      if (target === undefined) throw new Error(`step ${record.definition.id} has no target`);
      return readTarget(ctx, handle, target);
    },
    change: async (sentence, patch) => {
      if (target === undefined) throw new Error(`step ${record.definition.id} has no target to change`);
      await effect(`${target.kind} ${target.name}`, sentence, () => changeClaimed(ctx, handle, target, patch));
    },
  };
}

async function ask(ctx: Context, handle: RunHandle, record: StepRecord, why: string): Promise<boolean> {
  const key = questionKey(record);
  if (key === undefined) throw new Error(`step ${record.definition.id} declares no question`);
  if (isApproved(handle.run, key)) {
    handle.questions.delete(key);
    return true;
  }
  if (!handle.questions.has(key)) {
    handle.questions.add(key);
    handle.emit(ctx, 'asks', { record, message: why });
    await handle.store(ctx, record, { message: `${why}; to allow it: approve ${key}` });
  }
  return false;
}

function identityOf(handle: RunHandle, record: StepRecord): StepIdentity {
  const { name = '', namespace = '', uid = '', creationTimestamp } = handle.run.metadata;
  return {
    run: name,
    namespace,
    uid,
    madeAtMs: parseKubeTime(creationTimestamp) ?? 0,
    epoch: handle.epoch,
    step: record.definition.id,
    attempt: record.object.status?.attempt ?? 0,
  };
}

/** Every write makes sure of the epoch first; what was read before it and is written with uid and resourceVersion is fenced. */
function guardedClient(handle: RunHandle, record: StepRecord): KubeClient {
  const client = handle.options.clusterClient;
  const guarded = async <T>(ctx: Context, fn: () => Promise<T>): Promise<T> => {
    await handle.guard(ctx);
    return fn();
  };
  const told = <T>(ctx: Context, what: string, send: (inner: Context) => Promise<T>): Promise<T> =>
    guarded(ctx, () => sendTold(ctx, handle, record, what, send));
  return {
    ...client,
    create: (ctx, type, object, options) =>
      guarded(ctx, () => createFenced(ctx, handle, record, { type, object, options })),
    createAt: (ctx, type, key, subresource, body, options) =>
      told(ctx, `${subresource} of ${nameOf(type, key)}`, (inner) =>
        client.createAt(inner, type, key, subresource, body, options),
      ),
    update: (ctx, type, object, options) =>
      told(ctx, `update of ${nameOf(type, object.metadata)}`, (inner) => client.update(inner, type, object, options)),
    patch: (ctx, type, key, patch, options) =>
      told(ctx, `patch of ${nameOf(type, key)}`, (inner) => client.patch(inner, type, key, patch, options)),
    delete: (ctx, type, key, options) =>
      told(ctx, `deletion of ${nameOf(type, key)}`, (inner) => client.delete(inner, type, key, options)),
    deleteCollection: (ctx, type, list, options) =>
      told(ctx, `deletion of ${type.resource}`, (inner) => client.deleteCollection(inner, type, list, options)),
  };
}

const nameOf = (type: ResourceType, key: { readonly namespace?: string | undefined; readonly name?: string }): string =>
  `${type.kind} ${key.namespace === undefined ? '' : `${key.namespace}/`}${key.name ?? ''}`;

/** How long a write, and taking it back or telling of it, may go on after the executor was told to stop. */
const writeMs = 30_000;

/**
 * A write that no resourceVersion fences may be carried out although a successor took over meanwhile: then the run is told,
 * so that its report counts it. Hence it goes on although the executor was told to stop.
 */
async function sendTold<T>(
  ctx: Context,
  handle: RunHandle,
  record: StepRecord,
  what: string,
  send: (inner: Context) => Promise<T>,
): Promise<T> {
  const detached = background({ log: ctx.log, clock: ctx.clock });
  return withTimeout(detached, writeMs, what, async (inner) => {
    const answer = await send(inner);
    try {
      await handle.guard(inner);
    } catch (error) {
      if (hasCode(error, 'RunTakenOver')) await handle.noteLate(inner, record, what);
      throw error;
    }
    return answer;
  });
}

interface Creation<T extends KubeObject> {
  readonly type: ResourceType<T>;
  readonly object: T;
  readonly options: WriteOptions | undefined;
}

/**
 * A creation has no precondition that could fence it: one that arrives late, when a successor has already undone the step,
 * is taken back. Hence it goes on although the executor was told to stop.
 */
async function createFenced<T extends KubeObject>(
  ctx: Context,
  handle: RunHandle,
  record: StepRecord,
  { type, object, options }: Creation<T>,
): Promise<T> {
  const detached = background({ log: ctx.log, clock: ctx.clock });
  return withTimeout(detached, writeMs, `creating ${type.kind}`, async (inner) => {
    const made = await handle.options.clusterClient.create(inner, type, object, options);
    try {
      await handle.guard(inner);
    } catch (error) {
      if (hasCode(error, 'RunTakenOver') && (await isUndoneBySuccessor(inner, handle, record)))
        await takeBack(inner, handle, type, made);
      throw error;
    }
    return made;
  });
}

async function isUndoneBySuccessor(ctx: Context, handle: RunHandle, { object }: StepRecord): Promise<boolean> {
  const { name = '', namespace } = object.metadata;
  const live = await handle.options.runsClient.get(ctx, runSteps, { namespace, name });
  return ['UndoIntended', 'UndoActed', 'Undone'].includes(live.status?.state ?? '');
}

async function takeBack(ctx: Context, handle: RunHandle, type: ResourceType, made: KubeObject): Promise<void> {
  const { namespace, name = '', uid = '' } = made.metadata;
  try {
    await handle.options.clusterClient.delete(ctx, type, { namespace, name }, { preconditions: { uid } });
  } catch (error) {
    if (!isStatus(error, 'NotFound') && !isStatus(error, 'Conflict')) throw error;
  }
}
