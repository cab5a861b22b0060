import { clusterRoleBindings, namespaces, roleBindings } from '@polyanthus/kube-kinds/core';
import { createClient } from '@polyanthus/kube-client/rest';
import { startTestCluster, type TestCluster } from '@polyanthus/kube-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { actuate } from './actuate.ts';

let member: TestCluster;
beforeAll(async () => {
  member = await startTestCluster();
});
afterAll(() => member.close());

const rbac = 'rbac.authorization.k8s.io';

describe('what a manifest cannot do in a member', () => {
  it('takes no namespace of the cluster itself into a fleet', async () => {
    const client = createClient(member.transport);
    const names = ['kube-system', 'default', 'kube-public', 'kube-node-lease', 'polyanthus-agent'];
    const done = await actuate(member.ctx, client, 'f', {
      namespaces: [...names, 'team'].map((name) => ({ name, labels: {} })),
      bindings: ['kube-system', 'team'].map((namespace) => ({
        name: 'fleet:b',
        namespace,
        clusterRole: 'admin',
        user: 'mallory',
      })),
    });
    expect(done.applied).toEqual(['Namespace team', 'RoleBinding team/fleet:b']);
    expect(done.refused).toHaveLength(5);
    const bindings = (await client.listAll(member.ctx, roleBindings, { namespace: 'kube-system' })).items;
    expect(bindings).toEqual([]);
    const system = await client.get(member.ctx, namespaces, { name: 'kube-system' });
    expect(system.metadata.labels).not.toHaveProperty('polyanthus.dev/owned');
  });

  it("changes no binding of another's that has the same name", async () => {
    const client = createClient(member.transport);
    const theirs = {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name: 'fleet:theirs' },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole' as const, name: 'view' },
      subjects: [{ kind: 'User' as const, apiGroup: rbac, name: 'ana' }],
    };
    await client.create(member.ctx, clusterRoleBindings, theirs);
    const spec = { namespaces: [], bindings: [{ name: 'fleet:theirs', clusterRole: 'view', user: 'mallory' }] };
    const done = await actuate(member.ctx, client, 'f', spec);
    expect(done.refused).toEqual(['ClusterRoleBinding fleet:theirs: one that is not of this fleet has the name']);
    const live = await client.get(member.ctx, clusterRoleBindings, { name: 'fleet:theirs' });
    expect(live.subjects).toEqual(theirs.subjects);
  });
});
