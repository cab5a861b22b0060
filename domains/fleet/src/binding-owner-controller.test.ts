import { withCancel } from '@polyanthus/ground-base/context';
import { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import { systemRandom } from '@polyanthus/ground-base/random';
import { createClient } from '@polyanthus/kube-client/rest';
import { startControllers } from '@polyanthus/kube-controllers/start';
import {
  fleetRoleBindings,
  membershipBindings,
  memberships,
  type FleetRoleBinding,
  type Membership,
} from '@polyanthus/kube-kinds/own/fleet';
import { createInformers } from '@polyanthus/kube-runtime/informers';
import { startTestCluster } from '@polyanthus/kube-server/testing';
import { describe, expect, it, vi } from 'vitest';
import { serveFleetKinds } from './bind-cases.ts';
import { ownersOf, runBindingOwnerController } from './binding-owner-controller.ts';

const apiVersion = 'fleet.polyanthus.dev/v1';
const namespace = 'default';
const member = (name: string, uid?: string): Membership => ({
  apiVersion,
  kind: 'Membership',
  metadata: { name, namespace, ...(uid === undefined ? {} : { uid }) },
  spec: {},
});
const binding = (name: string, spec: { membership: string } | { scope: string }): FleetRoleBinding => ({
  apiVersion,
  kind: 'RBACRoleBinding',
  metadata: { name, namespace },
  spec: { ...spec, user: 'ana', role: { predefinedRole: 'VIEW' } },
});
const owner = (name: string, uid: string) => ({ apiVersion, kind: 'Membership', name, uid });

describe('owners of a binding', () => {
  const other = { apiVersion: 'v1', kind: 'ConfigMap', name: 'a', uid: '9' };
  const owned = (by: readonly object[], spec: { membership: string } | { scope: string }): FleetRoleBinding => ({
    ...binding('b', spec),
    metadata: { name: 'b', namespace, ownerReferences: by as FleetRoleBinding['metadata']['ownerReferences'] & object },
  });
  const find = (name: string): Membership | undefined => (name === 'edge' ? member('edge', '1') : undefined);
  it.each([
    ['gets its membership', [other], { membership: 'edge' }, [other, owner('edge', '1')]],
    ['waits for a membership that is yet to come', [other], { membership: 'soon' }, [other]],
    ['keeps what is gone with its membership', [owner('edge', '0')], { membership: 'edge' }, [owner('edge', '0')]],
    ['changes with its spec', [owner('old', '7')], { membership: 'edge' }, [owner('edge', '1')]],
    ['has none with a scope', [other, owner('edge', '1')], { scope: 'shop' }, [other]],
  ])('%s', (_what, had, spec, wanted) => {
    expect(ownersOf(owned(had, spec), find)).toEqual(wanted);
  });
});

it('a membership that is deleted takes the bindings along that name it, and no others', async () => {
  const cluster = await startTestCluster();
  const life = withCancel(cluster.ctx);
  const { ctx } = life;
  const client = createClient(cluster.transport);
  await vi.waitFor(() => serveFleetKinds(ctx, client), { timeout: 20_000 });
  const { stopped } = startControllers(ctx, { client, random: systemRandom, names: ['garbage-collector-controller'] });
  const metrics = new MetricsRegistry();
  const informers = createInformers(client, { random: systemRandom, metrics });
  const running = runBindingOwnerController(ctx, { hubClient: client, informers, random: systemRandom, metrics });
  informers.start(ctx);
  await client.create(ctx, fleetRoleBindings, binding('early', { membership: 'edge' }));
  await client.create(ctx, fleetRoleBindings, binding('scoped', { scope: 'shop' }));
  await client.create(ctx, fleetRoleBindings, binding('elsewhere', { membership: 'other' }));
  await client.create(ctx, membershipBindings, {
    apiVersion,
    kind: 'MembershipBinding',
    metadata: { name: 'edge-shop', namespace },
    spec: { membership: 'edge', scope: 'shop' },
  });
  await client.create(ctx, memberships, member('edge'));
  const names = async (): Promise<readonly string[]> =>
    [
      ...(await client.list(ctx, fleetRoleBindings, { namespace })).items,
      ...(await client.list(ctx, membershipBindings, { namespace })).items,
    ].map((one) => one.metadata.name ?? '');
  const ownedNow = async (): Promise<number> =>
    [
      ...(await client.list(ctx, fleetRoleBindings, { namespace })).items,
      ...(await client.list(ctx, membershipBindings, { namespace })).items,
    ].filter((one) => one.metadata.ownerReferences !== undefined).length;
  await vi.waitFor(async () => expect(await ownedNow()).toBe(2), { timeout: 20_000 });
  await client.delete(ctx, memberships, { namespace, name: 'edge' });
  await vi.waitFor(async () => expect(await names()).toEqual(['elsewhere', 'scoped']), { timeout: 20_000 });
  life.cancel();
  await Promise.allSettled([running, stopped]);
  await cluster.close();
});
