import { createClient } from '@polyanthus/kube-client/rest';
import { fleetRoleBindings } from '@polyanthus/kube-kinds/own/fleet';
import { startTestCluster } from '@polyanthus/kube-server/testing';
import { expect, it, vi } from 'vitest';
import { bindGuard } from './bind-guard.ts';
import { bindCases, grantWriter, serveFleetKinds, writeCase } from './bind-cases.ts';

it('lets nobody hand out rights in a membership or scope that is not theirs to bind', async () => {
  const hub = await startTestCluster({ referenceGuards: [bindGuard] });
  const admin = createClient(hub.transport);
  await vi.waitFor(() => serveFleetKinds(hub.ctx, admin));
  await grantWriter(hub.ctx, admin, 'wanda');
  const wanda = createClient(hub.transportAs({ username: 'wanda', groups: ['system:authenticated'] }));
  for (const [index, one] of bindCases.entries()) {
    const writing = writeCase(hub.ctx, wanda, `case-${index}`, one);
    if (one.refused === undefined) await writing;
    else
      await expect(writing).rejects.toMatchObject({
        code: 'Forbidden',
        message: expect.stringContaining(one.refused) as string,
      });
  }
  const change = (spec: object) =>
    wanda.patch(
      hub.ctx,
      fleetRoleBindings,
      { namespace: 'default', name: 'case-0' },
      { type: 'merge', body: { metadata: { labels: { a: 'b' } }, spec } },
    );
  await expect(change({ membership: 'foreign' })).rejects.toMatchObject({ code: 'Forbidden' });
  await change({});
  await hub.close();
});
