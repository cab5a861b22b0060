/** The store without files: for sandboxes and tests. Deterministic: it needs no timer and no turn of the event loop. */
import { emptyContent, SequencedStore, type StoreLog, type StoreOptions } from './sequencer.ts';
import type { Store } from './store.ts';

const nowhere: StoreLog = {
  commit: () => Promise.resolve(),
  compact: () => Promise.resolve(),
  close: () => Promise.resolve(),
};

/** An empty store. `clock` (monotonic) only ends pins; `history` bounds what watches and old reads may go back to. */
export function createMemoryStore(options: StoreOptions): Store {
  return new SequencedStore(nowhere, options, emptyContent);
}
