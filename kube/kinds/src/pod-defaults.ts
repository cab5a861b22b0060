/** Defaults of pods and of what holds a pod template (pkg/apis/core/v1/defaults.go). */
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import { applyRules, type DefaultRules } from './default-rules.ts';

/** `latest`, also when neither tag nor digest is given, is pulled always. */
export function pullPolicy(image: JsonValue | undefined): string {
  const reference = typeof image === 'string' ? image : '';
  const last = reference.slice(reference.lastIndexOf('/') + 1);
  const [nameAndTag = '', digest] = last.split('@');
  const tag = nameAndTag.split(':')[1];
  return tag === 'latest' || (tag === undefined && digest === undefined) ? 'Always' : 'IfNotPresent';
}

const httpGet: DefaultRules = { set: { path: '/', scheme: 'HTTP' } };
const probe: DefaultRules = {
  set: { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 },
  inside: { httpGet, grpc: { set: { service: () => '' } } },
};
const handler: DefaultRules = { inside: { httpGet } };
const fieldRef: DefaultRules = { set: { apiVersion: 'v1' } };

const container: DefaultRules = {
  set: {
    resources: {},
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    imagePullPolicy: ({ image }) => pullPolicy(image),
  },
  inside: {
    livenessProbe: probe,
    readinessProbe: probe,
    startupProbe: probe,
    lifecycle: { inside: { postStart: handler, preStop: handler } },
  },
  items: {
    ports: { set: { protocol: 'TCP' } },
    env: { inside: { valueFrom: { inside: { fieldRef } } } },
  },
};

const downwardItems: DefaultRules = { inside: { fieldRef } };
const defaultMode = { defaultMode: 420 };

/** Every source of a volume is a field beside its name. */
const withoutSource = (volume: JsonObject): boolean => Object.keys(volume).every((key) => key === 'name');

const claimSpec: DefaultRules = { set: { volumeMode: 'Filesystem' } };

const volume: DefaultRules = {
  set: { emptyDir: (around) => (withoutSource(around) ? {} : undefined) },
  inside: {
    secret: { set: defaultMode },
    configMap: { set: defaultMode },
    downwardAPI: { set: defaultMode, items: { items: downwardItems } },
    projected: {
      set: defaultMode,
      items: {
        sources: {
          inside: {
            serviceAccountToken: { set: { expirationSeconds: 3600 } },
            downwardAPI: { items: { items: downwardItems } },
          },
        },
      },
    },
    hostPath: { set: { type: () => '' } },
    image: { set: { pullPolicy: ({ reference }) => pullPolicy(reference) } },
    ephemeral: { inside: { volumeClaimTemplate: { inside: { spec: claimSpec } } } },
    iscsi: { set: { iscsiInterface: 'default' } },
    rbd: { set: { pool: 'rbd', user: 'admin', keyring: '/etc/ceph/keyring' } },
  },
};

/** `serviceAccount` is the old name of `serviceAccountName`; both are kept the same. */
const otherName = (name: string) => (around: JsonObject) => around[name];

const podSpec: DefaultRules = {
  set: {
    serviceAccountName: otherName('serviceAccount'),
    serviceAccount: otherName('serviceAccountName'),
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    securityContext: {},
    schedulerName: 'default-scheduler',
  },
  items: {
    containers: container,
    initContainers: container,
    ephemeralContainers: container,
    volumes: volume,
    tolerations: {},
  },
};

/** A template of pods, as in Deployments. */
export const podTemplate: DefaultRules = { inside: { spec: podSpec } };

/** Claims in StatefulSets are objects of their own. */
export const claim: DefaultRules = {
  set: { status: {} },
  inside: { spec: claimSpec, status: { set: { phase: 'Pending' } } },
};

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What a container limits and does not request, it requests. Only pods have this, not their templates. */
function requestLimits(value: JsonValue): JsonValue {
  if (!isObject(value) || !isObject(value['resources'])) return value;
  const { limits, requests } = value['resources'];
  if (!isObject(limits)) return value;
  const asked = isObject(requests) ? requests : {};
  if (isObject(requests) && Object.keys(limits).every((key) => key in asked)) return value;
  return {
    ...value,
    resources: {
      ...value['resources'],
      requests: { ...asked, ...Object.fromEntries(Object.entries(limits).filter(([key]) => !(key in asked))) },
    },
  };
}

function hostPorts(value: JsonValue): JsonValue {
  if (!isObject(value) || !Array.isArray(value['ports'])) return value;
  const ports = (value['ports'] as readonly JsonValue[]).map((port) =>
    isObject(port) ? applyRules(port, { set: { hostPort: ({ containerPort }) => containerPort } }) : port,
  );
  return { ...value, ports };
}

function mapContainers(spec: JsonObject, change: (container: JsonValue) => JsonValue): JsonObject {
  let result = spec;
  for (const key of ['containers', 'initContainers']) {
    const list = result[key];
    if (!Array.isArray(list)) continue;
    const before = list as readonly JsonValue[];
    const next = before.map(change);
    if (next.some((item, index) => item !== before[index])) result = { ...result, [key]: next };
  }
  return result;
}

/** Defaults of a Pod itself. */
export function defaultPod(pod: JsonObject): JsonObject {
  const filled = applyRules(pod, {
    set: { status: {} },
    inside: { spec: { ...podSpec, set: { ...podSpec.set, enableServiceLinks: true } } },
  });
  const { spec } = filled;
  if (!isObject(spec)) return filled;
  const requested = mapContainers(spec, requestLimits);
  const next = spec['hostNetwork'] === true ? mapContainers(requested, hostPorts) : requested;
  return next === spec ? filled : { ...filled, spec: next };
}
