import { background } from '@polyanthus/ground-base/context';
import { createTransport } from '@polyanthus/ground-http/node-client';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import { clusterRoleBindings, clusterRoles, configMaps, secrets } from '@polyanthus/kube-kinds/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startControlPlane, type ControlPlane } from '../../../lab/src/control-plane.ts';
import { whyNotReal } from '../../../lab/src/parts.ts';
import { impersonationRules } from './impersonation-rules.ts';

const rbac = 'rbac.authorization.k8s.io';
const ctx = background();

describe.each(['1.37.2', '1.36.3'] as const)('constrained impersonation on a real kube-apiserver %s', (version) => {
  const why = whyNotReal(['etcd', '3.7.0'], ['kube-apiserver', version]);
  describe.skipIf(why !== undefined)(`acts${why === undefined ? '' : ` (${why})`}`, () => {
    let plane: ControlPlane;
    const clientAs = (token: string, headers: Readonly<Record<string, string | readonly string[]>> = {}): KubeClient =>
      createClient(
        createTransport({
          baseUrl: plane.url,
          tls: { ca: plane.caPem },
          headers: () => Promise.resolve({ authorization: `Bearer ${token}`, ...headers }),
        }),
      );
    const acting = (agent: string, user: string, groups: readonly string[]): KubeClient =>
      clientAs(agent, { 'impersonate-user': user, 'impersonate-group': groups });

    beforeAll(async () => {
      plane = await startControlPlane({
        version,
        tokens: ['full-token,agent-full,1', 'readonly-token,agent-readonly,2'],
      });
      const admin = clientAs(plane.adminToken);
      const bind = async (name: string, user: string, role: string): Promise<void> => {
        await admin.create(ctx, clusterRoleBindings, {
          apiVersion: `${rbac}/v1`,
          kind: 'ClusterRoleBinding',
          metadata: { name },
          roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: role },
          subjects: [{ kind: 'User', apiGroup: rbac, name: user }],
        });
      };
      for (const ceiling of ['full', 'readonly'] as const) {
        await admin.create(ctx, clusterRoles, {
          apiVersion: `${rbac}/v1`,
          kind: 'ClusterRole',
          metadata: { name: `agent-${ceiling}` },
          rules: impersonationRules(`v${version}`, ceiling),
        });
        await bind(`agent-${ceiling}`, `agent-${ceiling}`, `agent-${ceiling}`);
      }
      await bind('ana', 'ana', 'cluster-admin');
    });
    afterAll(() => plane.stop());

    const config = (name: string) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, namespace: 'default' },
    });
    const forbidden = { code: 'Forbidden' };

    it('lets the agent act as a user within that user’s rights, with many groups', async () => {
      const groups = Array.from({ length: 50 }, (_none, index) => `group-${index}`);
      const ana = acting('full-token', 'ana', groups);
      await ana.create(ctx, configMaps, config('one'));
      expect(
        (await ana.list(ctx, configMaps, { namespace: 'default' })).items.some((one) => one.metadata.name === 'one'),
      ).toBe(true);
      await ana.delete(ctx, configMaps, { namespace: 'default', name: 'one' });
      await expect(
        acting('full-token', 'bob', []).list(ctx, configMaps, { namespace: 'default' }),
      ).rejects.toMatchObject(forbidden);
    });

    it('never reaches system:masters, ServiceAccounts, nodes, or anything as the agent itself', async () => {
      await expect(acting('full-token', 'ana', ['system:masters']).list(ctx, secrets)).rejects.toMatchObject(forbidden);
      await expect(
        acting('full-token', 'system:serviceaccount:kube-system:default', []).list(ctx, secrets),
      ).rejects.toMatchObject(forbidden);
      await expect(acting('full-token', 'system:node:n1', []).list(ctx, secrets)).rejects.toMatchObject(forbidden);
      await expect(clientAs('full-token').list(ctx, configMaps, { namespace: 'default' })).rejects.toMatchObject(
        forbidden,
      );
    });

    it('keeps the read-only ceiling even for an administrator', async () => {
      const ana = acting('readonly-token', 'ana', []);
      expect((await ana.list(ctx, configMaps, { namespace: 'default' })).kind).toBe('ConfigMapList');
      await expect(ana.create(ctx, configMaps, config('two'))).rejects.toMatchObject(forbidden);
      await expect(
        ana.delete(ctx, configMaps, { namespace: 'default', name: 'kube-root-ca.crt' }),
      ).rejects.toMatchObject(forbidden);
    });
  });
});
