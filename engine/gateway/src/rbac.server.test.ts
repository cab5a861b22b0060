/** The gateway with the real RBAC evaluator: the roles that a user of the hub writes. */
import { background } from '@polyanthus/ground-base/context';
import { readBody } from '@polyanthus/ground-http/body';
import { createRbacAuthorizer } from '@polyanthus/kube-access/rbac';
import type { PolicyRule, Role, RoleBinding } from '@polyanthus/kube-kinds/core';
import { afterEach, expect, it } from 'vitest';
import { atMember, startTestGateway, type TestGateway } from './testing.ts';

const ctx = background();
let open: TestGateway | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

const apiVersion = 'rbac.authorization.k8s.io/v1';
const fleet = (resources: string[], verbs: string[], resourceNames?: string[]): PolicyRule => ({
  apiGroups: ['fleet.polyanthus.dev'],
  resources,
  verbs,
  ...(resourceNames === undefined ? {} : { resourceNames }),
});

it.each([
  [
    'a reader of this membership',
    [fleet(['memberships/gateway'], ['get', 'list', 'watch'], ['member-1'])],
    { read: 200, write: 403, exec: 403 },
  ],
  ['an editor without streams', [fleet(['memberships/gateway'], ['*'])], { read: 200, write: 200, exec: 403 }],
  [
    'an editor with streams',
    [fleet(['memberships/gateway', 'memberships/stream'], ['*'])],
    { read: 200, write: 200, exec: 200 },
  ],
  [
    'a reader of another membership',
    [fleet(['memberships/gateway'], ['*'], ['member-2'])],
    { read: 403, write: 403, exec: 403 },
  ],
  ['who may only read the object', [fleet(['memberships'], ['*'])], { read: 403, write: 403, exec: 403 }],
])('%s', async (_name, rules, codes) => {
  const role: Role = { apiVersion, kind: 'Role', metadata: { name: 'r', namespace: 'fleet-a' }, rules };
  const binding: RoleBinding = {
    apiVersion,
    kind: 'RoleBinding',
    metadata: { name: 'b', namespace: 'fleet-a' },
    subjects: [{ kind: 'Group', name: 'devs' }],
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'r' },
  };
  const rbac = createRbacAuthorizer({
    version: () => 1,
    clusterRole: () => undefined,
    role: (namespace, name) => (namespace === 'fleet-a' && name === 'r' ? role : undefined),
    clusterRoleBindings: () => [],
    roleBindings: () => [binding],
  });
  open = await startTestGateway(async () => ({ status: 200, headers: {}, body: Buffer.from('{}') }), {
    gateway: { authorize: async (_ctx, right) => rbac.authorize(right) },
  });
  const client = open.client();
  const code = async (method: string, path: string): Promise<number> => {
    const answer = await client.request(ctx, atMember(path, { method }));
    await readBody(answer.body, 1e6);
    return answer.status;
  };
  expect({
    read: await code('GET', '/api/v1/pods'),
    write: await code('POST', '/api/v1/namespaces/a/configmaps'),
    exec: await code('GET', '/api/v1/namespaces/a/pods/b/exec?command=sh'),
  }).toEqual(codes);
});
