/**
 * A batch on its way to the thread that writes it: the bytes of all rows in one buffer that is handed over, not copied,
 * and the rest as one JSON text, which is cheaper than cloning objects.
 */
import { encodeIndex } from './sqlite-format.ts';
import type { StoreEvent } from './store.ts';

/** One write of a batch. */
export interface BatchRow {
  readonly revision: number;
  readonly key: string;
  /** The revision of the object's creation; its row in `objects`. */
  readonly createRevision: number;
  readonly kind: 'create' | 'update' | 'delete';
  /** The index of what is put; empty for a delete. */
  readonly idx: string;
  /** How many of the batch's bytes are this row's; undefined for a delete without a last state. */
  readonly length?: number;
}

/** `rows` is the JSON of BatchRow[], `bytes` those of all rows in order. */
export interface Batch {
  readonly rows: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Copies the bytes of the events into one buffer, which can be handed to another thread. */
export function packBatch(events: readonly StoreEvent[]): Batch {
  let total = 0;
  for (const event of events) total += (event.object ?? event.final)?.bytes.length ?? 0;
  const bytes = new Uint8Array(total);
  let offset = 0;
  const rows = events.map((event) => {
    const stored = event.object ?? event.final;
    if (stored !== undefined) {
      bytes.set(stored.bytes, offset);
      offset += stored.bytes.length;
    }
    return rowOf(event, stored?.bytes.length);
  });
  return { rows: JSON.stringify(rows), bytes };
}

/** Each row with its bytes (a view into the batch), in order. */
export function* unpackBatch(batch: Batch): IterableIterator<{ readonly row: BatchRow; readonly bytes: Uint8Array }> {
  let offset = 0;
  for (const row of JSON.parse(batch.rows) as BatchRow[]) {
    const length = row.length ?? 0;
    yield { row, bytes: batch.bytes.subarray(offset, offset + length) };
    offset += length;
  }
}

function rowOf(event: StoreEvent, length: number | undefined): BatchRow {
  const { revision, key, object, previous } = event;
  return {
    revision,
    key,
    createRevision: (object ?? previous)?.createRevision ?? 0,
    kind: object === undefined ? 'delete' : previous === undefined ? 'create' : 'update',
    idx: object === undefined ? '' : encodeIndex(object.index),
    ...(length === undefined ? {} : { length }),
  };
}
