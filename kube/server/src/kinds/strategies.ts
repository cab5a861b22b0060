/** How built-in kinds differ from the rule, by `resource.group` (kube-apiserver pkg/registry). */
import { dns1123Label, pathSegmentName } from '@polyanthus/kube-objects/names';
import { conversionFaults, crdFaults } from '../crd/faults.ts';
import { cleanupFinalizer, prepareCrd } from '../crd/prepare.ts';
import { labelName, subdomainName } from '../metadata.ts';
import type { Strategy } from '../registry/strategy.ts';
import { deploymentFaults, workloadSelectorFaults } from './workloads.ts';
import { configFaults } from './config.ts';
import { disruptionBudgetFaults, prepareBudget } from './disruption-budgets.ts';
import { prepareNode, prepareVolume } from './nodes-and-volumes.ts';
import { podFaults, podFields, podGrace, preparePod } from './pods.ts';
import { limitRangeFaults } from './limit-ranges.ts';
import { prepareNamespace } from './namespaces.ts';
import { preparePriorityClass, priorityClassFaults } from './priority-classes.ts';
import { resourceQuotaFaults } from './resource-quotas.ts';
import { roleFaults, bindingFaults } from './rbac.ts';
import { serviceFaults } from './services.ts';
import { webhookFaults } from './webhook-configurations.ts';
import { jobFaults, jobFields, prepareJob } from './jobs.ts';

const base: Strategy = {
  nameFaults: subdomainName,
  hasStatus: false,
  tracksGeneration: false,
  unconditionalUpdate: true,
  createOnUpdate: false,
};

const pathName = (name: string): readonly string[] => pathSegmentName(name);

const generation = { tracksGeneration: true } as const;

const special: Readonly<Record<string, Partial<Strategy>>> = {
  namespaces: {
    nameFaults: (name, prefix) => (prefix ? labelName(name, prefix) : dns1123Label(name)),
    prepare: prepareNamespace,
  },
  pods: { ...generation, prepare: preparePod, faults: podFaults, fields: podFields, grace: podGrace },
  services: { nameFaults: labelName, faults: serviceFaults },
  secrets: { faults: configFaults },
  configmaps: { faults: configFaults },
  serviceaccounts: {},
  events: { createOnUpdate: true },
  endpoints: { createOnUpdate: true },
  limitranges: { createOnUpdate: true, faults: limitRangeFaults },
  replicationcontrollers: generation,
  'deployments.apps': { ...generation, faults: deploymentFaults },
  'replicasets.apps': { ...generation, faults: workloadSelectorFaults },
  'statefulsets.apps': { ...generation, faults: workloadSelectorFaults },
  'daemonsets.apps': { ...generation, faults: workloadSelectorFaults },
  'jobs.batch': { ...generation, prepare: prepareJob, faults: jobFaults, fields: jobFields },
  'cronjobs.batch': generation,
  'horizontalpodautoscalers.autoscaling': generation,
  'priorityclasses.scheduling.k8s.io': { prepare: preparePriorityClass, faults: priorityClassFaults },
  'ingressclasses.networking.k8s.io': generation,
  podtemplates: generation,
  persistentvolumes: { prepare: prepareVolume },
  persistentvolumeclaims: { prepare: prepareVolume },
  nodes: { prepare: prepareNode },
  'leases.coordination.k8s.io': { createOnUpdate: true, unconditionalUpdate: false },
  'poddisruptionbudgets.policy': {
    ...generation,
    unconditionalUpdate: false,
    prepare: prepareBudget,
    faults: disruptionBudgetFaults,
  },
  resourcequotas: { faults: resourceQuotaFaults },
  'ingresses.networking.k8s.io': generation,
  'networkpolicies.networking.k8s.io': generation,
  'endpointslices.discovery.k8s.io': generation,
  'flowschemas.flowcontrol.apiserver.k8s.io': generation,
  'roles.rbac.authorization.k8s.io': { nameFaults: pathName, createOnUpdate: true, faults: roleFaults },
  'clusterroles.rbac.authorization.k8s.io': { nameFaults: pathName, createOnUpdate: true, faults: roleFaults },
  'rolebindings.rbac.authorization.k8s.io': { nameFaults: pathName, createOnUpdate: true, faults: bindingFaults },
  'clusterrolebindings.rbac.authorization.k8s.io': {
    nameFaults: pathName,
    createOnUpdate: true,
    faults: bindingFaults,
  },
  'customresourcedefinitions.apiextensions.k8s.io': {
    ...generation,
    unconditionalUpdate: false,
    prepare: prepareCrd,
    faults: (after, before, moment) => [...crdFaults(after, before, moment), ...conversionFaults(after)],
    deletionFinalizer: cleanupFinalizer,
  },
  // `v1.`: the version and the group, which is empty for the core.
  'apiservices.apiregistration.k8s.io': { nameFaults: pathName, unconditionalUpdate: false },
  'validatingwebhookconfigurations.admissionregistration.k8s.io': { ...generation, faults: webhookFaults },
  'mutatingwebhookconfigurations.admissionregistration.k8s.io': { ...generation, faults: webhookFaults },
  'validatingadmissionpolicies.admissionregistration.k8s.io': generation,
  'validatingadmissionpolicybindings.admissionregistration.k8s.io': generation,
  'certificatesigningrequests.certificates.k8s.io': {},
};

/** The strategy of a built-in kind; `hasStatus` when it has a status subresource. */
export function strategyOf(group: string, resource: string, hasStatus: boolean): Strategy {
  return { ...base, hasStatus, ...special[group === '' ? resource : `${resource}.${group}`] };
}
