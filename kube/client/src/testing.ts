/** What a client must find at any API server: runs against the embedded one and a real kube-apiserver. */
import { background, withCancel } from '@polyanthus/ground-base/context';
import type { Transport } from '@polyanthus/ground-http/message';
import { configMaps, namespaces, pods, serviceAccounts, type ConfigMap } from '@polyanthus/kube-kinds/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KubeClient, WatchEvent } from './client.ts';
import { discover, resourceMapper } from './discovery.ts';
import { createClient } from './rest.ts';

/** A running API server, reached as its administrator. */
export interface Subject {
  readonly transport: Transport;
  close(): Promise<void>;
}

/** Runs the suite in a namespace of its own. */
export function clientConformance(name: string, setup: () => Promise<Subject>): void {
  describe(`client conformance: ${name}`, () => {
    const ctx = background();
    const namespace = 'client-suite';
    let subject: Subject;
    let client: KubeClient;
    const map = (named: string, data: Record<string, string> = {}): ConfigMap => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: named, namespace, labels: { suite: named.split('-')[0] ?? '' } },
      data,
    });
    const key = (named: string) => ({ namespace, name: named });
    beforeAll(async () => {
      subject = await setup();
      client = createClient(subject.transport);
      await client.create(ctx, namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
    }, 120_000);
    afterAll(async () => {
      await subject.transport.close();
      await subject.close();
    }, 60_000);

    it('creates, reads, updates, and meets conflicts', async () => {
      const made = await client.create(ctx, configMaps, map('crud', { a: '1' }));
      await expect(client.create(ctx, configMaps, map('crud'))).rejects.toMatchObject({ code: 'AlreadyExists' });
      const updated = await client.update(ctx, configMaps, { ...made, data: { a: '2' } });
      expect((await client.get(ctx, configMaps, key('crud'))).data).toEqual({ a: '2' });
      expect(updated.metadata.resourceVersion).not.toBe(made.metadata.resourceVersion);
      await expect(client.update(ctx, configMaps, { ...made, data: { a: '3' } })).rejects.toMatchObject({
        code: 'Conflict',
      });
      await expect(client.get(ctx, configMaps, key('none'))).rejects.toMatchObject({
        code: 'NotFound',
        message: 'configmaps "none" not found',
      });
    });

    it('changes nothing in a dry run', async () => {
      await client.create(ctx, configMaps, map('dry'), { dryRun: true });
      await expect(client.get(ctx, configMaps, key('dry'))).rejects.toMatchObject({ code: 'NotFound' });
    });

    it('patches in every form', async () => {
      await client.create(ctx, configMaps, map('patch', { a: '1', b: '1' }));
      await client.patch(ctx, configMaps, key('patch'), {
        type: 'json',
        body: [{ op: 'replace', path: '/data/a', value: '2' }],
      });
      await client.patch(ctx, configMaps, key('patch'), { type: 'merge', body: { data: { b: null, c: '3' } } });
      await client.patch(ctx, configMaps, key('patch'), {
        type: 'strategic',
        body: { metadata: { labels: { extra: 'yes' } } },
      });
      const found = await client.get(ctx, configMaps, key('patch'));
      expect([found.data, found.metadata.labels]).toEqual([
        { a: '2', c: '3' },
        { suite: 'patch', extra: 'yes' },
      ]);
    });

    it('applies, meets the conflicts of managers, and takes over by force', async () => {
      await client.patch(
        ctx,
        configMaps,
        key('apply'),
        { type: 'apply', body: map('apply', { a: '1' }) },
        { fieldManager: 'one' },
      );
      const other = { type: 'apply', body: map('apply', { a: '2' }) } as const;
      await expect(client.patch(ctx, configMaps, key('apply'), other, { fieldManager: 'two' })).rejects.toMatchObject({
        code: 'Conflict',
        status: { details: { causes: [{ reason: 'FieldManagerConflict', field: '.data.a' }] } },
      });
      const forced = await client.patch(
        ctx,
        configMaps,
        key('apply'),
        { ...other, force: true },
        { fieldManager: 'two' },
      );
      expect(forced.data).toEqual({ a: '2' });
    });

    it('lists by pages and selectors, consistently', async () => {
      for (let index = 0; index < 7; index++) await client.create(ctx, configMaps, map(`list-${index}`));
      const first = await client.list(ctx, configMaps, { namespace, labelSelector: 'suite=list', limit: 3 });
      expect([first.items.length, first.metadata.continue === undefined || first.metadata.continue === '']).toEqual([
        3,
        false,
      ]);
      const all = await client.listAll(ctx, configMaps, { namespace, labelSelector: 'suite=list', pageSize: 3 });
      expect(all.items.map((one) => [one.kind, one.metadata.name])).toEqual(
        Array.from({ length: 7 }, (_, index) => ['ConfigMap', `list-${index}`]),
      );
      expect((await client.listAll(ctx, configMaps, { fieldSelector: 'metadata.name=list-3' })).items).toHaveLength(1);
    });

    it('watches from a list on, in order, until it is cancelled', async () => {
      const { metadata } = await client.list(ctx, configMaps, { namespace });
      const { ctx: inner, cancel } = withCancel(ctx);
      const seen = collect(
        client.watch<ConfigMap>(inner, configMaps, { namespace, resourceVersion: metadata.resourceVersion }),
        (event) => event.type === 'DELETED',
      );
      const made = await client.create(ctx, configMaps, map('watch', { n: '1' }));
      await client.update(ctx, configMaps, { ...made, data: { n: '2' } });
      await client.delete(ctx, configMaps, key('watch'));
      expect(
        (await seen)
          .filter((event) => event.type !== 'BOOKMARK')
          .map((event) => [event.type, event.object.data?.['n']]),
      ).toEqual([
        ['ADDED', '1'],
        ['MODIFIED', '2'],
        ['DELETED', '2'],
      ]);
      cancel();
    });

    it('streams a list as initial events that a bookmark ends', async () => {
      const { ctx: inner, cancel } = withCancel(ctx);
      const events = await collect(
        client.watch<ConfigMap>(inner, configMaps, { namespace, labelSelector: 'suite=list', sendInitialEvents: true }),
        (event) => event.type === 'BOOKMARK',
      );
      cancel();
      expect(events.map((event) => event.type)).toEqual([...Array.from({ length: 7 }, () => 'ADDED'), 'BOOKMARK']);
      expect(events.at(-1)?.object.metadata.annotations).toEqual({ 'k8s.io/initial-events-end': 'true' });
    });

    it('throws an open watch away with the context', async () => {
      const { ctx: inner, cancel } = withCancel(ctx);
      const events = client.watch(inner, configMaps, { namespace, labelSelector: 'suite=nothing' });
      const iterator = events[Symbol.asyncIterator]();
      const next = iterator.next();
      cancel();
      await expect(next).rejects.toMatchObject({ code: 'Cancelled' });
    });

    it('deletes only what the preconditions name, and collections by selector', async () => {
      await client.create(ctx, configMaps, map('delete'));
      await expect(
        client.delete(ctx, configMaps, key('delete'), {
          preconditions: { uid: '00000000-0000-0000-0000-000000000000' },
        }),
      ).rejects.toMatchObject({ code: 'Conflict' });
      await client.delete(ctx, configMaps, key('delete'), { propagationPolicy: 'Background' });
      await client.deleteCollection(ctx, configMaps, { namespace, labelSelector: 'suite=list' });
      expect(
        (await client.listAll(ctx, configMaps, { namespace, labelSelector: 'suite in (list,delete)' })).items,
      ).toEqual([]);
    });

    it('creates subresources', async () => {
      await client.create(ctx, serviceAccounts, {
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: { name: 'robot', namespace },
      });
      const spec = {
        serviceAccountName: 'robot',
        automountServiceAccountToken: false,
        containers: [{ name: 'main', image: 'none' }],
      };
      await client.create(ctx, pods, { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'evicted', namespace }, spec });
      const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'evicted', namespace } };
      expect(await client.createAt(ctx, pods, key('evicted'), 'eviction', eviction)).toMatchObject({
        kind: 'Status',
        status: 'Success',
      });
      await expect(client.get(ctx, pods, key('evicted'))).rejects.toMatchObject({ code: 'NotFound' });
    });

    it('asks for tokens', async () => {
      await client.create(ctx, serviceAccounts, {
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: { name: 'bearer', namespace },
      });
      const request = {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: { expirationSeconds: 600 },
      };
      const answer = await client.createAt<{ readonly status?: { readonly token?: string } }>(
        ctx,
        serviceAccounts,
        key('bearer'),
        'token',
        request,
      );
      expect(answer.status?.token?.split('.')).toHaveLength(3);
    });

    it('discovers kinds under every name', async () => {
      const mapper = resourceMapper(await discover(ctx, client));
      expect(mapper.discovery.stale).toEqual([]);
      expect(mapper.forName('deploy')).toMatchObject({
        group: 'apps',
        version: 'v1',
        resource: 'deployments',
        namespaced: true,
      });
      expect(mapper.forName('cm')).toMatchObject({ group: '', resource: 'configmaps', kind: 'ConfigMap' });
      expect(mapper.forKind('rbac.authorization.k8s.io/v1', 'ClusterRole')).toMatchObject({
        resource: 'clusterroles',
        namespaced: false,
      });
      expect(mapper.forName('pods').subresources).toContain('exec');
      expect((await client.getJson<{ readonly major: string }>(ctx, '/version')).major).toBe('1');
    });
  });
}

async function collect<E extends WatchEvent>(events: AsyncIterable<E>, last: (event: E) => boolean): Promise<E[]> {
  const seen: E[] = [];
  for await (const event of events) {
    seen.push(event);
    if (last(event)) break;
  }
  return seen;
}
