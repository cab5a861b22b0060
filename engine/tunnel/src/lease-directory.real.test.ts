/** The directory of replicas on a real kube-apiserver. */
import { background, withCancel } from '@polyanthus/ground-base/context';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { createClient } from '@polyanthus/kube-client/rest';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { customResourceDefinitions, leases } from '@polyanthus/kube-kinds/core';
import { memberships, type Membership } from '@polyanthus/kube-kinds/own/fleet';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startControlPlane, type ControlPlane } from '../../../lab/src/control-plane.ts';
import { whyNotReal } from '../../../lab/src/parts.ts';
import { createLeaseDirectory, type LeaseDirectory } from './lease-directory.ts';
import { until } from './testing.ts';

const why = whyNotReal(['etcd', '3.7.0'], ['kube-apiserver', '1.37.2']);
const ctx = background();

describe.skipIf(why !== undefined)(`the directory of replicas${why === undefined ? '' : ` (${why})`}`, () => {
  let plane: ControlPlane;
  let client: KubeClient;
  let member: Membership;
  let known: Membership;

  const refresh = async (): Promise<Membership> =>
    (known = await client.get(ctx, memberships, { namespace: 'default', name: 'member-1' }));
  const replica = (name: string): LeaseDirectory =>
    createLeaseDirectory({
      client,
      namespace: 'default',
      replica: name,
      internalUrl: `https://${name}:8443`,
      findMembership: (uid) => (uid === known.metadata.uid ? known : undefined),
      renewEveryMs: 100,
      deadAfterMs: 1_000,
    });

  beforeAll(async () => {
    plane = await startControlPlane();
    const transport = createTransport({
      baseUrl: plane.url,
      tls: { ca: plane.caPem },
      headers: async () => ({ authorization: `Bearer ${plane.adminToken}` }),
    });
    client = createClient(transport);
    await client.create(ctx, customResourceDefinitions, {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: 'memberships.fleet.polyanthus.dev' },
      spec: {
        group: 'fleet.polyanthus.dev',
        scope: 'Namespaced',
        names: { plural: 'memberships', kind: 'Membership' },
        versions: [
          {
            name: 'v1',
            served: true,
            storage: true,
            subresources: { status: {} },
            schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
          },
        ],
      },
    });
    const object: Membership = {
      apiVersion: 'fleet.polyanthus.dev/v1',
      kind: 'Membership',
      metadata: { name: 'member-1', namespace: 'default' },
    };
    for (;;) {
      const made = await client.create(ctx, memberships, object).catch(() => undefined);
      if (made === undefined) continue;
      member = made;
      break;
    }
    known = member;
  });
  afterAll(() => plane?.stop());

  it('gives every claim an epoch of its own, though replicas claim at once', async () => {
    const uid = member.metadata.uid ?? '';
    const epochs = await Promise.all(['a', 'b', 'c'].map((name) => replica(name).claim(ctx, uid)));
    expect(epochs.toSorted((x, y) => x - y)).toEqual([1, 2, 3]);
    expect((await refresh()).status?.holder?.epoch).toBe(3);
  });

  it('names a holder while its Lease is renewed, and none after it stopped or let go', async () => {
    const uid = member.metadata.uid ?? '';
    const [a, b] = [replica('a'), replica('b')];
    const [lifeOfA, lifeOfB] = [withCancel(ctx), withCancel(ctx)];
    const [runningA, runningB] = [a.run(lifeOfA.ctx), b.run(lifeOfB.ctx)];
    const epoch = await a.claim(ctx, uid);
    await refresh();
    await until(ctx, () => b.urlOf('a') !== undefined);
    expect(await b.holderOf(ctx, uid)).toEqual({ replica: 'a', epoch });
    expect(b.urlOf('a')).toBe('https://a:8443');
    await a.release(ctx, uid, epoch - 1);
    expect((await refresh()).status?.holder?.replica).toBe('a');
    lifeOfA.cancel();
    await runningA;
    await until(ctx, () => b.urlOf('a') === undefined);
    expect(await b.holderOf(ctx, uid)).toBeUndefined();
    expect(await b.claim(ctx, uid)).toBe(epoch + 1);
    await b.release(ctx, uid, epoch + 1);
    await refresh();
    expect(await b.holderOf(ctx, uid)).toBeUndefined();
    expect(await b.claim(ctx, uid)).toBe(epoch + 2);
    lifeOfB.cancel();
    await runningB;
    const left = await client.list(ctx, leases, {
      namespace: 'default',
      labelSelector: 'fleet.polyanthus.dev/hub-replica',
    });
    expect(left.items).toEqual([]);
  });

  it('refuses a claim for a membership that was deleted and made anew', async () => {
    const stale = known;
    await client.delete(ctx, memberships, { namespace: 'default', name: 'member-1' });
    await client.create(ctx, memberships, {
      apiVersion: 'fleet.polyanthus.dev/v1',
      kind: 'Membership',
      metadata: { name: 'member-1', namespace: 'default' },
    });
    known = stale;
    await expect(replica('a').claim(ctx, stale.metadata.uid ?? '')).rejects.toMatchObject({ code: 'TunnelRefused' });
  });
});
