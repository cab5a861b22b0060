import { afterEach, beforeEach, expect, test } from 'vitest';
import { withCancel } from '@polyanthus/ground-base/context';
import { createVirtualClock, type VirtualClock } from '@polyanthus/ground-testing/virtual-clock';
import { callApi, startTestCluster, watchApi, type TestCluster, type WatchLine } from './testing.ts';

let cluster: TestCluster;
let clock: VirtualClock;
beforeEach(async () => {
  clock = createVirtualClock();
  cluster = await startTestCluster({ clock });
});
afterEach(() => cluster.close());

const maps = '/api/v1/namespaces/default/configmaps';
const create = (name: string, labels: object = {}): Promise<unknown> =>
  callApi(cluster.ctx, cluster.transport, { method: 'POST', url: maps, body: { metadata: { name, labels } } });
const label = (name: string, labels: object): Promise<unknown> =>
  callApi(cluster.ctx, cluster.transport, {
    method: 'PATCH',
    url: `${maps}/${name}`,
    type: 'application/merge-patch+json',
    body: { metadata: { labels } },
  });
const remove = (name: string): Promise<unknown> =>
  callApi(cluster.ctx, cluster.transport, { method: 'DELETE', url: `${maps}/${name}` });

async function take(lines: AsyncGenerator<WatchLine>, count: number): Promise<WatchLine[]> {
  const seen: WatchLine[] = [];
  for (let index = 0; index < count; index++) {
    const { value, done } = await lines.next();
    if (done === true) break;
    seen.push(value);
  }
  return seen;
}

const shape = (lines: readonly WatchLine[]): string[] =>
  lines.map(({ type, object }) => `${type} ${object.metadata.name ?? ''}`.trim());

test('without a resourceVersion the present objects come first', async () => {
  await create('a');
  const lines = watchApi(cluster.ctx, cluster.transport, `${maps}?watch=1`);
  expect(shape(await take(lines, 1))).toEqual(['ADDED a']);
  await create('b');
  await remove('a');
  const rest = await take(lines, 2);
  expect(shape(rest)).toEqual(['ADDED b', 'DELETED a']);
  expect(Number(rest[1]?.object.metadata.resourceVersion)).toBe(cluster.store.revision);
  await lines.return(undefined);
});

test('from a resourceVersion on nothing is left out', async () => {
  await create('a');
  const from = cluster.store.revision;
  await create('b');
  await label('a', { x: 'y' });
  const lines = watchApi(cluster.ctx, cluster.transport, `${maps}?watch=1&resourceVersion=${from}`);
  expect(shape(await take(lines, 2))).toEqual(['ADDED b', 'MODIFIED a']);
  await lines.return(undefined);
});

test('objects come into a selector and leave it', async () => {
  const lines = watchApi(
    cluster.ctx,
    cluster.transport,
    `${maps}?watch=1&labelSelector=on%3Dyes&resourceVersion=${cluster.store.revision}`,
  );
  await create('a');
  await label('a', { on: 'yes' });
  await label('a', { on: 'yes', more: '1' });
  await label('a', { on: null });
  expect(shape(await take(lines, 3))).toEqual(['ADDED a', 'MODIFIED a', 'DELETED a']);
  await lines.return(undefined);
});

test('a streaming list ends its initial events with a marked bookmark', async () => {
  await create('a');
  const lines = watchApi(
    cluster.ctx,
    cluster.transport,
    `${maps}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true`,
  );
  const [added, bookmark] = await take(lines, 2);
  expect(added?.object.metadata.name).toBe('a');
  expect(bookmark).toMatchObject({
    type: 'BOOKMARK',
    object: { metadata: { annotations: { 'k8s.io/initial-events-end': 'true' } } },
  });
  await lines.return(undefined);
});

test('bookmarks come every minute, and one more before the timeout', async () => {
  const url = `${maps}?watch=1&allowWatchBookmarks=true&timeoutSeconds=90&resourceVersion=${cluster.store.revision}`;
  const lines = watchApi(cluster.ctx, cluster.transport, url);
  const first = take(lines, 3);
  // The stream subscribes when it is read.
  await create('a');
  await clock.advance(60_000);
  await clock.advance(60_000);
  expect(shape(await first)).toEqual(['ADDED a', 'BOOKMARK', 'BOOKMARK']);
  expect((await lines.next()).done).toBe(true);
});

test('a compacted resourceVersion is an ERROR event with status 410', async () => {
  const from = cluster.store.revision;
  await create('a');
  await create('b');
  await cluster.store.compact(cluster.ctx, cluster.store.revision);
  const lines = watchApi(cluster.ctx, cluster.transport, `${maps}?watch=1&resourceVersion=${from}`);
  const [line] = await take(lines, 1);
  expect(line).toMatchObject({ type: 'ERROR', object: { code: 410, reason: 'Expired' } });
  expect((await lines.next()).done).toBe(true);
});

test('a reader that stops reading is cut off, and nobody else waits for it', async () => {
  const { ctx, cancel } = withCancel(cluster.ctx);
  const slow = watchApi(ctx, cluster.transport, `${maps}?watch=1&resourceVersion=${cluster.store.revision}`);
  const first = slow.next();
  await create('a');
  await first;
  for (let index = 0; index < 5_100; index++) await label('a', { n: String(index) });
  const seen: WatchLine[] = [];
  for await (const line of slow) seen.push(line);
  expect(seen.length).toBeLessThanOrEqual(5_000);
  expect(seen.length).toBeGreaterThan(100);
  cancel();
});

test('a revision of the future is waited for', async () => {
  const lines = watchApi(
    cluster.ctx,
    cluster.transport,
    `${maps}?watch=1&resourceVersion=${cluster.store.revision + 1}`,
  );
  const first = take(lines, 1);
  await create('too-early');
  await create('in-time');
  expect(shape(await first)).toEqual(['ADDED in-time']);
  await lines.return(undefined);
});

test('closing the cluster ends its watches', async () => {
  await create('a');
  const lines = watchApi(cluster.ctx, cluster.transport, `${maps}?watch=1`);
  await take(lines, 1);
  await cluster.server.close();
  expect((await lines.next()).done).toBe(true);
});

test('a table watch sends the columns once', async () => {
  const lines = watchApi(cluster.ctx, cluster.transport, `${maps}?watch=1&resourceVersion=${cluster.store.revision}`, {
    accept: 'application/json;as=Table;v=v1;g=meta.k8s.io',
  });
  await create('a');
  await create('b');
  const tables = (await take(lines, 2)).map(
    ({ object }) => object as unknown as { kind: string; columnDefinitions: unknown[] | null; rows: unknown[] },
  );
  expect(tables.map((table) => [table.kind, table.columnDefinitions === null, table.rows.length])).toEqual([
    ['Table', false, 1],
    ['Table', true, 1],
  ]);
  await lines.return(undefined);
});
