/** Watch: events of a collection from a revision on, as lines of JSON, over the shared encodings of event-bytes.ts. */
import { BoundedQueue } from '@polyanthus/ground-base/queue';
import type { Context } from '@polyanthus/ground-base/context';
import type { ServerResponse } from '@polyanthus/ground-http/message';
import { forbiddenValue } from '@polyanthus/kube-objects/field-errors';
import { EventForm } from '../event-form.ts';
import { invalidOptions } from '../invalid.ts';
import { negotiate } from '../negotiation.ts';
import { expired, parseRevision } from '../revisions.ts';
import { scopePrefix, type Scope } from '../scope.ts';
import { selectionOf, type Selection } from '../selection.ts';
import type { StoredObject, StoreEvent } from '../store/store.ts';

/** Events that wait for one reader; a slower reader's watch is ended, and it lists again. */
const queueMax = 5_000;
const queueBytesMax = 64 * 1024 * 1024;
/** Initial events go out in pieces of about this size. */
const pieceBytes = 64 * 1024;
const bookmarkMs = 60_000;
/** Without `?timeoutSeconds` a watch lives 30 to 60 minutes. */
const defaultTimeoutSeconds = 1800;

interface WatchPlan {
  readonly form: EventForm;
  readonly selection: Selection;
  /** Absent: from now, with the present objects first. */
  readonly after: number | undefined;
  readonly initialEnd: boolean;
  readonly bookmarks: boolean;
  readonly timeoutMs: number;
}

export function watchVerb(scope: Scope): ServerResponse {
  const plan = planOf(scope);
  return {
    status: 200,
    headers: {
      'content-type': plan.form.kind === 'object' ? 'application/json' : plan.form.contentType,
      'cache-control': 'no-cache, private',
    },
    body: new WatchStream(scope, plan),
  };
}

function planOf(scope: Scope): WatchPlan {
  const { query, ctx } = scope;
  const initial = query.get('sendInitialEvents');
  const match = query.get('resourceVersionMatch') ?? '';
  const bookmarks = isTrue(query.get('allowWatchBookmarks'));
  checkInitial(initial, match, bookmarks);
  const version = parseRevision(query.get('resourceVersion') ?? '');
  const withInitial = initial !== null ? isTrue(initial) : version === undefined || version === 0;
  const seconds =
    Number(query.get('timeoutSeconds') ?? '0') || defaultTimeoutSeconds * (1 + scope.cluster.random.float());
  return {
    form: new EventForm(scope, negotiate(scope.request), ctx),
    selection: selectionOf(scope),
    after: withInitial ? undefined : (version ?? scope.cluster.store.revision),
    initialEnd: isTrue(initial),
    bookmarks,
    timeoutMs: seconds * 1000,
  };
}

const isTrue = (value: string | null): boolean => value === 'true' || value === '1';

function checkInitial(initial: string | null, match: string, bookmarks: boolean): void {
  const refuse = (field: string, why: string): Error => invalidOptions('ListOptions', forbiddenValue(field, why));
  const at = 'resourceVersionMatch';
  if (initial === null) {
    if (match !== '')
      throw refuse(at, 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided');
    return;
  }
  if (match !== 'NotOlderThan')
    throw refuse(at, 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan');
  if (isTrue(initial) && !bookmarks)
    throw refuse('allowWatchBookmarks', 'sendInitialEvents requires setting allowWatchBookmarks to true');
}

/** The body of one watch. It subscribes when reading begins and unsubscribes when reading ends, however it ends. */
class WatchStream implements AsyncIterable<Uint8Array> {
  readonly #scope: Scope;
  readonly #plan: WatchPlan;
  readonly #queue = new BoundedQueue<Uint8Array>(queueMax);
  #queuedBytes = 0;

  constructor(scope: Scope, plan: WatchPlan) {
    this.#scope = scope;
    this.#plan = plan;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const { ctx, cluster } = this.#scope;
    const release: (() => void)[] = [];
    try {
      cluster.watchers.add(1);
      release.push(() => cluster.watchers.add(-1));
      const initial = this.#begin(ctx, release);
      if (initial !== undefined) yield* this.#initialPieces(initial.objects, initial.revision);
      for (let piece = await this.#queue.next(); piece !== undefined; piece = await this.#queue.next()) {
        this.#queuedBytes -= piece.length;
        yield piece;
      }
    } finally {
      for (const fn of release) fn();
    }
  }

  /** Subscribes and sets the timers; answers the objects to begin with. */
  #begin(ctx: Context, release: (() => void)[]): { objects: readonly StoredObject[]; revision: number } | undefined {
    const { cluster } = this.#scope;
    const { after, timeoutMs, bookmarks, selection } = this.#plan;
    const prefix = scopePrefix(this.#scope);
    const filter = selection.everything ? {} : { filter: (object: StoredObject) => selection.matches(object.index) };
    const initial = after === undefined ? cluster.store.range(prefix, filter) : undefined;
    // A revision of the future is waited for: what happens before it is not told.
    const wanted = initial?.revision ?? after ?? 0;
    const start = Math.min(wanted, cluster.store.revision);
    try {
      const watch = cluster.store.watch(prefix, start, (event) => {
        if (event.revision > wanted) this.#deliver(event);
      });
      release.push(() => watch.close());
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'Compacted') throw error;
      const { status } = expired(`too old resource version: ${start} (${cluster.store.compactedRevision})`);
      this.#push(this.#plan.form.error(status));
      this.#queue.close();
      return initial;
    }
    const end = (): void => this.#queue.close();
    ctx.signal.addEventListener('abort', end, { once: true });
    release.push(() => ctx.signal.removeEventListener('abort', end));
    release.push(cluster.onClose(end), cluster.onWithdrawn(this.#scope.definition, end));
    const timeout = ctx.clock.after(
      timeoutMs,
      () => {
        if (bookmarks) this.#bookmark();
        end();
      },
      { unref: true },
    );
    release.push(() => timeout.cancel());
    if (bookmarks) this.#scheduleBookmark(ctx, release);
    return initial;
  }

  #scheduleBookmark(ctx: Context, release: (() => void)[]): void {
    let timer = ctx.clock.after(bookmarkMs, tick.bind(this), { unref: true });
    function tick(this: WatchStream): void {
      this.#bookmark();
      timer = ctx.clock.after(bookmarkMs, tick.bind(this), { unref: true });
    }
    release.push(() => timer.cancel());
  }

  #bookmark(): void {
    this.#push(this.#plan.form.bookmark(this.#scope.cluster.store.revision, false));
  }

  *#initialPieces(objects: readonly StoredObject[], revision: number): Generator<Uint8Array> {
    let pieces: Uint8Array[] = [];
    let size = 0;
    for (const stored of objects) {
      const piece = this.#plan.form.added(stored);
      pieces.push(piece);
      size += piece.length;
      if (size < pieceBytes) continue;
      yield Buffer.concat(pieces);
      pieces = [];
      size = 0;
    }
    if (this.#plan.initialEnd) pieces.push(this.#plan.form.bookmark(revision, true));
    if (pieces.length > 0) yield Buffer.concat(pieces);
  }

  #deliver(event: StoreEvent): void {
    const { selection, form } = this.#plan;
    const now = event.object !== undefined && selection.matches(event.object.index);
    const before = event.previous !== undefined && selection.matches(event.previous.index);
    if (now) this.#push(form.change(event, before ? 'MODIFIED' : 'ADDED'));
    else if (before) this.#push(form.change(event, 'DELETED'));
  }

  #push(piece: Uint8Array): void {
    this.#queuedBytes += piece.length;
    if (this.#queuedBytes <= queueBytesMax && this.#queue.push(piece)) return;
    if (!this.#queue.closed) this.#scope.ctx.log.warn('a watch was ended because its reader is too slow');
    this.#queue.close();
  }
}
