import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createVirtualClock } from '@polyanthus/ground-testing/virtual-clock';
import type { ApiObject } from './api-object.ts';
import { callApi, startTestCluster, type ApiAnswer, type ApiCall, type TestCluster } from './testing.ts';

let cluster: TestCluster;
const clock = createVirtualClock();
beforeAll(async () => {
  cluster = await startTestCluster({ clock });
});
afterAll(() => cluster.close());

const call = (method: string, url: string, body?: unknown, more: Partial<ApiCall> = {}): Promise<ApiAnswer> =>
  callApi(cluster.ctx, cluster.transport, { method, url, ...(body === undefined ? {} : { body }), ...more });
const object = (answer: ApiAnswer): ApiObject => answer.body as ApiObject;
const maps = '/api/v1/namespaces/default/configmaps';
const configMap = (name: string, data: object = {}): object => ({ metadata: { name }, data });

describe('create and update', () => {
  test('the stored object carries its own resourceVersion, uid and time', async () => {
    const created = await call('POST', maps, configMap('a', { x: '1' }));
    expect(created.status).toBe(201);
    const { metadata } = object(created);
    expect(metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
    expect(metadata.creationTimestamp).toBe('2026-01-01T00:00:00Z');
    expect((await call('GET', `${maps}/a`)).body).toEqual(created.body);
  });

  test('generateName gives five characters and tries again on a collision', async () => {
    const names = new Set<string>();
    for (let index = 0; index < 20; index++) {
      const answer = await call('POST', maps, { metadata: { generateName: 'g-' } });
      names.add(object(answer).metadata.name ?? '');
    }
    expect(names.size).toBe(20);
    for (const name of names) expect(name).toMatch(/^g-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  });

  test('an update that changes nothing writes nothing', async () => {
    const before = object(await call('POST', maps, configMap('same', { x: '1' })));
    await clock.advance(5_000);
    const after = object(await call('PUT', `${maps}/same`, before));
    expect(after.metadata.resourceVersion).toBe(before.metadata.resourceVersion);
  });

  test('an old resourceVersion is a conflict', async () => {
    const before = object(await call('POST', maps, configMap('old')));
    await call('PATCH', `${maps}/old`, { data: { x: '1' } }, { type: 'application/merge-patch+json' });
    const answer = await call('PUT', `${maps}/old`, before);
    expect(answer.status).toBe(409);
    expect(answer.body).toMatchObject({
      reason: 'Conflict',
      message: expect.stringContaining('the object has been modified') as string,
    });
  });

  test('of concurrent patches none is lost', async () => {
    await call('POST', maps, configMap('many'));
    const patches = Array.from({ length: 5 }, (_, index) =>
      call('PATCH', `${maps}/many`, { data: { [`k${index}`]: 'v' } }, { type: 'application/merge-patch+json' }),
    );
    expect((await Promise.all(patches)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    expect(Object.keys(object(await call('GET', `${maps}/many`))['data'] as object)).toHaveLength(5);
  });

  test('a dry run shows the object and stores nothing', async () => {
    const answer = await call('POST', `${maps}?dryRun=All`, configMap('dry'));
    expect(answer.status).toBe(201);
    expect(object(answer).metadata.resourceVersion).toBeUndefined();
    expect((await call('GET', `${maps}/dry`)).status).toBe(404);
  });

  test('a body above 3 MiB is refused', async () => {
    const answer = await call('POST', maps, configMap('big', { x: 'y'.repeat(3 * 1024 * 1024) }));
    expect(answer.body).toMatchObject({ code: 413, message: 'Request entity too large: limit is 3145728' });
  });

  test('a body that is nested without end is refused before it is parsed', async () => {
    const answer = await call('POST', maps, `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`);
    expect(answer.status).toBe(400);
  });

  test('integers beyond 2^53 keep their digits', async () => {
    const url = '/apis/apps/v1/namespaces/default/controllerrevisions';
    const answer = await call(
      'POST',
      url,
      '{"metadata":{"name":"l"},"revision":9007199254740993,"data":{"n":9007199254740995}}',
    );
    expect(answer.status).toBe(201);
    const request = { method: 'GET', url: `${url}/l`, headers: {}, body: null };
    const text = Buffer.from((await cluster.transport.request(cluster.ctx, request)).body as Uint8Array).toString();
    expect(text).toContain('"revision":9007199254740993');
    expect(text).toContain('"n":9007199254740995');
  });
});

describe('spec and status', () => {
  const path = '/apis/apps/v1/namespaces/default/deployments';
  const deployment = {
    metadata: { name: 'd' },
    spec: {
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  };

  test('the generation grows with the spec alone', async () => {
    expect(object(await call('POST', path, { ...deployment, status: { replicas: 9 } })).metadata.generation).toBe(1);
    const merge = { type: 'application/merge-patch+json' };
    const labelled = object(
      await call('PATCH', `${path}/d`, { metadata: { labels: { x: 'y' } }, status: { replicas: 3 } }, merge),
    );
    expect([labelled.metadata.generation, labelled['status']]).toEqual([1, {}]);
    const status = object(
      await call('PATCH', `${path}/d/status`, { spec: { replicas: 7 }, status: { replicas: 3 } }, merge),
    );
    expect([status.metadata.generation, status['status'], (status['spec'] as { replicas: number }).replicas]).toEqual([
      1,
      { replicas: 3 },
      1,
    ]);
    expect(object(await call('PATCH', `${path}/d`, { spec: { replicas: 2 } }, merge)).metadata.generation).toBe(2);
  });

  test('scale reads and writes replicas', async () => {
    const scaled = object(
      await call('PATCH', `${path}/d/scale`, { spec: { replicas: 4 } }, { type: 'application/merge-patch+json' }),
    );
    expect(scaled).toMatchObject({ kind: 'Scale', spec: { replicas: 4 }, status: { selector: 'a=b' } });
    expect(object(await call('GET', `${path}/d`))).toMatchObject({
      spec: { replicas: 4 },
      metadata: { generation: 3 },
    });
  });
});

describe('delete', () => {
  test('finalizers keep the object until the last is gone', async () => {
    await call('POST', maps, { metadata: { name: 'f', finalizers: ['example.com/a'] } });
    const deleted = object(await call('DELETE', `${maps}/f`));
    expect(deleted.metadata.deletionTimestamp).toBeDefined();
    expect((await call('GET', `${maps}/f`)).status).toBe(200);
    await call('PATCH', `${maps}/f`, { metadata: { finalizers: null } }, { type: 'application/merge-patch+json' });
    expect((await call('GET', `${maps}/f`)).status).toBe(404);
  });

  test('a pod on a node waits for its kubelet, which ends it with grace 0', async () => {
    const pods = '/api/v1/namespaces/default/pods';
    await call('POST', pods, {
      metadata: { name: 'p' },
      spec: { nodeName: 'n', containers: [{ name: 'c', image: 'i' }] },
    });
    const first = object(await call('DELETE', `${pods}/p`)).metadata;
    expect(first.deletionGracePeriodSeconds).toBe(30);
    expect(Date.parse(first.deletionTimestamp ?? '')).toBe(Math.floor(clock.now() / 1000) * 1000 + 30_000);
    expect(
      object(await call('DELETE', `${pods}/p`, { gracePeriodSeconds: 5 })).metadata.deletionGracePeriodSeconds,
    ).toBe(5);
    expect((await call('DELETE', `${pods}/p`, { gracePeriodSeconds: 0 })).status).toBe(200);
    expect((await call('GET', `${pods}/p`)).status).toBe(404);
  });

  test('a collection is deleted by selector', async () => {
    for (const name of ['c1', 'c2', 'c3'])
      await call('POST', maps, { metadata: { name, labels: { group: name === 'c3' ? 'no' : 'yes' } } });
    await call('DELETE', `${maps}?labelSelector=group%3Dyes`);
    const left = await Promise.all(['c1', 'c2', 'c3'].map((name) => call('GET', `${maps}/${name}`)));
    expect(left.map(({ status }) => status)).toEqual([404, 404, 200]);
  });

  test('a terminating namespace takes nothing new', async () => {
    await call('POST', '/api/v1/namespaces', { metadata: { name: 'ending' } });
    expect(object(await call('DELETE', '/api/v1/namespaces/ending'))).toMatchObject({
      status: { phase: 'Terminating' },
    });
    const answer = await call('POST', '/api/v1/namespaces/ending/configmaps', configMap('x'));
    expect(answer.body).toMatchObject({
      reason: 'Forbidden',
      details: { causes: [{ reason: 'NamespaceTerminating' }] },
    });
    await call('PUT', '/api/v1/namespaces/ending/finalize', { metadata: { name: 'ending' }, spec: { finalizers: [] } });
    expect((await call('GET', '/api/v1/namespaces/ending')).status).toBe(404);
  });
});

describe('lists', () => {
  test('pages show one revision, whatever is written between them', async () => {
    await call('POST', '/api/v1/namespaces', { metadata: { name: 'paged' } });
    const path = '/api/v1/namespaces/paged/configmaps';
    for (let index = 0; index < 7; index++) await call('POST', path, configMap(`p${index}`));
    const first = await call('GET', `${path}?limit=3`);
    expect(first.body).toMatchObject({ metadata: { remainingItemCount: 4 } });
    await call('DELETE', `${path}/p5`);
    await call('POST', path, configMap('p9'));
    const seen: string[] = [];
    let page = first.body as { metadata: { continue?: string; resourceVersion: string }; items: ApiObject[] };
    const { resourceVersion } = page.metadata;
    for (;;) {
      seen.push(...page.items.map(({ metadata }) => metadata.name ?? ''));
      expect(page.metadata.resourceVersion).toBe(resourceVersion);
      if (page.metadata.continue === undefined) break;
      page = (await call('GET', `${path}?limit=3&continue=${page.metadata.continue}`)).body as typeof page;
    }
    expect(seen).toEqual(['p0', 'p1', 'p2', 'p3', 'p4', 'p5', 'p6']);
  });

  test('pages of a cluster-scoped kind go on where the last one ended', async () => {
    const names = (list: unknown): readonly unknown[] =>
      (list as { items: ApiObject[] }).items.map(({ metadata }) => metadata.name);
    const whole = (await call('GET', '/api/v1/namespaces')).body;
    const first = (await call('GET', '/api/v1/namespaces?limit=2')).body as { metadata: { continue: string } };
    const rest = (await call('GET', `/api/v1/namespaces?continue=${first.metadata.continue}`)).body;
    expect([...names(first), ...names(rest)]).toEqual(names(whole));
  });

  test('a token whose revision is compacted gives one to go on inconsistently', async () => {
    const path = '/api/v1/namespaces/paged/configmaps';
    const first = (await call('GET', `${path}?limit=2`)).body as { metadata: { continue: string } };
    await call('POST', path, configMap('q-later'));
    await clock.advance(10 * 60_000);
    await cluster.store.compact(cluster.ctx, cluster.store.revision);
    const answer = (await call('GET', `${path}?limit=100&continue=${first.metadata.continue}`)).body as {
      code: number;
      reason: string;
      metadata: { continue: string };
    };
    expect([answer.code, answer.reason]).toEqual([410, 'Expired']);
    const rest = (await call('GET', `${path}?continue=${answer.metadata.continue}`)).body as { items: ApiObject[] };
    expect(rest.items.map(({ metadata }) => metadata.name)).toContain('q-later');
  });

  test('a revision of the future is a timeout with a retry', async () => {
    const answer = await call('GET', `${maps}?resourceVersion=999999`);
    expect(answer.body).toMatchObject({ code: 504, details: { causes: [{ reason: 'ResourceVersionTooLarge' }] } });
    expect(answer.headers['retry-after']).toBe('1');
  });

  test('built-in items leave out kind and apiVersion, as a real server does', async () => {
    const list = (await call('GET', maps)).body as { kind: string; items: ApiObject[] };
    expect(list.kind).toBe('ConfigMapList');
    expect(list.items.every((item) => item.kind === undefined && item.metadata.name !== undefined)).toBe(true);
  });
});
