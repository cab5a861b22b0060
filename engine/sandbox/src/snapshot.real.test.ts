/** A copy of a real API server: read with GET alone, loaded whole, the same in the sandbox. */
import { afterAll, describe, expect, it } from 'vitest';
import { background } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { createClient } from '@polyanthus/kube-client/rest';
import { customResourceDefinitions, deployments, secrets } from '@polyanthus/kube-kinds/core';
import { resourceType } from '@polyanthus/kube-objects/resource';
import { startControlPlane } from '../../../lab/src/control-plane.ts';
import { whyNotReal } from '../../../lab/src/parts.ts';
import { createSandbox } from './sandbox.ts';
import { takeSnapshot, type Snapshot } from './snapshot.ts';

const why = whyNotReal(['etcd', '3.7.0'], ['kube-apiserver', '1.37.2']);
const ctx = background();
const widgets = resourceType('example.org', 'v1', 'widgets', 'Widget', true);
const labels = { app: 'web' };

/** What of two copies must be the same: revisions are each server's own. */
function comparable({ resources }: Snapshot, kinds: ReadonlySet<string>): unknown {
  return resources
    .filter(({ plural, objects }) => kinds.has(plural) && objects.length > 0)
    .map(({ plural, version, objects }) => ({
      plural,
      version,
      objects: objects.map((object) => ({ ...object, metadata: { ...object.metadata, resourceVersion: '' } })),
    }))
    .toSorted((a, b) => (a.plural < b.plural ? -1 : 1));
}

describe.skipIf(why !== undefined)(`a real API server${why === undefined ? '' : ` (${why})`}`, () => {
  let stop: (() => Promise<void>) | undefined;
  afterAll(async () => stop?.());

  it('is copied into a sandbox, every object or its reason', async () => {
    const plane = await startControlPlane();
    stop = () => plane.stop();
    const headers = { authorization: `Bearer ${plane.adminToken}` };
    const transport = createTransport({
      baseUrl: plane.url,
      tls: { ca: plane.caPem },
      headers: () => Promise.resolve(headers),
    });
    const client = createClient(transport);
    const at = (name: string): { namespace: string; name: string } => ({ namespace: 'default', name });
    await client.create(ctx, secrets, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: at('key'),
      stringData: { key: 'swordfish' },
    });
    await client.create(ctx, deployments, {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: at('web'),
      spec: {
        replicas: 2,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'web', image: 'web:1' }] } },
      },
    });
    await client.create(ctx, customResourceDefinitions, {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: 'widgets.example.org' },
      spec: {
        group: 'example.org',
        names: { plural: 'widgets', kind: 'Widget', singular: 'widget', listKind: 'WidgetList' },
        scope: 'Namespaced',
        versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
      },
    });
    const served = async (): Promise<unknown> =>
      client
        .create(ctx, widgets, { apiVersion: 'example.org/v1', kind: 'Widget', metadata: at('one') })
        .catch(() => undefined);
    for (let tries = 0; tries < 200 && (await served()) === undefined; tries++)
      await new Promise((resolve) => ctx.clock.after(100, () => resolve(undefined)));

    const seen = new Set<string>();
    const recorded = createClient({
      ...transport,
      request: (inner, request) => {
        seen.add(request.method);
        return transport.request(inner, request);
      },
    });
    const snapshot = await takeSnapshot(ctx, recorded, { source: 'real', pageSize: 20 });
    expect([...seen]).toEqual(['GET']);
    expect(snapshot.unread).toEqual([]);
    expect(snapshot.server.gitVersion).toBe('v1.37.2');
    expect(JSON.stringify(snapshot)).not.toMatch(/swordfish|c3dvcmRmaXNo/);

    const sandbox = await createSandbox(ctx, { random: systemRandom });
    const outcome = await sandbox.load(ctx, snapshot);
    const missing = new Set(outcome.unserved.map(({ object }) => object.split(' ')[1]));
    expect(missing).toEqual(new Set(['ComponentStatus', 'FlowSchema', 'PriorityLevelConfiguration']));
    expect(outcome.refused).toEqual([]);
    expect(outcome.changed).toEqual([]);
    const copy = await takeSnapshot(ctx, sandbox.client, { source: 'copy' });
    const kinds = new Set([
      'deployments',
      'widgets',
      'secrets',
      'customresourcedefinitions',
      'namespaces',
      'apiservices',
    ]);
    expect(comparable(copy, kinds)).toEqual(comparable(snapshot, kinds));
    await sandbox.close();
  }, 200_000);
});
