/**
 * Defaults that kube-apiserver sets in Go code and OpenAPI does not tell, as data with one applier. With the defaults
 * come the parts that Go always writes (`status: {}`, `resources: {}`), so that objects read the same.
 */
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import { applyRules, type DefaultRules } from './default-rules.ts';
import { claim, defaultPod, podTemplate } from './pod-defaults.ts';

const rbac = 'rbac.authorization.k8s.io';

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const listLength = (value: JsonValue | undefined): number => (Array.isArray(value) ? value.length : 0);

const rolling = (rollingUpdate: JsonObject): DefaultRules => ({
  set: { type: 'RollingUpdate', rollingUpdate: ({ type }) => (type === 'RollingUpdate' ? {} : undefined) },
  inside: { rollingUpdate: { set: rollingUpdate as Record<string, JsonValue> } },
});

const exposed = (type: JsonValue | undefined): boolean => type === 'NodePort' || type === 'LoadBalancer';

const service: DefaultRules = {
  set: { status: {} },
  inside: {
    status: { set: { loadBalancer: {} } },
    spec: {
      set: {
        sessionAffinity: 'None',
        type: 'ClusterIP',
        sessionAffinityConfig: ({ sessionAffinity }) =>
          sessionAffinity === 'ClientIP' ? { clientIP: { timeoutSeconds: 10_800 } } : undefined,
        externalTrafficPolicy: ({ type, externalIPs }) =>
          exposed(type) || (type === 'ClusterIP' && listLength(externalIPs) > 0) ? 'Cluster' : undefined,
        internalTrafficPolicy: ({ type }) => (type === 'ExternalName' ? undefined : 'Cluster'),
        allocateLoadBalancerNodePorts: ({ type }) => (type === 'LoadBalancer' ? true : undefined),
      },
      items: {
        ports: { set: { protocol: 'TCP', targetPort: ({ port }) => port } },
      },
    },
  },
};

const deployment: DefaultRules = {
  set: { status: {} },
  inside: {
    spec: {
      set: { replicas: 1, strategy: {}, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 },
      inside: { strategy: rolling({ maxUnavailable: '25%', maxSurge: '25%' }), template: podTemplate },
    },
  },
};

const daemonSet: DefaultRules = {
  set: { status: {} },
  inside: {
    spec: {
      set: { updateStrategy: {}, revisionHistoryLimit: 10 },
      inside: { updateStrategy: rolling({ maxUnavailable: 1, maxSurge: 0 }), template: podTemplate },
    },
    status: {
      set: { currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 },
    },
  },
};

const statefulSet: DefaultRules = {
  set: { status: {} },
  inside: {
    spec: {
      set: {
        replicas: 1,
        podManagementPolicy: 'OrderedReady',
        updateStrategy: { type: 'RollingUpdate', rollingUpdate: {} },
        revisionHistoryLimit: 10,
        persistentVolumeClaimRetentionPolicy: {},
      },
      inside: {
        // Unlike elsewhere, a given type RollingUpdate gets no rollingUpdate of its own.
        updateStrategy: {
          set: {
            rollingUpdate: ({ type }) => (type === undefined || type === '' ? {} : undefined),
            type: 'RollingUpdate',
          },
          inside: { rollingUpdate: { set: { partition: 0, maxUnavailable: 1 } } },
        },
        persistentVolumeClaimRetentionPolicy: { set: { whenDeleted: 'Retain', whenScaled: 'Retain' } },
        template: podTemplate,
      },
      items: {
        volumeClaimTemplates: { ...claim, set: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', ...claim.set } },
      },
    },
    status: { set: { replicas: 0, availableReplicas: 0 } },
  },
};

const replicaSet: DefaultRules = {
  set: { status: {} },
  inside: { spec: { set: { replicas: 1 }, inside: { template: podTemplate } }, status: { set: { replicas: 0 } } },
};

const job: DefaultRules = {
  set: { status: {} },
  inside: {
    spec: {
      set: {
        completions: ({ parallelism }) => (parallelism === undefined ? 1 : undefined),
        parallelism: 1,
        backoffLimit: ({ backoffLimitPerIndex }) => (backoffLimitPerIndex === undefined ? 6 : 2_147_483_647),
        completionMode: 'NonIndexed',
        suspend: false,
        podReplacementPolicy: ({ podFailurePolicy }) =>
          podFailurePolicy === undefined ? 'TerminatingOrFailed' : 'Failed',
        manualSelector: false,
      },
      inside: {
        template: podTemplate,
        podFailurePolicy: { items: { rules: { items: { onPodConditions: { set: { status: 'True' } } } } } },
      },
    },
  },
};

const cronJob: DefaultRules = {
  set: { status: {} },
  inside: {
    spec: {
      set: { concurrencyPolicy: 'Allow', suspend: false, successfulJobsHistoryLimit: 3, failedJobsHistoryLimit: 1 },
      // Defaults of a Job are not those of its template.
      inside: { jobTemplate: { inside: { spec: { inside: { template: podTemplate } } } } },
    },
  },
};

const binding: DefaultRules = {
  inside: { roleRef: { set: { apiGroup: rbac } } },
  items: { subjects: { set: { apiGroup: ({ kind }) => (kind === 'ServiceAccount' ? undefined : rbac) } } },
};

const webhook: DefaultRules = {
  set: {
    failurePolicy: 'Fail',
    matchPolicy: 'Equivalent',
    namespaceSelector: {},
    objectSelector: {},
    timeoutSeconds: 10,
  },
  inside: { clientConfig: { inside: { service: { set: { port: 443 } } } } },
  items: { rules: { set: { scope: '*' } } },
};

const matchResources: DefaultRules = {
  set: { matchPolicy: 'Equivalent', namespaceSelector: {}, objectSelector: {} },
  items: { resourceRules: { set: { scope: '*' } }, excludeResourceRules: { set: { scope: '*' } } },
};
const admissionPolicy: DefaultRules = {
  inside: { spec: { set: { failurePolicy: 'Fail' }, inside: { matchConstraints: matchResources } } },
};
const admissionBinding: DefaultRules = { inside: { spec: { inside: { matchResources } } } };

const storedVersions = ({ spec }: JsonObject): JsonValue | undefined => {
  const versions = isObject(spec) && Array.isArray(spec['versions']) ? (spec['versions'] as readonly JsonValue[]) : [];
  const stored = versions.find((version) => isObject(version) && version['storage'] === true);
  return isObject(stored) && stored['name'] !== undefined ? { storedVersions: [stored['name']] } : undefined;
};

const crd: DefaultRules = {
  set: { status: storedVersions },
  inside: {
    spec: {
      set: { conversion: { strategy: 'None' } },
      inside: {
        names: {
          set: {
            singular: ({ kind }) => (typeof kind === 'string' ? kind.toLowerCase() : undefined),
            listKind: ({ kind }) => (typeof kind === 'string' ? `${kind}List` : undefined),
          },
        },
        conversion: {
          inside: { webhook: { inside: { clientConfig: { inside: { service: { set: { port: 443 } } } } } } },
        },
      },
    },
  },
};

const withStatus: DefaultRules = { set: { status: {} } };
const portsTcp: DefaultRules = { items: { ports: { set: { protocol: 'TCP' } } } };

/** By group and kind. Kinds that are not here have no defaults. */
const rules: Readonly<Record<string, DefaultRules>> = {
  'Service/': service,
  'Secret/': { set: { type: 'Opaque' } },
  'Namespace/': {
    set: { spec: {}, status: {} },
    inside: { status: { set: { phase: 'Active' } } },
  },
  'PersistentVolume/': {
    set: { status: {} },
    inside: {
      spec: {
        set: { persistentVolumeReclaimPolicy: 'Retain', volumeMode: 'Filesystem' },
        inside: { hostPath: { set: { type: () => '' } } },
      },
      status: { set: { phase: 'Pending' } },
    },
  },
  'PersistentVolumeClaim/': claim,
  'Endpoints/': { items: { subsets: portsTcp } },
  'Node/': {
    set: { spec: {}, status: {} },
    inside: { status: { set: { allocatable: ({ capacity }) => capacity } } },
  },
  'ResourceQuota/': withStatus,
  'PodTemplate/': { inside: { template: podTemplate } },
  'ReplicationController/': replicaSet,
  'Deployment/apps': deployment,
  'DaemonSet/apps': daemonSet,
  'StatefulSet/apps': statefulSet,
  'ReplicaSet/apps': replicaSet,
  'Job/batch': job,
  'CronJob/batch': cronJob,
  'RoleBinding/rbac.authorization.k8s.io': binding,
  'ClusterRoleBinding/rbac.authorization.k8s.io': binding,
  'Ingress/networking.k8s.io': { set: { status: {} }, inside: { status: { set: { loadBalancer: {} } } } },
  'IngressClass/networking.k8s.io': { inside: { spec: { inside: { parameters: { set: { scope: 'Cluster' } } } } } },
  'NetworkPolicy/networking.k8s.io': {
    inside: {
      spec: {
        set: {
          podSelector: {},
          policyTypes: ({ egress }) => (listLength(egress) > 0 ? ['Ingress', 'Egress'] : ['Ingress']),
        },
        items: { ingress: portsTcp, egress: portsTcp },
      },
    },
  },
  'PodDisruptionBudget/policy': {
    set: { status: {} },
    inside: { status: { set: { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 } } },
  },
  'PriorityClass/scheduling.k8s.io': { set: { preemptionPolicy: 'PreemptLowerPriority' } },
  'StorageClass/storage.k8s.io': { set: { reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate' } },
  'CSIDriver/storage.k8s.io': {
    inside: {
      spec: {
        set: {
          attachRequired: true,
          podInfoOnMount: false,
          storageCapacity: false,
          fsGroupPolicy: 'ReadWriteOnceWithFSType',
          volumeLifecycleModes: ['Persistent'],
          requiresRepublish: false,
          seLinuxMount: false,
        },
      },
    },
  },
  'EndpointSlice/discovery.k8s.io': { items: { ports: { set: { name: () => '', protocol: 'TCP' } } } },
  'CustomResourceDefinition/apiextensions.k8s.io': crd,
  'CertificateSigningRequest/certificates.k8s.io': withStatus,
  'APIService/apiregistration.k8s.io': {
    set: { status: {} },
    inside: { spec: { inside: { service: { set: { port: 443 } } } } },
  },
  'ValidatingWebhookConfiguration/admissionregistration.k8s.io': { items: { webhooks: webhook } },
  'MutatingWebhookConfiguration/admissionregistration.k8s.io': {
    items: { webhooks: { ...webhook, set: { ...webhook.set, reinvocationPolicy: 'Never' } } },
  },
  'ValidatingAdmissionPolicy/admissionregistration.k8s.io': { ...admissionPolicy, set: { status: {} } },
  'ValidatingAdmissionPolicyBinding/admissionregistration.k8s.io': admissionBinding,
  'MutatingAdmissionPolicy/admissionregistration.k8s.io': admissionPolicy,
  'MutatingAdmissionPolicyBinding/admissionregistration.k8s.io': admissionBinding,
  'SubjectAccessReview/authorization.k8s.io': withStatus,
  'SelfSubjectAccessReview/authorization.k8s.io': withStatus,
  'LocalSubjectAccessReview/authorization.k8s.io': withStatus,
  'TokenReview/authentication.k8s.io': withStatus,
};

function child(object: JsonObject, ...path: readonly string[]): JsonValue | undefined {
  let value: JsonValue | undefined = object;
  for (const key of path) value = isObject(value) ? value[key] : undefined;
  return value;
}

/** ReplicationControllers and Jobs without labels take those of their template; the first also as selector. */
function takeTemplateLabels(object: JsonObject, selector: boolean): JsonObject {
  const labels = child(object, 'spec', 'template', 'metadata', 'labels');
  const { metadata, spec } = object;
  if (!isObject(labels) || !isObject(metadata) || !isObject(spec)) return object;
  const own = metadata['labels'];
  const labelled =
    isObject(own) && Object.keys(own).length > 0 ? object : { ...object, metadata: { ...metadata, labels } };
  return selector && !isObject(spec['selector']) ? { ...labelled, spec: { ...spec, selector: labels } } : labelled;
}

const nameLabel = 'kubernetes.io/metadata.name';

function labelNamespace(object: JsonObject): JsonObject {
  const { metadata } = object;
  const name = isObject(metadata) ? metadata['name'] : undefined;
  if (!isObject(metadata) || typeof name !== 'string' || name === '') return object;
  const labels = isObject(metadata['labels']) ? metadata['labels'] : {};
  return labels[nameLabel] === name
    ? object
    : { ...object, metadata: { ...metadata, labels: { ...labels, [nameLabel]: name } } };
}

/** Kinds with rules that are no mere fields. */
const special: Readonly<Record<string, (object: JsonObject) => JsonObject>> = {
  'Pod/': defaultPod,
  'Namespace/': labelNamespace,
  'ReplicationController/': (object) => takeTemplateLabels(object, true),
  'Job/batch': (object) => takeTemplateLabels(object, false),
};

/** The object with the defaults of its kind filled in; the same object when nothing was missing. */
export function applyBuiltinDefaults(type: Pick<ResourceType, 'group' | 'kind'>, object: JsonObject): JsonObject {
  const key = `${type.kind}/${type.group}`;
  const more = special[key];
  const start = more === undefined ? object : more(object);
  const own = rules[key];
  return own === undefined ? start : applyRules(start, own);
}
