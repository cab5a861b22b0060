import { background } from '@polyanthus/ground-base/context';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { guardPolicy } from '@polyanthus/kube-access/reference-guard';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startControlPlane, type ControlPlane } from '../../../lab/src/control-plane.ts';
import { whyNotReal } from '../../../lab/src/parts.ts';
import { applyObjects } from './apply-objects.ts';
import { bindGuard } from './bind-guard.ts';
import { grantHandover, handoverCases, writeHandover } from './handover-cases.ts';
import { handoverGuard } from './handover-guard.ts';
import { bindCases, grantWriter, serveFleetKinds, writeCase } from './bind-cases.ts';

const ctx = background();
const version = '1.37.2';
const why = whyNotReal(['etcd', '3.7.0'], ['kube-apiserver', version]);

describe.skipIf(why !== undefined)(
  `the guard as a policy of a real kube-apiserver${why === undefined ? '' : ` (${why})`}`,
  () => {
    let plane: ControlPlane;
    const clientAs = (token: string): KubeClient =>
      createClient(
        createTransport({
          baseUrl: plane.url,
          tls: { ca: plane.caPem },
          headers: () => Promise.resolve({ authorization: `Bearer ${token}` }),
        }),
      );
    beforeAll(async () => {
      plane = await startControlPlane({ version, tokens: ['wanda-token,wanda,1', 'hanna-token,hanna,2'] });
    });
    afterAll(() => plane.stop());

    it('refuses the same writes as the embedded server', async () => {
      const admin = clientAs(plane.adminToken);
      await vi.waitFor(() => serveFleetKinds(ctx, admin), { timeout: 20_000, interval: 200 });
      await grantWriter(ctx, admin, 'wanda');
      await applyObjects(ctx, admin, guardPolicy(bindGuard, { name: 'guard', labels: {} }) as readonly KubeObject[]);
      const wanda = clientAs('wanda-token');
      const [first] = bindCases.filter((one) => one.refused !== undefined);
      let attempt = 0;
      // The policy takes effect a moment after it is stored.
      await vi.waitFor(
        () =>
          expect(writeCase(ctx, wanda, `early-${attempt++}`, first as never)).rejects.toMatchObject({
            code: 'Forbidden',
          }),
        { timeout: 20_000, interval: 200 },
      );
      for (const [index, one] of bindCases.entries()) {
        const writing = writeCase(ctx, wanda, `case-${index}`, one);
        if (one.refused === undefined) await writing;
        else
          await expect(writing).rejects.toMatchObject({
            code: 'Forbidden',
            message: expect.stringContaining(one.refused) as string,
          });
      }
    });

    it('refuses the same handovers as the embedded server', async () => {
      const admin = clientAs(plane.adminToken);
      await vi.waitFor(() => serveFleetKinds(ctx, admin), { timeout: 20_000, interval: 200 });
      await grantHandover(ctx, admin, 'hanna');
      await applyObjects(
        ctx,
        admin,
        guardPolicy(handoverGuard, { name: 'other', labels: {} }) as readonly KubeObject[],
      );
      const hanna = clientAs('hanna-token');
      const [first] = handoverCases.filter((one) => one.refused !== undefined);
      let attempt = 0;
      await vi.waitFor(
        () =>
          expect(writeHandover(ctx, hanna, `early-${attempt++}`, first as never)).rejects.toMatchObject({
            code: 'Forbidden',
          }),
        { timeout: 20_000, interval: 200 },
      );
      for (const [index, one] of handoverCases.entries()) {
        const writing = writeHandover(ctx, hanna, `handover-${index}`, one);
        if (one.refused === undefined) await writing;
        else
          await expect(writing).rejects.toMatchObject({
            code: 'Forbidden',
            message: expect.stringContaining(one.refused) as string,
          });
      }
    });
  },
);
