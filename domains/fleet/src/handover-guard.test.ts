import { createClient } from '@polyanthus/kube-client/rest';
import { runHandovers } from '@polyanthus/kube-kinds/own/runbook';
import { startTestCluster } from '@polyanthus/kube-server/testing';
import { expect, it, vi } from 'vitest';
import { serveFleetKinds } from './bind-cases.ts';
import { gatewayRight } from './gateway-rights.ts';
import { grantHandover, handoverCases, writeHandover } from './handover-cases.ts';
import { handoverGuard } from './handover-guard.ts';

it('has the hub work on no member but those of the user, and with no key that the user may not read', async () => {
  const hub = await startTestCluster({ referenceGuards: [handoverGuard] });
  const admin = createClient(hub.transport);
  await vi.waitFor(() => serveFleetKinds(hub.ctx, admin));
  await grantHandover(hub.ctx, admin, 'hanna');
  const hanna = createClient(hub.transportAs({ username: 'hanna', groups: ['system:authenticated'] }));
  for (const [index, one] of handoverCases.entries()) {
    const writing = writeHandover(hub.ctx, hanna, `case-${index}`, one);
    if (one.refused === undefined) await writing;
    else
      await expect(writing).rejects.toMatchObject({
        code: 'Forbidden',
        message: expect.stringContaining(one.refused) as string,
      });
  }
  // Somebody else's handover does not lend its references to who may update it.
  await writeHandover(hub.ctx, admin, 'foreign', { spec: { membership: 'foreign', sshSecret: 'foreign' } });
  const key = { namespace: 'default', name: 'foreign' };
  const change = (spec: object) => hanna.patch(hub.ctx, runHandovers, key, { type: 'merge', body: { spec } });
  await expect(change({ run: 'mine' })).rejects.toMatchObject({ code: 'Forbidden' });
  await hub.close();
});

it('comes with a role binding of ADMIN on a membership, and with no other', () => {
  const verbs = (spec: object): readonly string[] => {
    const binding = { apiVersion: 'fleet.polyanthus.dev/v1', kind: 'RBACRoleBinding', metadata: { name: 'b' }, spec };
    const rules = gatewayRight(binding as Parameters<typeof gatewayRight>[0], ['own'])?.role.rules ?? [];
    expect(rules.every(({ resourceNames }) => resourceNames?.join() === 'own')).toBe(true);
    return rules.filter(({ resources }) => resources?.includes('memberships')).flatMap((rule) => rule.verbs);
  };
  const role = { predefinedRole: 'ADMIN' };
  expect(verbs({ membership: 'own', user: 'a', role })).toEqual(['get', 'handover']);
  expect(verbs({ scope: 's', user: 'a', role })).toEqual(['get']);
  expect(verbs({ membership: 'own', user: 'a', role: { predefinedRole: 'EDIT' } })).toEqual(['get']);
  expect(verbs({ membership: 'own', user: 'a', role: { customRole: 'maintainer' } })).toEqual(['get']);
});
