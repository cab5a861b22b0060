/** The objects of a hub on a Kubernetes cluster, as data, in the order to apply them. */
import { bindGuard } from '@polyanthus/domains-fleet/bind-guard';
import { handoverGuard } from '@polyanthus/domains-fleet/handover-guard';
import { guardPolicy } from '@polyanthus/kube-access/reference-guard';
import type { PolicyRule } from '@polyanthus/kube-kinds/core';
import { ownCrds } from '@polyanthus/kube-kinds/own/crds';
import { ownedLabel } from '@polyanthus/kube-kinds/own/ownership';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { trustConfigMap } from './cluster-users.ts';
import { hubDeployment, type HubDeploymentOptions } from './hub-deployment.ts';
import { executorAccount } from './executor-rights.ts';
import { clusterRules, fleetRules, ownRules } from './hub-rights.ts';

/** What may be chosen. */
export interface HubManifestOptions extends HubDeploymentOptions {
  /** Namespaces that are fleets; the hub writes in these alone. They are not made. */
  readonly fleets: readonly string[];
}

/** Name of the Deployment, its account and all that belongs to it. */
export const hubName = 'polyanthus-hub';

const rbac = 'rbac.authorization.k8s.io';
const labels = {
  [ownedLabel]: 'true',
  'app.kubernetes.io/name': hubName,
  'app.kubernetes.io/managed-by': 'polyanthus',
};

/** Namespace, kinds, account, rights, Deployment, NetworkPolicy, Service and PodDisruptionBudget. */
export function hubManifests(options: HubManifestOptions): readonly KubeObject[] {
  const { namespace } = options;
  const at = (name: string): KubeObject['metadata'] => ({ name, namespace, labels });
  const account = { kind: 'ServiceAccount', name: hubName, namespace };
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels: { ...labels, ...restricted } } },
    ...ownCrds,
    ...guardPolicy(bindGuard, { name: `${hubName}-bind`, labels }),
    ...guardPolicy(handoverGuard, { name: `${hubName}-handover`, labels }),
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: at(hubName) },
    ...clusterRight(clusterRules(), account),
    ...namespacedRight({ namespace, name: hubName, rules: ownRules(options.identitySecret) }, account),
    ...options.fleets.flatMap((fleet) =>
      namespacedRight({ namespace: fleet, name: `${hubName}-fleet`, rules: fleetRules() }, account),
    ),
    ...options.fleets.map((fleet) => ({
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: executorAccount, namespace: fleet, labels },
    })),
    clusterUsersRight(account),
    hubDeployment(options, { name: hubName, labels }),
    replicasPolicy(at(hubName)),
    service(options, at(hubName)),
    disruptionBudget(at(hubName)),
  ] as readonly KubeObject[];
}

/** The pods keep to the strictest of the pod security standards. */
const restricted = { 'pod-security.kubernetes.io/enforce': 'restricted' };

function clusterRight(rules: readonly PolicyRule[], account: object): readonly object[] {
  const metadata = { name: hubName, labels };
  return [
    { apiVersion: `${rbac}/v1`, kind: 'ClusterRole', metadata, rules },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRoleBinding',
      metadata,
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: hubName },
      subjects: [account],
    },
  ];
}

function namespacedRight(
  right: { readonly namespace: string; readonly name: string; readonly rules: readonly PolicyRule[] },
  account: object,
): readonly object[] {
  const { namespace, name, rules } = right;
  const metadata = { name, namespace, labels };
  return [
    { apiVersion: `${rbac}/v1`, kind: 'Role', metadata, rules },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: rbac, kind: 'Role', name },
      subjects: [account],
    },
  ];
}

/** To read which CAs' certificates are those of the cluster's users; the Role is one that every cluster has. */
function clusterUsersRight(account: object): object {
  const { namespace, name } = trustConfigMap;
  return {
    apiVersion: `${rbac}/v1`,
    kind: 'RoleBinding',
    metadata: { name: `${hubName}-cluster-users`, namespace, labels },
    roleRef: { apiGroup: rbac, kind: 'Role', name: `${name}-reader` },
    subjects: [account],
  };
}

/** Agents and users from anywhere to the one port, replicas to the other. Needs a pod network that knows policies. */
function replicasPolicy(metadata: KubeObject['metadata']): object {
  const podSelector = { matchLabels: { 'app.kubernetes.io/name': hubName } };
  const at = (port: string): object => ({ port, protocol: 'TCP' });
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata,
    spec: {
      podSelector,
      policyTypes: ['Ingress'],
      ingress: [{ ports: [at('https')] }, { from: [{ podSelector }], ports: [at('replicas')] }],
    },
  };
}

function service(options: HubManifestOptions, metadata: KubeObject['metadata']): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata,
    spec: {
      type: options.serviceType,
      selector: { 'app.kubernetes.io/name': hubName },
      // TLS ends at the hub itself: agents and users prove themselves by certificates.
      ports: [{ name: 'https', port: 443, targetPort: 'https' }],
    },
  };
}

function disruptionBudget(metadata: KubeObject['metadata']): object {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata,
    spec: { maxUnavailable: 1, selector: { matchLabels: { 'app.kubernetes.io/name': hubName } } },
  };
}
