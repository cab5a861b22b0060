/** Speaks with the thread that owns the database file. */
import { Worker } from 'node:worker_threads';
import { packBatch, type Batch } from './sqlite-batch.ts';
import type { StoreLog } from './sequencer.ts';

/** What the thread is asked. */
export type ThreadRequest =
  | { readonly id: number; readonly kind: 'commit'; readonly batch: Batch }
  | { readonly id: number; readonly kind: 'compact'; readonly revision: number }
  | { readonly id: number; readonly kind: 'close' };

/** The answer to the request with this id; without `error` it is done and durable. */
export interface ThreadReply {
  readonly id: number;
  readonly error?: string;
}

type Ask =
  | { readonly kind: 'commit'; readonly batch: Batch }
  | { readonly kind: 'compact'; readonly revision: number }
  | { readonly kind: 'close' };

/** Starts sqlite-worker.ts; one-file builds pass their own, which runs the same module from a string. */
export type StartWorker = (data: { readonly path: string }) => Worker;

/** Flags of the parent (`--input-type`, `--inspect`) are not for the thread. */
export const startWorkerFromSource: StartWorker = (data) =>
  new Worker(new URL('sqlite-worker.ts', import.meta.url), { workerData: data, execArgv: [] });

/** The log of a store in the file at `path`, which must have been verified. `release` is called once it is closed. */
export function threadLog(path: string, start: StartWorker, release: () => void): StoreLog {
  const worker = start({ path });
  const waiting = new Map<number, PromiseWithResolvers<void>>();
  let lastId = 0;
  let ended: Error | undefined;

  const end = (error: Error): void => {
    ended ??= error;
    for (const { reject } of waiting.values()) reject(ended);
    waiting.clear();
  };
  worker.on('message', ({ id, error }: ThreadReply) => {
    const asked = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) asked?.resolve();
    else asked?.reject(new Error(error));
  });
  worker.on('error', (error: unknown) => end(error instanceof Error ? error : new Error(String(error))));
  worker.on('exit', () => end(new Error('the thread of the store has ended')));

  const ask = (request: Ask, transfer: ArrayBuffer[] = []): Promise<void> => {
    if (ended !== undefined) return Promise.reject(ended);
    const id = ++lastId;
    const asked = Promise.withResolvers<void>();
    waiting.set(id, asked);
    worker.postMessage({ ...request, id }, transfer);
    return asked.promise;
  };
  return {
    commit: (events) => {
      const batch = packBatch(events);
      return ask({ kind: 'commit', batch }, [batch.bytes.buffer]);
    },
    compact: (revision) => ask({ kind: 'compact', revision }),
    close: async () => {
      // A thread that has ended has nothing left to close.
      await ask({ kind: 'close' }).catch(() => undefined);
      await worker.terminate();
      release();
    },
  };
}
