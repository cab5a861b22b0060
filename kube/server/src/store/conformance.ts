/** What every Store must do: examples, and a property against a model that keeps every state it ever had. */
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Clock } from '@polyanthus/ground-base/clock';
import { background, withCancel } from '@polyanthus/ground-base/context';
import { createVirtualClock, type VirtualClock } from '@polyanthus/ground-testing/virtual-clock';
import type { HistoryLimits } from './history.ts';
import type { Store, StoredObject, StoreEvent, WriteResult } from './store.ts';

export interface StoreUnderTest {
  open(options: { readonly clock: Clock; readonly history?: HistoryLimits }): Promise<Store>;
}

const ctx = background();

export function put(store: Store, key: string, expected = 0, text = 'value'): Promise<WriteResult> {
  return store.write(ctx, {
    kind: 'put',
    key,
    expected,
    index: { labels: { text } },
    encode: (revision) => Buffer.from(`${text}@${revision}`),
  });
}

export function remove(store: Store, key: string, expected: number): Promise<WriteResult> {
  return store.write(ctx, { kind: 'delete', key, expected, encode: (revision) => Buffer.from(`gone@${revision}`) });
}

export function textOf(object: StoredObject | undefined): string | undefined {
  return object === undefined ? undefined : Buffer.from(object.bytes).toString();
}

/** Runs the suite. `numRuns` bounds the property. */
export function describeStore(name: string, make: () => StoreUnderTest, numRuns: number): void {
  describe(name, () => {
    let store: Store;
    let clock: VirtualClock;
    const get = (): Store => store;
    beforeEach(async () => {
      clock = createVirtualClock({ startMs: 0 });
      store = await make().open({ clock });
    });
    afterEach(() => store.close());
    describeWrites(get);
    describeRanges(get);
    describeWatches(get);
    describeHistory(get, () => clock, make);
    test('agrees with a model under random writes, pages at old revisions and watches', () =>
      checkModel(make, numRuns));
  });
}

function describeWrites(store: () => Store): void {
  test('a write gets the next revision, which its bytes contain', async () => {
    const created = await put(store(), 'c/g/r/n/a');
    const updated = await put(store(), 'c/g/r/n/a', 1, 'other');
    expect([created, updated].map((result) => result.ok && textOf(result.object))).toEqual(['value@1', 'other@2']);
    expect(store().get('c/g/r/n/a')).toMatchObject({
      revision: 2,
      createRevision: 1,
      index: { labels: { text: 'other' } },
    });
    expect(updated).toMatchObject({ ok: true, revision: 2, previous: { revision: 1 } });
  });

  test('a write that expects another revision is refused and uses none', async () => {
    await put(store(), 'c/g/r/n/a');
    expect(await put(store(), 'c/g/r/n/a')).toMatchObject({ ok: false, current: { revision: 1 } });
    expect(await put(store(), 'c/g/r/n/b', 7)).toEqual({ ok: false, current: undefined });
    expect(await remove(store(), 'c/g/r/n/b', 0)).toEqual({ ok: false, current: undefined });
    expect(store().revision).toBe(1);
  });

  test('of writes on their way to one key exactly one wins', async () => {
    const results = await Promise.all(
      Array.from({ length: 10 }, (_, index) => put(store(), 'c/g/r/n/a', 0, `writer${index}`)),
    );
    expect(results.map((result) => result.ok)).toEqual([true, ...Array<boolean>(9).fill(false)]);
    const chain = await Promise.all([
      put(store(), 'c/g/r/n/a', 1),
      put(store(), 'c/g/r/n/a', 2),
      remove(store(), 'c/g/r/n/a', 3),
      put(store(), 'c/g/r/n/a'),
    ]);
    expect(chain.map((result) => result.ok)).toEqual([true, true, true, true]);
    expect(store().get('c/g/r/n/a')).toMatchObject({ revision: 5, createRevision: 5 });
  });

  test('a delete gives the last state with its own revision', async () => {
    await put(store(), 'c/g/r/n/a');
    const events: StoreEvent[] = [];
    store().watch('', 1, (event) => events.push(event));
    const result = await remove(store(), 'c/g/r/n/a', 1);
    expect(result.ok && textOf(result.object)).toBe('gone@2');
    expect(events).toMatchObject([{ revision: 2, object: undefined, previous: { revision: 1 } }]);
    expect(textOf(events[0]?.final)).toBe('gone@2');
    expect(store().get('c/g/r/n/a')).toBeUndefined();
  });

  test('a failing encode and a cancelled context write nothing', async () => {
    const encode = (): Uint8Array => {
      throw new Error('too large');
    };
    await expect(store().write(ctx, { kind: 'put', key: 'c/g/r/n/a', expected: 0, index: {}, encode })).rejects.toThrow(
      'too large',
    );
    const { ctx: gone, cancel } = withCancel(ctx);
    cancel();
    await expect(store().write(gone, { kind: 'delete', key: 'c/g/r/n/a', expected: 0 })).rejects.toMatchObject({
      code: 'Cancelled',
    });
    expect(await put(store(), 'c/g/r/n/a')).toMatchObject({ revision: 1 });
  });

  test('takes no writes once closed', async () => {
    const last = put(store(), 'c/g/r/n/a');
    await store().close();
    expect(await last).toMatchObject({ ok: true });
    await expect(put(store(), 'c/g/r/n/b')).rejects.toMatchObject({ code: 'StoreClosed' });
    expect(store().writable).toBe(false);
  });
}

function describeRanges(store: () => Store): void {
  test('ranges are in key order across resources, with a filter and a count', async () => {
    const keys = ['c/g/r/n/b', 'c/g/r/n/a', 'c/g/r-x/n/a', 'c/g/r//z', 'd/g/r/n/a', 'c//r/n/a', 'cc/g/r/n/a'];
    for (const key of keys) await put(store(), key, 0, key.endsWith('a') ? 'even' : 'odd');
    const range = (prefix: string): string[] =>
      store()
        .range(prefix)
        .objects.map((object) => object.key);
    expect(range('')).toEqual([...keys].sort());
    expect(range('c/g/')).toEqual(['c/g/r-x/n/a', 'c/g/r//z', 'c/g/r/n/a', 'c/g/r/n/b']);
    expect(range('c/g/r/n/')).toEqual(['c/g/r/n/a', 'c/g/r/n/b']);
    expect(['', 'c/', 'c/g/r/', 'c/g/r/n/', 'x/'].map((prefix) => store().count(prefix))).toEqual([7, 5, 3, 2, 0]);
    const filtered = store().range('c/', { filter: (object) => object.index.labels?.['text'] === 'even', limit: 2 });
    expect(filtered.objects.map((object) => object.key)).toEqual(['c//r/n/a', 'c/g/r-x/n/a']);
    expect(filtered.next).toBe('c/g/r/n/a');
  });

  test('pages at a revision show what was there then, whatever is written between them', async () => {
    for (const name of ['a', 'b', 'c', 'd']) await put(store(), `c/g/r/n/${name}`);
    const first = store().range('c/g/r/', { limit: 2 });
    expect(first).toMatchObject({ revision: 4, next: 'c/g/r/n/c', remaining: 2 });
    await remove(store(), 'c/g/r/n/c', 3);
    await put(store(), 'c/g/r/n/d', 4, 'later');
    await put(store(), 'c/g/r/n/e');
    const second = store().range('c/g/r/', { from: first.next ?? '', limit: 1, revision: first.revision });
    expect(second).toMatchObject({
      objects: [{ key: 'c/g/r/n/c', revision: 3 }],
      next: 'c/g/r/n/d',
      remaining: 1,
      revision: 4,
    });
    expect(textOf(store().range('c/g/r/', { from: second.next ?? '', revision: 4 }).objects[0])).toBe('value@4');
    expect(() => store().range('', { revision: 99 })).toThrow(expect.objectContaining({ code: 'FutureRevision' }));
  });
}

function describeWatches(store: () => Store): void {
  test('a watch gives its backlog at once, then what comes, of its prefix only', async () => {
    for (const key of ['c/g/r/n/a', 'c/g/r/m/a', 'c/g/r/n/b']) await put(store(), key);
    const revisions: number[] = [];
    const watch = store().watch('c/g/r/n/', 1, (event) => revisions.push(event.revision));
    expect(revisions).toEqual([3]);
    await Promise.all(['c/g/r/n/c', 'c/g/r2/n/c', 'c/g/r/n/d'].map((key) => put(store(), key)));
    expect(revisions).toEqual([3, 4, 6]);
    watch.close();
    await put(store(), 'c/g/r/n/e');
    expect(revisions).toEqual([3, 4, 6]);
  });

  test('an event is published before its write is acknowledged, and reads then see it', async () => {
    const order: string[] = [];
    store().watch('', 0, (event) =>
      order.push(`event ${event.revision} sees ${store().revision} ${textOf(store().get(event.key))}`),
    );
    await Promise.all(
      [1, 2].map((number) => put(store(), `c/g/r/n/${number}`).then(() => order.push(`ack ${number}`))),
    );
    expect(order).toEqual(['event 1 sees 1 value@1', 'event 2 sees 2 value@2', 'ack 1', 'ack 2']);
  });

  test('watches opened and closed from inside a delivery lose nothing and hear nothing twice', async () => {
    await put(store(), 'c/g/r/n/a');
    const inner: number[] = [];
    const outer: number[] = [];
    const watch = store().watch('c/g/r/', 1, (event) => {
      outer.push(event.revision);
      if (outer.length === 1) store().watch('c/g/r/', 0, (each) => inner.push(each.revision));
      else watch.close();
    });
    for (const name of ['b', 'c', 'd']) await put(store(), `c/g/r/n/${name}`);
    expect(outer).toEqual([2, 3]);
    expect(inner).toEqual([1, 2, 3, 4]);
  });
}

function describeHistory(store: () => Store, clock: () => VirtualClock, make: () => StoreUnderTest): void {
  test('what is compacted can be neither watched nor read, what comes after can', async () => {
    for (const name of ['a', 'b', 'c']) await put(store(), `c/g/r/n/${name}`);
    await store().compact(ctx, 2);
    expect(store().compactedRevision).toBe(2);
    expect(() => store().watch('', 1, () => undefined)).toThrow(expect.objectContaining({ code: 'Compacted' }));
    expect(() => store().range('', { revision: 1 })).toThrow(expect.objectContaining({ code: 'Compacted' }));
    expect(store().range('', { revision: 2 }).objects).toHaveLength(2);
    const revisions: number[] = [];
    store().watch('', 2, (event) => revisions.push(event.revision));
    expect(revisions).toEqual([3]);
    await expect(store().compact(ctx, 9)).rejects.toMatchObject({ code: 'FutureRevision' });
  });

  test('a pin holds history back until its time is over', async () => {
    for (const name of ['a', 'b', 'c']) await put(store(), `c/g/r/n/${name}`);
    expect(store().pin(1, 1000)).toBe(true);
    await store().compact(ctx, 3);
    expect(store().compactedRevision).toBe(1);
    await clock().advance(1000);
    await store().compact(ctx, 3);
    expect(store().compactedRevision).toBe(3);
    expect(store().pin(1, 1000)).toBe(false);
  });

  test('history is bounded by count and bytes, and pins stretch it four times at most', async () => {
    for (const history of [
      { maxEvents: 16, maxBytes: 1e9 },
      { maxEvents: 1e9, maxBytes: 16 * 520 },
    ]) {
      const small = await make().open({ clock: createVirtualClock({ startMs: 0 }), history });
      small.pin(0, 1000);
      for (let index = 0; index < 200; index++) await put(small, `c/g/r/n/${index}`);
      const kept = small.revision - small.compactedRevision;
      expect(kept).toBeGreaterThanOrEqual(14);
      expect(kept).toBeLessThanOrEqual(66);
      await small.close();
    }
  });
}

type Command =
  | { readonly kind: 'put' | 'delete'; readonly key: string; readonly stale: boolean }
  | { readonly kind: 'page'; readonly prefix: string; readonly limit: number; readonly at: number }
  | { readonly kind: 'watch'; readonly prefix: string; readonly at: number }
  | { readonly kind: 'compact'; readonly at: number };

const keys = ['c/g/r/n/a', 'c/g/r/n/b', 'c/g/r/m/a', 'c/g/r-x//a', 'c//r/n/a', 'd/g/r/n/a'];
const prefixes = fc.constantFrom('', 'c/', 'c/g/', 'c/g/r/', 'c/g/r/n/', 'd/');
const at = fc.double({ min: 0, max: 1, noNaN: true });
const commands: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom('put' as const, 'put' as const, 'delete' as const),
      key: fc.constantFrom(...keys),
      stale: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('page' as const),
      prefix: prefixes,
      limit: fc.integer({ min: 1, max: 4 }),
      at,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('watch' as const), prefix: prefixes, at }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('compact' as const), at }) },
);

async function checkModel(make: () => StoreUnderTest, numRuns: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(commands, { maxLength: 40 }), async (list) => {
      const store = await make().open({ clock: createVirtualClock({ startMs: 0 }) });
      try {
        const model = new Model(store);
        for (const command of list) await model.run(command);
        model.checkWatches();
      } finally {
        await store.close();
      }
    }),
    { numRuns, interruptAfterTimeLimit: 2000 },
  );
}

/** The states after each revision, as plain maps of key to revision. */
class Model {
  readonly #store: Store;
  readonly #states: ReadonlyMap<string, number>[] = [new Map()];
  readonly #written: string[] = [];
  readonly #watches: { prefix: string; after: number; heard: [number, string][] }[] = [];
  #compacted = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  run(command: Command): Promise<void> | void {
    switch (command.kind) {
      case 'put':
      case 'delete':
        return this.#write(command.kind, command.key, command.stale);
      case 'page':
        return this.#page(command.prefix, command.limit, this.#revision(command.at));
      case 'watch':
        return this.#watch(command.prefix, this.#revision(command.at));
      case 'compact':
        return this.#compact(this.#revision(command.at));
    }
  }

  get #now(): ReadonlyMap<string, number> {
    return this.#states.at(-1) as ReadonlyMap<string, number>;
  }

  #revision(share: number): number {
    return Math.floor(share * (this.#states.length - 1));
  }

  async #write(kind: 'put' | 'delete', key: string, stale: boolean): Promise<void> {
    const current = this.#now.get(key) ?? 0;
    const result = await (kind === 'put' ? put : remove)(this.#store, key, stale ? current + 1 : current);
    expect(result.ok).toBe(!stale && (kind === 'put' || current !== 0));
    if (!result.ok) return;
    const next = new Map(this.#now);
    if (kind === 'put') next.set(key, this.#states.length);
    else next.delete(key);
    this.#states.push(next);
    this.#written.push(key);
    expect(result.revision).toBe(this.#states.length - 1);
  }

  #page(prefix: string, limit: number, revision: number): void {
    const read = (from: string) => this.#store.range(prefix, { from, limit, revision });
    if (revision < this.#compacted) {
      expect(() => read('')).toThrow(expect.objectContaining({ code: 'Compacted' }));
      return;
    }
    const expected = [...(this.#states[revision] ?? [])]
      .filter(([key]) => key.startsWith(prefix))
      .sort(([a], [b]) => (a < b ? -1 : 1));
    const found: [string, number][] = [];
    for (let from: string | undefined = ''; from !== undefined;) {
      const page = read(from);
      found.push(...page.objects.map((object): [string, number] => [object.key, object.revision]));
      expect(page.remaining).toBe(expected.length - found.length);
      from = page.next;
    }
    expect(found).toEqual(expected);
    expect(this.#store.count(prefix)).toBe([...this.#now.keys()].filter((key) => key.startsWith(prefix)).length);
  }

  #watch(prefix: string, after: number): void {
    const heard: [number, string][] = [];
    const open = () => this.#store.watch(prefix, after, (event) => heard.push([event.revision, event.key]));
    if (after < this.#compacted) {
      expect(open).toThrow(expect.objectContaining({ code: 'Compacted' }));
      return;
    }
    open();
    this.#watches.push({ prefix, after, heard });
  }

  async #compact(revision: number): Promise<void> {
    await this.#store.compact(ctx, revision);
    this.#compacted = Math.max(this.#compacted, revision);
    expect(this.#store.compactedRevision).toBe(this.#compacted);
  }

  /** None lost, none twice, in order. */
  checkWatches(): void {
    for (const { prefix, after, heard } of this.#watches) {
      const expected = this.#written
        .map((key, index): [number, string] => [index + 1, key])
        .filter(([revision, key]) => revision > after && key.startsWith(prefix));
      expect(heard).toEqual(expected);
    }
  }
}
