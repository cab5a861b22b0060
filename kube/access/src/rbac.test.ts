import type { ClusterRole, PolicyRule, RoleBinding } from '@polyanthus/kube-kinds/core';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkEscalation } from './escalation.ts';
import { createRbacAuthorizer, type RbacAuthorizer } from './rbac.ts';
import { ruleAllows, uncovered } from './rbac-rules.ts';
import type { Attributes, UserInfo } from './user.ts';

const rbac = 'rbac.authorization.k8s.io';
const role = (name: string, rules: readonly PolicyRule[], namespace?: string): ClusterRole => ({
  apiVersion: `${rbac}/v1`,
  kind: namespace === undefined ? 'ClusterRole' : 'Role',
  metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
  rules,
});
const binding = (
  name: string,
  kind: 'Role' | 'ClusterRole',
  roleName: string,
  subjects: RoleBinding['subjects'],
  namespace?: string,
): RoleBinding => ({
  apiVersion: `${rbac}/v1`,
  kind: namespace === undefined ? 'ClusterRoleBinding' : 'RoleBinding',
  metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
  roleRef: { apiGroup: rbac, kind, name: roleName },
  ...(subjects === undefined ? {} : { subjects }),
});

function authorizer(roles: readonly ClusterRole[], bindings: readonly RoleBinding[]): RbacAuthorizer {
  return createRbacAuthorizer({
    version: () => 1,
    clusterRole: (name) => roles.find((one) => one.kind === 'ClusterRole' && one.metadata.name === name),
    role: (namespace, name) =>
      roles.find((one) => one.kind === 'Role' && one.metadata.name === name && one.metadata.namespace === namespace),
    clusterRoleBindings: () => bindings.filter((one) => one.metadata.namespace === undefined),
    roleBindings: () => bindings.filter((one) => one.metadata.namespace !== undefined),
  });
}

const ask = (
  user: UserInfo,
  verb: string,
  resource: string,
  more: {
    readonly namespace?: string;
    readonly name?: string;
    readonly subresource?: string;
    readonly group?: string;
  } = {},
): Attributes => ({
  kind: 'resource',
  user,
  verb,
  group: more.group ?? '',
  version: 'v1',
  resource,
  subresource: more.subresource ?? '',
  namespace: more.namespace ?? '',
  name: more.name ?? '',
});
const ana: UserInfo = { username: 'ana', groups: ['dev'] };

describe('RBAC', () => {
  const rules: PolicyRule[] = [
    { apiGroups: [''], resources: ['pods', '*/scale'], verbs: ['get'] },
    { apiGroups: [''], resources: ['secrets'], resourceNames: ['one'], verbs: ['get'] },
    { nonResourceURLs: ['/metrics', '/logs/*'], verbs: ['get'] },
  ];
  const all = authorizer(
    [
      role('reader', rules),
      role('admin', [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }]),
      role('local', [{ apiGroups: [''], resources: ['configmaps'], verbs: ['list'] }], 'ns'),
    ],
    [
      binding('b1', 'ClusterRole', 'reader', [{ kind: 'User', name: 'ana' }]),
      binding('b2', 'ClusterRole', 'admin', [{ kind: 'ServiceAccount', name: 'sa' }], 'ns'),
      binding('b3', 'Role', 'local', [{ kind: 'Group', name: 'dev' }], 'ns'),
      binding('b4', 'ClusterRole', 'gone', [{ kind: 'Group', name: 'dev' }]),
    ],
  );
  const allowed = (attributes: Attributes): boolean => all.authorize(attributes).allowed;

  it('allows what a rule names and nothing else', () => {
    expect(allowed(ask(ana, 'get', 'pods', { namespace: 'x', name: 'p' }))).toBe(true);
    expect(allowed(ask(ana, 'get', 'pods', { subresource: 'log' }))).toBe(false);
    expect(allowed(ask(ana, 'get', 'deployments', { subresource: 'scale' }))).toBe(true);
    expect(allowed(ask(ana, 'list', 'pods'))).toBe(false);
    expect(allowed(ask(ana, 'get', 'pods', { group: 'other' }))).toBe(false);
    expect(allowed(ask(ana, 'get', 'secrets', { name: 'one' }))).toBe(true);
    expect(allowed(ask(ana, 'get', 'secrets', { name: 'two' }))).toBe(false);
    expect(allowed(ask(ana, 'get', 'secrets'))).toBe(false);
    expect(allowed({ kind: 'nonResource', user: ana, verb: 'get', path: '/logs/a' })).toBe(true);
    expect(allowed({ kind: 'nonResource', user: ana, verb: 'get', path: '/metrics/a' })).toBe(false);
  });

  it('keeps a RoleBinding in its namespace, and takes a ServiceAccount from there', () => {
    const account: UserInfo = { username: 'system:serviceaccount:ns:sa', groups: [] };
    expect(allowed(ask(account, 'delete', 'pods', { namespace: 'ns' }))).toBe(true);
    expect(allowed(ask(account, 'delete', 'pods', { namespace: 'other' }))).toBe(false);
    expect(allowed(ask(account, 'delete', 'pods'))).toBe(false);
    expect(allowed({ kind: 'nonResource', user: account, verb: 'get', path: '/metrics' })).toBe(false);
    expect(allowed(ask(ana, 'list', 'configmaps', { namespace: 'ns' }))).toBe(true);
  });

  it('gives the reason in the words of kube-apiserver', () => {
    expect(all.authorize(ask(ana, 'get', 'pods')).reason).toBe(
      'RBAC: allowed by ClusterRoleBinding "b1" of ClusterRole "reader" to User "ana"',
    );
    expect(all.authorize(ask(ana, 'list', 'configmaps', { namespace: 'ns' })).reason).toBe(
      'RBAC: allowed by RoleBinding "b3/ns" of Role "local" to Group "dev"',
    );
  });

  it('names the roles that are gone in a refusal', () => {
    expect(all.authorize(ask(ana, 'delete', 'pods'))).toEqual({
      allowed: false,
      reason: 'RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found',
    });
    expect(all.authorize(ask({ username: 'bob', groups: [] }, 'delete', 'pods')).reason).toBe('');
  });

  it('knows no ServiceAccount without a namespace', () => {
    const nowhere = authorizer(
      [role('admin', [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }])],
      [
        binding('b', 'ClusterRole', 'admin', [{ kind: 'ServiceAccount', name: 'sa' }]),
        binding('c', 'ClusterRole', 'admin', [{ kind: 'ServiceAccount', name: 'sa', namespace: '' }], 'ns'),
      ],
    );
    const as = (username: string) =>
      nowhere.authorize(ask({ username, groups: [] }, 'get', 'pods', { namespace: 'ns' }));
    expect(as('system:serviceaccount::sa').allowed).toBe(false);
    expect(as('system:serviceaccount:ns:sa').reason).toBe(
      'RBAC: allowed by RoleBinding "c/ns" of ClusterRole "admin" to ServiceAccount "sa/ns"',
    );
  });

  it('decides as a search through everything does', () => {
    const word = fc.constantFrom('a', 'b', 'c', '*');
    const plain = fc.constantFrom('a', 'b', 'c');
    const rule = fc.record({
      verbs: fc.array(word, { minLength: 1, maxLength: 2 }),
      apiGroups: fc.array(word, { minLength: 1, maxLength: 2 }),
      resources: fc.array(fc.constantFrom('a', 'b', 'a/c', '*/c', '*'), { minLength: 1, maxLength: 2 }),
      resourceNames: fc.array(plain, { maxLength: 1 }),
    });
    const bound = fc.record({
      rules: fc.array(rule, { maxLength: 2 }),
      namespace: fc.option(plain, { nil: undefined }),
      subject: fc.record({ kind: fc.constantFrom('User' as const, 'Group' as const), name: plain }),
    });
    const request = fc.record({
      verb: plain,
      group: plain,
      resource: fc.constantFrom('a', 'b'),
      subresource: fc.constantFrom('', 'c'),
      namespace: fc.constantFrom('', 'a', 'b'),
      name: fc.constantFrom('', 'a', 'b'),
    });
    const user = fc.record({ username: plain, groups: fc.array(plain, { maxLength: 2 }) });
    fc.assert(
      fc.property(fc.array(bound, { maxLength: 6 }), request, user, (bounds, wanted, who) => {
        const roles = bounds.map((one, index) => role(`r${index}`, one.rules));
        const bindings = bounds.map((one, index) =>
          binding(`b${index}`, 'ClusterRole', `r${index}`, [one.subject], one.namespace),
        );
        const attributes: Attributes = { kind: 'resource', user: who, version: 'v1', ...wanted };
        const expected = bounds.some(
          (one) =>
            (one.namespace === undefined || one.namespace === wanted.namespace) &&
            (one.subject.kind === 'User' ? one.subject.name === who.username : who.groups.includes(one.subject.name)) &&
            one.rules.some((each) => ruleAllows(each, attributes)),
        );
        expect(authorizer(roles, bindings).authorize(attributes).allowed).toBe(expected);
      }),
      { interruptAfterTimeLimit: 2000 },
    );
  });

  it('covers a rule exactly when every request of it is allowed', () => {
    expect(
      uncovered(
        [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }],
        [{ apiGroups: ['a'], resources: ['x/y'], verbs: ['get', 'put'] }],
      ),
    ).toEqual([]);
    expect(
      uncovered(
        [{ apiGroups: [''], resources: ['pods'], resourceNames: ['a'], verbs: ['get'] }],
        [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
      ),
    ).toHaveLength(1);
    expect(
      uncovered([{ nonResourceURLs: ['/a/*'], verbs: ['get'] }], [{ nonResourceURLs: ['/a/b', '/c'], verbs: ['get'] }]),
    ).toEqual([{ nonResourceURLs: ['/c'], verbs: ['get'] }]);
  });
});

describe('escalation', () => {
  const held = authorizer(
    [role('pods', [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] }])],
    [binding('b', 'ClusterRole', 'pods', [{ kind: 'User', name: 'ana' }])],
  );
  const no = () => Promise.resolve({ allowed: false, reason: '' });
  const write = { user: ana, resource: 'clusterroles', namespace: '', name: 'new' };

  it('lets pass what is held, refuses what is not, in the words of kube-apiserver', async () => {
    expect(
      await checkEscalation({ ...write, rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }] }, held, no),
    ).toBeUndefined();
    const refused = await checkEscalation(
      { ...write, rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['get', 'list'] }] },
      held,
      no,
    );
    expect(refused?.message).toBe(
      'clusterroles.rbac.authorization.k8s.io "new" is forbidden: user "ana" (groups=["dev"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}',
    );
    expect(refused?.httpStatus).toBe(403);
  });

  it('lists what is missing sorted, verbs of one resource together, URLs one by one', async () => {
    const rules: PolicyRule[] = [
      { apiGroups: [''], resources: ['secrets', 'configmaps'], verbs: ['get', 'list'] },
      { nonResourceURLs: ['/metrics'], verbs: ['get', 'put'] },
    ];
    const refused = await checkEscalation({ ...write, rules }, held, no);
    expect(refused?.message.split('\n').slice(1)).toEqual([
      '{APIGroups:[""], Resources:["configmaps"], Verbs:["get" "list"]}',
      '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}',
      '{NonResourceURLs:["/metrics"], Verbs:["get"]}',
      '{NonResourceURLs:["/metrics"], Verbs:["put"]}',
    ]);
  });

  it('lets only those gather rules by aggregation who may do everything', async () => {
    const gathering = { ...write, rules: [], aggregates: true };
    expect((await checkEscalation(gathering, held, no))?.message).toBe(
      'clusterroles.rbac.authorization.k8s.io "new" is forbidden: must have cluster-admin privileges to use the aggregationRule',
    );
    const all: PolicyRule[] = [
      { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
      { verbs: ['*'], nonResourceURLs: ['*'] },
    ];
    const admin = authorizer([role('all', all)], [binding('b', 'ClusterRole', 'all', [{ kind: 'User', name: 'ana' }])]);
    expect(await checkEscalation(gathering, admin, no)).toBeUndefined();
    expect(
      await checkEscalation(gathering, held, () => Promise.resolve({ allowed: true, reason: '' })),
    ).toBeUndefined();
  });

  it('is lifted by the verb bind for that role, and for system:masters', async () => {
    const to = {
      ...write,
      resource: 'clusterrolebindings',
      roleRef: { apiGroup: rbac, kind: 'ClusterRole' as const, name: 'pods' },
    };
    expect(await checkEscalation(to, held, no)).toBeUndefined();
    const other = authorizer([role('pods', [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }])], []);
    expect((await checkEscalation(to, other, no))?.httpStatus).toBe(403);
    expect(
      await checkEscalation(to, other, async (attributes) => ({
        allowed: attributes.verb === 'bind' && attributes.kind === 'resource' && attributes.name === 'pods',
        reason: '',
      })),
    ).toBeUndefined();
    expect(
      await checkEscalation({ ...to, user: { username: 'root', groups: ['system:masters'] } }, other, no),
    ).toBeUndefined();
    expect((await checkEscalation({ ...to, roleRef: { ...to.roleRef, name: 'gone' } }, held, no))?.httpStatus).toBe(
      404,
    );
  });
});
