/** Columns of the built-in kinds (pkg/printers/internalversion), as kubectl shows them. */
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import {
  ageCell,
  containerImages,
  containerNames,
  countCell,
  flagCell,
  labelsCell,
  selectorCell,
  sizeCell,
  isTrue,
  text,
  texts,
  textCell,
  count,
} from './cells.ts';
import { ageColumn, nameColumn, at, type Cell, type TableColumn } from './columns.ts';
import * as cells from './kind-cells.ts';
import { readinessGates, summarizePod } from './pod-cells.ts';

/** `wide` columns are shown with `-o wide` only. */
function column(
  name: string,
  cell: Cell,
  more: { readonly type?: string; readonly wide?: boolean; readonly format?: string } = {},
): TableColumn {
  return {
    name,
    type: more.type ?? 'string',
    format: more.format ?? '',
    description: '',
    priority: more.wide === true ? 1 : 0,
    cell,
  };
}
const wide = { wide: true };
const integer = { type: 'integer' };
const flag = { type: 'boolean' };

/** `2/3`: two counts of an object. */
const ratio =
  (part: string, whole: string): Cell =>
  (object) =>
    `${count(object, ...part.split('.'))}/${count(object, ...whole.split('.'))}`;

const template = (path: string, selector?: Cell): readonly TableColumn[] => [
  column('Containers', containerNames(path), wide),
  column('Images', containerImages(path), wide),
  ...(selector === undefined ? [] : [column('Selector', selector, wide)]),
];
const templateContainers = 'spec.template.spec.containers';

const pods: readonly TableColumn[] = [
  nameColumn,
  column('Ready', (pod, nowMs) => summarizePod(pod, nowMs).ready),
  column('Status', (pod, nowMs) => summarizePod(pod, nowMs).status),
  column('Restarts', (pod, nowMs) => summarizePod(pod, nowMs).restarts),
  ageColumn,
  column('IP', (pod) => text(pod, 'status', 'podIPs', '0', 'ip') || text(pod, 'status', 'podIP') || '<none>', wide),
  column('Node', textCell('spec.nodeName', '<none>'), wide),
  column('Nominated Node', textCell('status.nominatedNodeName', '<none>'), wide),
  column('Readiness Gates', readinessGates, wide),
];

const replicas = (selector: Cell): readonly TableColumn[] => [
  nameColumn,
  column('Desired', countCell('spec.replicas'), integer),
  column('Current', countCell('status.replicas'), integer),
  column('Ready', countCell('status.readyReplicas'), integer),
  ageColumn,
  ...template(templateContainers, selector),
];

const events: readonly TableColumn[] = [
  column('Last Seen', cells.eventLastSeen),
  column('Type', textCell('type')),
  column('Reason', textCell('reason')),
  column('Object', cells.eventObject),
  column('Subobject', cells.eventSubobject, wide),
  column('Source', cells.eventSource, wide),
  column('Message', cells.eventMessage),
  column('First Seen', cells.eventFirstSeen, wide),
  column('Count', cells.eventCount, wide),
  { ...nameColumn, priority: 1 },
];

const bindings: readonly TableColumn[] = [
  nameColumn,
  column('Role', cells.roleRef),
  ageColumn,
  column('Users', cells.subjects('User'), wide),
  column('Groups', cells.subjects('Group'), wide),
  column('ServiceAccounts', cells.subjects('ServiceAccount'), wide),
];

/** Roles and CRDs show when they were made, not how long ago. */
const createdColumn = column('Created At', textCell('metadata.creationTimestamp'), { type: 'date' });
const created: readonly TableColumn[] = [nameColumn, createdColumn];
const webhooks: readonly TableColumn[] = [nameColumn, column('Webhooks', sizeCell('webhooks'), integer), ageColumn];
const policyBindings: readonly TableColumn[] = [
  nameColumn,
  column('PolicyName', textCell('spec.policyName')),
  column('ParamRef', cells.paramRef),
  ageColumn,
];

const core: Readonly<Record<string, readonly TableColumn[]>> = {
  pods,
  nodes: [
    nameColumn,
    column('Status', cells.nodeStatus),
    column('Roles', cells.nodeRoles),
    ageColumn,
    column('Version', textCell('status.nodeInfo.kubeletVersion')),
    column('Internal-IP', cells.nodeAddress('InternalIP'), wide),
    column('External-IP', cells.nodeAddress('ExternalIP'), wide),
    column('OS-Image', textCell('status.nodeInfo.osImage', '<unknown>'), wide),
    column('Kernel-Version', cells.kernelVersion, wide),
    column('Container-Runtime', textCell('status.nodeInfo.containerRuntimeVersion', '<unknown>'), wide),
  ],
  namespaces: [nameColumn, column('Status', textCell('status.phase')), ageColumn],
  services: [
    nameColumn,
    column('Type', textCell('spec.type')),
    column(
      'Cluster-IP',
      (service) => text(service, 'spec', 'clusterIPs', '0') || text(service, 'spec', 'clusterIP') || '<none>',
    ),
    column('External-IP', cells.externalIp),
    column('Port(s)', cells.servicePorts),
    ageColumn,
    column('Selector', labelsCell('spec.selector'), wide),
  ],
  endpoints: [nameColumn, column('Endpoints', cells.endpointsText), ageColumn],
  configmaps: [nameColumn, column('Data', sizeCell('data', 'binaryData')), ageColumn],
  secrets: [nameColumn, column('Type', textCell('type')), column('Data', sizeCell('data')), ageColumn],
  events,
  podtemplates: [
    nameColumn,
    column('Containers', containerNames('template.spec.containers')),
    column('Images', containerImages('template.spec.containers')),
    column('Pod Labels', labelsCell('template.metadata.labels')),
  ],
  replicationcontrollers: replicas(labelsCell('spec.selector')),
  resourcequotas: [
    nameColumn,
    column('Request', cells.quotaUse(false)),
    column('Limit', cells.quotaUse(true)),
    ageColumn,
  ],
  limitranges: created,
  persistentvolumes: [
    nameColumn,
    column('Capacity', cells.volumeCapacity),
    column('Access Modes', cells.volumeModes),
    column('Reclaim Policy', textCell('spec.persistentVolumeReclaimPolicy')),
    column('Status', cells.phaseOrTerminating),
    column('Claim', cells.claimOf),
    column('StorageClass', cells.storageClass),
    column('VolumeAttributesClass', textCell('spec.volumeAttributesClassName', '<unset>')),
    column('Reason', textCell('status.reason')),
    ageColumn,
    column('VolumeMode', textCell('spec.volumeMode', '<unset>'), wide),
  ],
  persistentvolumeclaims: [
    nameColumn,
    column('Status', cells.phaseOrTerminating),
    column('Volume', textCell('spec.volumeName')),
    column('Capacity', cells.claimCapacity),
    column('Access Modes', cells.claimModes),
    column('StorageClass', cells.storageClass),
    column('VolumeAttributesClass', textCell('spec.volumeAttributesClassName', '<unset>')),
    ageColumn,
    column('VolumeMode', textCell('spec.volumeMode', '<unset>'), wide),
  ],
};

const workloads: Readonly<Record<string, readonly TableColumn[]>> = {
  'deployments.apps': [
    nameColumn,
    column('Ready', ratio('status.readyReplicas', 'spec.replicas')),
    column('Up-to-date', countCell('status.updatedReplicas')),
    column('Available', countCell('status.availableReplicas')),
    ageColumn,
    ...template(templateContainers, selectorCell('spec.selector', '')),
  ],
  'replicasets.apps': replicas(selectorCell('spec.selector')),
  'statefulsets.apps': [
    nameColumn,
    column('Ready', ratio('status.readyReplicas', 'spec.replicas')),
    ageColumn,
    ...template(templateContainers),
  ],
  'daemonsets.apps': [
    nameColumn,
    column('Desired', countCell('status.desiredNumberScheduled'), integer),
    column('Current', countCell('status.currentNumberScheduled'), integer),
    column('Ready', countCell('status.numberReady'), integer),
    column('Up-to-date', countCell('status.updatedNumberScheduled'), integer),
    column('Available', countCell('status.numberAvailable'), integer),
    column('Node Selector', labelsCell('spec.template.spec.nodeSelector')),
    ageColumn,
    ...template(templateContainers, selectorCell('spec.selector')),
  ],
  'controllerrevisions.apps': [
    nameColumn,
    column('Controller', cells.revisionOwner),
    column('Revision', countCell('revision')),
    ageColumn,
  ],
  'jobs.batch': [
    nameColumn,
    column('Status', cells.jobStatus),
    column('Completions', cells.jobCompletions),
    column('Duration', cells.jobDuration),
    ageColumn,
    ...template(templateContainers, selectorCell('spec.selector')),
  ],
  'cronjobs.batch': [
    nameColumn,
    column('Schedule', textCell('spec.schedule')),
    column('Timezone', textCell('spec.timeZone', '<none>')),
    column(
      'Suspend',
      (job) =>
        at(job, 'spec', 'suspend') === undefined ? '<unset>' : at(job, 'spec', 'suspend') === true ? 'True' : 'False',
      flag,
    ),
    column('Active', sizeCell('status.active'), integer),
    column('Last Schedule', ageCell('status.lastScheduleTime', '<none>')),
    ageColumn,
    ...template('spec.jobTemplate.spec.template.spec.containers', selectorCell('spec.jobTemplate.spec.selector')),
  ],
  'poddisruptionbudgets.policy': [
    nameColumn,
    column('Min Available', textCell('spec.minAvailable', 'N/A')),
    column('Max Unavailable', textCell('spec.maxUnavailable', 'N/A')),
    column('Allowed Disruptions', countCell('status.disruptionsAllowed'), integer),
    ageColumn,
  ],
};

const others: Readonly<Record<string, readonly TableColumn[]>> = {
  'events.events.k8s.io': events,
  'ingresses.networking.k8s.io': [
    nameColumn,
    column('Class', textCell('spec.ingressClassName', '<none>')),
    column('Hosts', cells.ingressHosts),
    column('Address', cells.ingressAddress),
    column('Ports', (ingress) => (at(ingress, 'spec', 'tls') === undefined ? '80' : '80, 443')),
    ageColumn,
  ],
  'ingressclasses.networking.k8s.io': [
    nameColumn,
    column('Controller', textCell('spec.controller')),
    column('Parameters', cells.ingressClassParameters),
    ageColumn,
  ],
  'networkpolicies.networking.k8s.io': [
    nameColumn,
    column('Pod-Selector', selectorCell('spec.podSelector')),
    ageColumn,
  ],
  'roles.rbac.authorization.k8s.io': created,
  'clusterroles.rbac.authorization.k8s.io': created,
  'rolebindings.rbac.authorization.k8s.io': bindings,
  'clusterrolebindings.rbac.authorization.k8s.io': bindings,
  'certificatesigningrequests.certificates.k8s.io': [
    nameColumn,
    ageColumn,
    column('SignerName', textCell('spec.signerName', '<none>')),
    column('Requestor', textCell('spec.username')),
    column('RequestedDuration', cells.csrDuration),
    column('Condition', cells.csrCondition),
  ],
  'horizontalpodautoscalers.autoscaling': [
    nameColumn,
    column(
      'Reference',
      (scaler) => `${text(scaler, 'spec', 'scaleTargetRef', 'kind')}/${text(scaler, 'spec', 'scaleTargetRef', 'name')}`,
    ),
    column('Targets', cells.scalerTargets),
    column('MinPods', textCell('spec.minReplicas', '<unset>')),
    column('MaxPods', countCell('spec.maxReplicas')),
    column('Replicas', countCell('status.currentReplicas')),
    ageColumn,
  ],
  'clustertrustbundles.certificates.k8s.io': [nameColumn, column('SignerName', textCell('spec.signerName', '<none>'))],
  'podcertificaterequests.certificates.k8s.io': [
    nameColumn,
    column('PodName', textCell('spec.podName')),
    column('ServiceAccountName', textCell('spec.serviceAccountName')),
    column('NodeName', textCell('spec.nodeName')),
    column('SignerName', textCell('spec.signerName')),
    column('State', cells.podCertificateState),
    column('UnverifiedUserAnnotations', labelsCell('spec.unverifiedUserAnnotations')),
  ],
  'ipaddresses.networking.k8s.io': [nameColumn, column('ParentRef', cells.addressParent), ageColumn],
  'servicecidrs.networking.k8s.io': [
    nameColumn,
    column('CIDRs', (range) => texts(range, 'spec', 'cidrs').join(',')),
    ageColumn,
  ],
  'csidrivers.storage.k8s.io': [
    nameColumn,
    column('AttachRequired', cells.flagOr('spec.attachRequired', true), flag),
    column('PodInfoOnMount', flagCell('spec.podInfoOnMount'), flag),
    column('StorageCapacity', flagCell('spec.storageCapacity'), flag),
    column('TokenRequests', cells.tokenAudiences),
    column('RequiresRepublish', flagCell('spec.requiresRepublish'), flag),
    column('Modes', (driver) => texts(driver, 'spec', 'volumeLifecycleModes').join(',') || '<none>'),
    ageColumn,
  ],
  'csistoragecapacities.storage.k8s.io': created,
  'leases.coordination.k8s.io': [nameColumn, column('Holder', textCell('spec.holderIdentity')), ageColumn],
  'endpointslices.discovery.k8s.io': [
    nameColumn,
    column('AddressType', textCell('addressType')),
    column('Ports', cells.slicePorts),
    column('Endpoints', cells.sliceEndpoints),
    ageColumn,
  ],
  'storageclasses.storage.k8s.io': [
    nameColumn,
    column('Provisioner', textCell('provisioner')),
    column('ReclaimPolicy', textCell('reclaimPolicy', 'Delete')),
    column('VolumeBindingMode', textCell('volumeBindingMode', 'Immediate')),
    column('AllowVolumeExpansion', flagCell('allowVolumeExpansion')),
    ageColumn,
  ],
  'csinodes.storage.k8s.io': [nameColumn, column('Drivers', sizeCell('spec.drivers'), integer), ageColumn],
  'volumeattachments.storage.k8s.io': [
    nameColumn,
    column('Attacher', textCell('spec.attacher'), { format: 'name' }),
    column('PV', textCell('spec.source.persistentVolumeName')),
    column('Node', textCell('spec.nodeName')),
    column('Attached', flagCell('status.attached'), flag),
    ageColumn,
  ],
  'volumeattributesclasses.storage.k8s.io': [nameColumn, column('DriverName', textCell('driverName')), ageColumn],
  'priorityclasses.scheduling.k8s.io': [
    nameColumn,
    column('Value', countCell('value'), integer),
    column('Global-Default', flagCell('globalDefault'), flag),
    ageColumn,
    column('PreemptionPolicy', textCell('preemptionPolicy')),
  ],
  'runtimeclasses.node.k8s.io': [nameColumn, column('Handler', textCell('handler')), ageColumn],
  'customresourcedefinitions.apiextensions.k8s.io': [
    nameColumn,
    column('Scope', textCell('spec.scope')),
    column('Versions', cells.servedVersions),
    createdColumn,
    column('Group', textCell('spec.group'), wide),
    column('Kind', textCell('spec.names.kind'), wide),
    column('ShortNames', (crd) => texts(crd, 'spec', 'names', 'shortNames').join(','), wide),
    column('Established', (crd) => isTrue(crd, 'Established'), { ...flag, ...wide }),
  ],
  'apiservices.apiregistration.k8s.io': [
    nameColumn,
    column('Service', cells.apiService),
    column('Available', cells.apiServiceAvailable),
    ageColumn,
  ],
  'mutatingwebhookconfigurations.admissionregistration.k8s.io': webhooks,
  'validatingwebhookconfigurations.admissionregistration.k8s.io': webhooks,
  'validatingadmissionpolicies.admissionregistration.k8s.io': [
    nameColumn,
    column('Validations', sizeCell('spec.validations'), integer),
    column('ParamKind', cells.paramKind),
    ageColumn,
  ],
  'mutatingadmissionpolicies.admissionregistration.k8s.io': [
    nameColumn,
    column('Mutations', sizeCell('spec.mutations'), integer),
    column('ParamKind', cells.paramKind),
    ageColumn,
  ],
  'validatingadmissionpolicybindings.admissionregistration.k8s.io': policyBindings,
  'mutatingadmissionpolicybindings.admissionregistration.k8s.io': policyBindings,
};

const plain: readonly TableColumn[] = [nameColumn, ageColumn];

/** The columns of a kind; NAME and AGE for kinds without columns of their own. */
export function builtinColumns(type: Pick<ResourceType, 'group' | 'resource'>): readonly TableColumn[] {
  if (type.group === '') return core[type.resource] ?? plain;
  const key = `${type.resource}.${type.group}`;
  return workloads[key] ?? others[key] ?? plain;
}
