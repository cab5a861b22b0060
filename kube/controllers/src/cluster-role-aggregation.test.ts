import { expect, it } from 'vitest';
import { aggregatedRules } from './cluster-role-aggregation.ts';

const role = (name: string, labels: Readonly<Record<string, string>>, resource: string) => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name, labels },
  rules: [{ apiGroups: [''], resources: [resource], verbs: ['get'] }],
});

it('takes the rules of selected roles once each, by name, and never its own', () => {
  const aggregate = {
    ...role('all', { to: 'all' }, 'own'),
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: { to: 'all' } }] },
  };
  const rules = aggregatedRules(aggregate, [
    aggregate,
    role('b', { to: 'all' }, 'pods'),
    role('a', { to: 'all' }, 'nodes'),
    role('c', { to: 'all' }, 'pods'),
    role('d', {}, 'secrets'),
  ]);
  expect(rules.map((rule) => rule.resources?.[0])).toEqual(['nodes', 'pods']);
});
