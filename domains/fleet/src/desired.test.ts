import type { FleetNamespace, FleetRoleBinding, MembershipBinding, Scope } from '@polyanthus/kube-kinds/own/fleet';
import { describe, expect, it } from 'vitest';
import { desiredManifest, membershipsOf, type FleetWorld } from './desired.ts';
import { gatewayRight } from './gateway-rights.ts';

const v1 = 'fleet.polyanthus.dev/v1';
const scope = (name: string, labels: Record<string, string> = {}): Scope => ({
  apiVersion: v1,
  kind: 'Scope',
  metadata: { name, namespace: 'default' },
  spec: { namespaceLabels: labels },
});
const namespace = (inScope: string, name: string, labels: Record<string, string> = {}): FleetNamespace => ({
  apiVersion: v1,
  kind: 'Namespace',
  metadata: { name: `${inScope}.${name}` },
  spec: { scope: inScope, namespace: name, namespaceLabels: labels },
});
const bind = (membership: string, toScope: string): MembershipBinding => ({
  apiVersion: v1,
  kind: 'MembershipBinding',
  metadata: { name: `${membership}-${toScope}` },
  spec: { membership, scope: toScope },
});
const role = (name: string, spec: FleetRoleBinding['spec']): FleetRoleBinding => ({
  apiVersion: v1,
  kind: 'RBACRoleBinding',
  metadata: { name, namespace: 'default', uid: `uid-${name}` },
  spec,
});

const world: FleetWorld = {
  scopes: [scope('shop', { team: 'shop', tier: 'scope' }), scope('ops')],
  namespaces: [namespace('shop', 'cart', { tier: 'namespace', app: 'cart' }), namespace('ops', 'tools')],
  roleBindings: [
    role('dev', { scope: 'shop', user: 'ana@example.com', role: { predefinedRole: 'EDIT' } }),
    role('root', { membership: 'edge-1', group: 'sre', role: { predefinedRole: 'ADMIN' } }),
    role('odd', { scope: 'shop', group: 'qa', role: { customRole: 'tester' } }),
  ],
  membershipBindings: [bind('edge-1', 'shop'), bind('edge-2', 'shop'), bind('edge-2', 'ops')],
};

describe('the manifest of a membership', () => {
  it('has the namespaces of its scopes, where the label of the scope wins', () => {
    expect(desiredManifest('edge-1', world).namespaces).toEqual([
      { name: 'cart', labels: { tier: 'scope', app: 'cart', team: 'shop', 'fleet.polyanthus.dev/scope': 'shop' } },
    ]);
    expect(desiredManifest('edge-2', world).namespaces.map((one) => one.name)).toEqual(['tools', 'cart']);
  });

  it('has bindings in those namespaces, and cluster-wide ones for the membership', () => {
    expect(desiredManifest('edge-1', world).bindings).toEqual([
      { name: 'fleet:dev', namespace: 'cart', clusterRole: 'edit', user: 'ana@example.com' },
      { name: 'fleet:odd', namespace: 'cart', clusterRole: 'tester', group: 'qa' },
      { name: 'fleet:root', clusterRole: 'cluster-admin', group: 'sre' },
    ]);
  });

  it('is empty for a membership without bindings, and counts what is being deleted as gone', () => {
    expect(desiredManifest('edge-9', world)).toEqual({ namespaces: [], bindings: [] });
    const going = {
      ...world,
      scopes: world.scopes.map((one) => ({
        ...one,
        metadata: { ...one.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' },
      })),
    };
    expect(desiredManifest('edge-2', going)).toEqual({ namespaces: [], bindings: [] });
  });
});

describe('the right to the gateway', () => {
  it('names the bound memberships only; streams come with edit, not with view', () => {
    const [dev] = world.roleBindings;
    if (dev === undefined) throw new Error('no binding');
    expect(membershipsOf(dev, world)).toEqual(['edge-1', 'edge-2']);
    const right = gatewayRight(dev, ['edge-2', 'edge-1']);
    expect(right?.role.rules?.map((rule) => [rule.resources, rule.resourceNames, rule.verbs])).toEqual([
      [['memberships'], ['edge-1', 'edge-2'], ['get']],
      [['memberships/gateway'], ['edge-1', 'edge-2'], ['*']],
      [['memberships/stream'], ['edge-1', 'edge-2'], ['create']],
    ]);
    expect(right?.binding.subjects).toEqual([
      { kind: 'User', name: 'ana@example.com', apiGroup: 'rbac.authorization.k8s.io' },
    ]);
    const view = gatewayRight({ ...dev, spec: { ...dev.spec, role: { predefinedRole: 'VIEW' } } }, ['edge-1']);
    expect(view?.role.rules?.flatMap((rule) => rule.resources ?? [])).not.toContain('memberships/stream');
    expect(view?.role.rules?.[1]?.verbs).toEqual(['get', 'list', 'watch']);
    expect(gatewayRight(dev, [])).toBeUndefined();
  });

  it("gives a hub's ServiceAccount its role under the name that it has in members, not to the member's of that name", () => {
    const robot = role('robot', {
      membership: 'edge-1',
      user: 'system:serviceaccount:ci:robot',
      role: { predefinedRole: 'EDIT' },
    });
    const team = role('team', {
      membership: 'edge-1',
      group: 'system:serviceaccounts:ci',
      role: { predefinedRole: 'VIEW' },
    });
    const { bindings } = desiredManifest('edge-1', { ...world, scopes: [], roleBindings: [robot, team] });
    expect(bindings.map(({ user, group }) => user ?? group)).toEqual([
      'hub:serviceaccount:ci:robot',
      'hub:serviceaccounts:ci',
    ]);
  });
});
