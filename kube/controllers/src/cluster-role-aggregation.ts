/** Fills ClusterRoles with an aggregationRule from the roles that it selects (clusterroleaggregation_controller.go). */
import { clusterRoles, type ClusterRole, type PolicyRule } from '@polyanthus/kube-kinds/core';
import { labelSelectorMatcher } from '@polyanthus/kube-objects/selectors';
import { commit } from '@polyanthus/kube-runtime/committer';
import { runController } from '@polyanthus/kube-runtime/controller';
import { jsonEqual } from '@polyanthus/kube-runtime/equal';
import { queueFor, type ControllerDefinition } from './environment.ts';

/** Keeps the rules of aggregated ClusterRoles. */
export const clusterRoleAggregationController: ControllerDefinition = {
  spec: {
    name: 'clusterrole-aggregation-controller',
    inputs: [clusterRoles],
    outputs: [clusterRoles],
    rbac: [
      {
        apiGroups: ['rbac.authorization.k8s.io'],
        resources: ['clusterroles'],
        verbs: ['escalate', 'get', 'list', 'patch', 'update', 'watch'],
      },
    ],
  },
  run: async (ctx, env) => {
    const cache = env.informers.of(clusterRoles);
    const queue = queueFor(ctx, env, 'clusterrole-aggregation-controller');
    // Any role may be part of any aggregate, by labels that it has now or had before.
    const enqueueAll = (): void => {
      for (const role of cache.list()) if (role.aggregationRule !== undefined) queue.add(role.metadata.name ?? '');
    };
    cache.onEvent({ onAdd: enqueueAll, onUpdate: enqueueAll, onDelete: enqueueAll });
    await runController(ctx, {
      name: 'clusterrole-aggregation-controller',
      queue,
      metrics: env.metrics,
      informers: [cache],
      reconcile: async (inner, name) => {
        const role = cache.get(name);
        if (role?.aggregationRule === undefined) return;
        const rules = aggregatedRules(role, cache.list());
        if (!jsonEqual(rules, role.rules ?? []))
          await commit(inner, env.client, clusterRoles, { before: role, after: { ...role, rules } });
      },
    });
  },
};

/** Selectors in their order, selected roles by name, every rule once; never the role itself. */
export function aggregatedRules(role: ClusterRole, all: readonly ClusterRole[]): readonly PolicyRule[] {
  const rules: PolicyRule[] = [];
  const others = all
    .filter((each) => each.metadata.name !== role.metadata.name)
    .sort((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1));
  for (const selector of role.aggregationRule?.clusterRoleSelectors ?? []) {
    const matcher = labelSelectorMatcher(selector);
    for (const other of others) {
      if (!matcher.matches(other.metadata.labels)) continue;
      for (const rule of other.rules ?? []) if (!rules.some((known) => jsonEqual(known, rule))) rules.push(rule);
    }
  }
  return rules;
}
