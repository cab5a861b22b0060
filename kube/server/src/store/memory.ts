/** The store without files: for sandboxes and tests. Deterministic: it needs no timer and no turn of the event loop. */
import type { ObjectTable } from './object-table.ts';
import { emptyContent, SequencedStore, type StoreLog, type StoreOptions } from './sequencer.ts';
import type { Store } from './store.ts';

const nowhere: StoreLog = {
  commit: () => Promise.resolve(),
  compact: () => Promise.resolve(),
  close: () => Promise.resolve(),
};

/** The objects of a store at one moment; never changed. A store that begins from it shares what it does not write. */
export interface FrozenContent {
  readonly objects: ObjectTable;
  readonly revision: number;
}

/** A store whose content can be held on to at no cost. */
export interface MemoryStore extends Store {
  /** What is committed now. */
  freeze(): FrozenContent;
}

/**
 * An empty store, or one with a frozen content, whose history begins there. `clock` (monotonic) only ends pins; `history`
 * bounds what watches and old reads may go back to.
 */
export function createMemoryStore(options: StoreOptions, from?: FrozenContent): MemoryStore {
  const content =
    from === undefined ? emptyContent : { objects: from.objects, events: [], compactedRevision: from.revision };
  const store = new SequencedStore(nowhere, options, content);
  return Object.assign(store, { freeze: () => ({ objects: store.objects(), revision: store.revision }) });
}
