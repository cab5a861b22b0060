/** Starts workers and hears them. In a checkout the entry is the source, in a bundle the file beside the main one. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Context } from '@polyanthus/ground-base/context';
import { CodedError } from '@polyanthus/ground-base/errors';
import { hubErrors } from './errors.ts';
import type { MainMessage, WorkerMessage } from './worker-messages.ts';

/** A worker that serves. */
export interface RunningWorker {
  readonly ports: Readonly<Record<string, number>>;
  /** Rejects when the worker ends without being told to. */
  readonly failed: Promise<never>;
  /** Tells it to stop and waits (10 s at most) until it has. */
  stop(): Promise<void>;
}

function entryOf(name: string): string {
  const bundled = join(import.meta.dirname, `${name}.mjs`);
  return existsSync(bundled) ? bundled : join(import.meta.dirname, `${name}.ts`);
}

/** Starts `name` and waits until it is ready. Throws what kept it from starting, with its own code and next step. */
export async function startWorker(ctx: Context, name: string, data: object): Promise<RunningWorker> {
  const worker = new Worker(entryOf(name), { workerData: data });
  const ended = new Promise<number>((resolve) => worker.once('exit', resolve));
  let stopping = false;
  const ready = Promise.withResolvers<Readonly<Record<string, number>>>();
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined);
  const fail = (error: unknown): void => {
    ready.reject(error);
    failed.reject(error);
  };
  worker.on('message', (message: WorkerMessage) => {
    if (message.kind === 'ready') ready.resolve(message.ports);
    else if (message.kind === 'log') ctx.log[message.level](message.message, { ...message.fields, worker: name });
    else
      fail(
        message.code === ''
          ? hubErrors.error('WorkerFailed', `${name}: ${message.message}`)
          : new CodedError(message.code, message.message, { next: message.next }),
      );
  });
  worker.once('error', (cause) => fail(hubErrors.error('WorkerFailed', `${name} ended with an error`, { cause })));
  void ended.then((code) =>
    stopping ? undefined : fail(hubErrors.error('WorkerFailed', `${name} ended with code ${code}`)),
  );
  const stop = async (): Promise<void> => {
    stopping = true;
    worker.postMessage({ kind: 'stop' } satisfies MainMessage);
    const late = ctx.clock.after(10_000, () => void worker.terminate());
    await ended;
    late.cancel();
  };
  try {
    return { ports: await ready.promise, failed: failed.promise, stop };
  } catch (error) {
    stopping = true;
    await worker.terminate();
    throw error;
  }
}
