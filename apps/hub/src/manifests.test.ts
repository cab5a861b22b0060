import type { PolicyRule } from '@polyanthus/kube-kinds/core';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { expect, it } from 'vitest';
import { hubManifests } from './manifests.ts';

const objects = hubManifests({
  namespace: 'hub-system',
  replicas: 5,
  image: 'example.org/hub:1',
  hostNames: ['hub.example.org', '10.0.0.1'],
  serviceType: 'ClusterIP',
  identitySecret: 'who',
  fleets: ['red', 'blue'],
});
type Ruled = KubeObject & { readonly rules: readonly PolicyRule[] };
const ruled = (kind: string): readonly Ruled[] => objects.filter((one) => one.kind === kind) as unknown as Ruled[];
const everywhere = ruled('ClusterRole').flatMap((role) => role.rules);
const all = [...everywhere, ...ruled('Role').flatMap((role) => role.rules)];

it('gives a hub no right that makes others, and none to every resource', () => {
  expect(all.length).toBeGreaterThan(8);
  expect(all.flatMap((rule) => rule.verbs).filter((verb) => verb === 'bind' || verb === 'escalate')).toEqual([]);
  expect(all.flatMap((rule) => [...(rule.resources ?? []), ...(rule.apiGroups ?? [])])).not.toContain('*');
});

it('lets a hub write in its fleets and its own namespace alone', () => {
  const harmless = new Set(['get', 'list', 'watch']);
  const writes = everywhere.filter((rule) => rule.verbs.some((verb) => !harmless.has(verb)));
  expect(writes.flatMap((rule) => rule.resources)).toEqual(['tokenreviews', 'subjectaccessreviews', 'users', 'groups']);
  expect(ruled('Role').map((role) => role.metadata.namespace)).toEqual(['hub-system', 'red', 'blue']);
});

it('shows a hub no list of Secrets, and no Secret outside its fleets but its identity', () => {
  const secrets = all.filter((rule) => rule.resources?.includes('secrets'));
  expect(secrets.flatMap((rule) => rule.verbs)).not.toContain('list');
  expect(everywhere.flatMap((rule) => rule.resources)).not.toContain('secrets');
  const [own] = ruled('Role');
  expect(own?.rules[0]).toEqual({ apiGroups: [''], resources: ['secrets'], resourceNames: ['who'], verbs: ['get'] });
});

it('runs as many replicas as asked, with the names that agents use', () => {
  const deployment = objects.find((one) => one.kind === 'Deployment');
  const args = ['--namespace=hub-system', '--identity-secret=who', '--host-name=hub.example.org'];
  expect(deployment).toMatchObject({ metadata: { namespace: 'hub-system' }, spec: { replicas: 5 } });
  for (const arg of args) expect(JSON.stringify(deployment)).toContain(JSON.stringify(arg));
});
