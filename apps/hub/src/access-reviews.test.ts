import { createVirtualClock, type VirtualClock } from '@polyanthus/ground-testing/virtual-clock';
import type { Transport } from '@polyanthus/ground-http/message';
import type { Attributes } from '@polyanthus/kube-access/user';
import { createClient } from '@polyanthus/kube-client/rest';
import { roleBindings, roles } from '@polyanthus/kube-kinds/core';
import { startTestCluster, type TestCluster } from '@polyanthus/kube-server/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { subjectAccessAuthorizer } from './access-reviews.ts';
import type { Authorize } from './hub-api.ts';

const group = 'rbac.authorization.k8s.io';
const asked: Attributes = {
  kind: 'resource',
  user: { username: 'alice', groups: ['devs'] },
  verb: 'get',
  group: '',
  version: 'v1',
  resource: 'configmaps',
  subresource: '',
  namespace: 'default',
  name: 'one',
};

let clock: VirtualClock;
let cluster: TestCluster;
let authorize: Authorize;
let questions = 0;
beforeEach(async () => {
  clock = createVirtualClock();
  cluster = await startTestCluster({ clock });
  questions = 0;
  const counting: Transport = {
    ...cluster.transport,
    request: (ctx, request) => {
      questions++;
      return cluster.transport.request(ctx, request);
    },
  };
  authorize = subjectAccessAuthorizer(createClient(counting));
});
afterEach(() => cluster.close());

const may = async (): Promise<boolean> => (await authorize(cluster.ctx, asked)).allowed;
const client = () => createClient(cluster.transport);
const key = { namespace: 'default', name: 'readers' };

async function grant(): Promise<void> {
  const rules = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get'] }];
  await client().create(cluster.ctx, roles, { apiVersion: `${group}/v1`, kind: 'Role', metadata: { ...key }, rules });
  await client().create(cluster.ctx, roleBindings, {
    apiVersion: `${group}/v1`,
    kind: 'RoleBinding',
    metadata: { ...key },
    roleRef: { apiGroup: group, kind: 'Role', name: key.name },
    subjects: [{ kind: 'Group', apiGroup: group, name: 'devs' }],
  });
}

it('asks once for the same question at the same time', async () => {
  await grant();
  expect(await Promise.all([may(), may(), may()])).toEqual([true, true, true]);
  expect(questions).toBe(1);
});

it('believes a yes for 10 s and a no for 2 s', async () => {
  expect(await may()).toBe(false);
  await grant();
  expect(await may()).toBe(false);
  await clock.advance(2_000);
  expect(await may()).toBe(true);
  await client().delete(cluster.ctx, roleBindings, key);
  await clock.advance(9_900);
  expect(await may()).toBe(true);
  await clock.advance(100);
  expect(await may()).toBe(false);
  expect(questions).toBe(3);
});

it('keeps no failure', async () => {
  let broken = true;
  const transport: Transport = {
    ...cluster.transport,
    request: (ctx, request) => {
      if (broken) throw new Error('the API is away');
      return cluster.transport.request(ctx, request);
    },
  };
  const failing = subjectAccessAuthorizer(createClient(transport));
  await expect(failing(cluster.ctx, asked)).rejects.toThrow('the API is away');
  broken = false;
  expect((await failing(cluster.ctx, asked)).allowed).toBe(false);
});
