/** Fields that `?fieldSelector=` knows beside metadata.name and metadata.namespace (conversion.go of each group). */
import type { ResourceType } from '@polyanthus/kube-objects/resource';

const involved = ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'];

const fields: Readonly<Record<string, readonly string[]>> = {
  pods: [
    'spec.nodeName',
    'spec.restartPolicy',
    'spec.schedulerName',
    'spec.serviceAccountName',
    'spec.hostNetwork',
    'status.phase',
    'status.podIP',
    'status.podIPs',
    'status.nominatedNodeName',
  ],
  nodes: ['spec.unschedulable'],
  namespaces: ['status.phase'],
  secrets: ['type'],
  services: ['spec.clusterIP', 'spec.type'],
  replicationcontrollers: ['status.replicas'],
  events: [...involved.map((name) => `involvedObject.${name}`), 'reason', 'reportingComponent', 'source', 'type'],
  'events.events.k8s.io': [...involved.map((name) => `regarding.${name}`), 'reason', 'reportingController', 'type'],
  'replicasets.apps': ['status.replicas'],
  'jobs.batch': ['status.successful'],
  'certificatesigningrequests.certificates.k8s.io': ['spec.signerName'],
  'clustertrustbundles.certificates.k8s.io': ['spec.signerName'],
  'podcertificaterequests.certificates.k8s.io': ['spec.signerName', 'spec.podName', 'spec.nodeName'],
};

/** `spec.nodeName`, `involvedObject.uid`… The value is the field at that path as text; `source` is `source.component`. */
export function selectableFieldsOf(type: Pick<ResourceType, 'group' | 'resource'>): readonly string[] {
  return fields[type.group === '' ? type.resource : `${type.resource}.${type.group}`] ?? [];
}
