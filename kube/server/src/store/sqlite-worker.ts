/** The thread that owns the database file. It answers each request once, in order; see sqlite-thread.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { SqliteFile } from './sqlite-file.ts';
import type { ThreadReply, ThreadRequest } from './sqlite-thread.ts';

if (parentPort === null) throw new Error('sqlite-worker runs as a worker only');
const port = parentPort;
const file = new SqliteFile((workerData as { readonly path: string }).path);

port.on('message', (request: ThreadRequest) => {
  if (request.kind === 'compact') compact(request);
  else answer(request.id, () => (request.kind === 'commit' ? file.commit(request.batch) : close()));
});

/** Step by step, so that commits come in between. */
function compact(request: ThreadRequest & { readonly kind: 'compact' }): void {
  let more = false;
  const failed = answer(
    request.id,
    () => (more = file.compactStep(request.revision)),
    () => more,
  );
  if (!failed && more) setImmediate(() => compact(request));
}

/** Answers whether `fn` failed; while `unfinished` no success is reported. */
function answer(id: number, fn: () => void, unfinished: () => boolean = () => false): boolean {
  let reply: ThreadReply = { id };
  try {
    fn();
  } catch (error) {
    reply = { id, error: error instanceof Error ? error.message : String(error) };
  }
  if (reply.error !== undefined || !unfinished()) port.postMessage(reply);
  return reply.error !== undefined;
}

function close(): void {
  file.close();
  port.unref();
}
