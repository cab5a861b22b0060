/** The frame of a worker: logs and failures go to the main thread, a stop comes from it. */
import { parentPort } from 'node:worker_threads';
import { background, type Context } from '@polyanthus/ground-base/context';
import { CodedError } from '@polyanthus/ground-base/errors';
import { createLogger, describeError } from '@polyanthus/ground-base/log';
import type { MainMessage, WorkerMessage } from './worker-messages.ts';

/** Runs `start`, reports `ready` with what it answers, and calls the answer's `stop` when told to. */
export async function runWorker(
  start: (
    ctx: Context,
  ) => Promise<{ readonly ports: Readonly<Record<string, number>>; readonly stop: () => Promise<void> }>,
): Promise<void> {
  const port = parentPort;
  if (port === null) throw new Error('this file is the entry of a worker');
  const say = (message: WorkerMessage): void => port.postMessage(message);
  const stopping = new AbortController();
  const log = createLogger(
    ({ level, message, fields }) =>
      say({ kind: 'log', level, message, fields: JSON.parse(JSON.stringify(fields)) as Record<string, unknown> }),
    'debug',
  );
  try {
    const running = await start(background({ log, signal: stopping.signal }));
    port.on('message', (message: MainMessage) => {
      if (message.kind !== 'stop') return;
      stopping.abort();
      void running.stop().finally(() => process.exit(0));
    });
    say({ kind: 'ready', ports: running.ports });
  } catch (error) {
    const coded = error instanceof CodedError ? error : undefined;
    say({ kind: 'failed', code: coded?.code ?? '', message: describeError(error), next: coded?.next ?? '' });
  }
}
