/** Cells of built-in kinds that are more than a field (pkg/printers/internalversion). */
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import { formatQuantity, parseQuantity } from '@polyanthus/kube-objects/quantity';
import { age, humanDuration } from './ages.ts';
import { condition, count, firstThree, isObject, isTrue, objects, text, texts } from './cells.ts';
import { at, type Cell } from './columns.ts';

const quantity = (value: JsonValue | undefined): string => {
  try {
    return formatQuantity(parseQuantity(typeof value === 'number' ? value : typeof value === 'string' ? value : '0'));
  } catch {
    return String(value);
  }
};

export const nodeStatus: Cell = (node) => {
  const ready = condition(node, 'Ready');
  const word = ready === undefined ? 'Unknown' : ready['status'] === 'True' ? 'Ready' : 'NotReady';
  return at(node, 'spec', 'unschedulable') === true ? `${word},SchedulingDisabled` : word;
};

const rolePrefix = 'node-role.kubernetes.io/';

export const nodeRoles: Cell = (node) => {
  const labels = at(node, 'metadata', 'labels');
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(isObject(labels) ? labels : {})) {
    if (key.startsWith(rolePrefix) && key.length > rolePrefix.length) roles.add(key.slice(rolePrefix.length));
    else if (key === 'kubernetes.io/role' && value !== '') roles.add(String(value));
  }
  return [...roles].toSorted().join(',') || '<none>';
};

export const nodeAddress =
  (type: string): Cell =>
  (node) =>
    text(objects(node, 'status', 'addresses').find((address) => address['type'] === type) ?? {}, 'address') || '<none>';

export const kernelVersion: Cell = (node) => {
  const architecture = text(node, 'status', 'nodeInfo', 'architecture');
  const version = text(node, 'status', 'nodeInfo', 'kernelVersion') || '<unknown>';
  return architecture === '' ? version : `${version} (${architecture})`;
};

function balancerAddresses(object: JsonObject): string[] {
  const all = objects(object, 'status', 'loadBalancer', 'ingress').map(
    (one) => text(one, 'ip') || text(one, 'hostname'),
  );
  return [...new Set(all.filter((address) => address !== ''))].toSorted();
}

export const externalIp: Cell = (service) => {
  const own = texts(service, 'spec', 'externalIPs');
  switch (text(service, 'spec', 'type')) {
    case 'ClusterIP':
    case 'NodePort':
      return own.join(',') || '<none>';
    case 'LoadBalancer':
      return [...balancerAddresses(service), ...own].join(',') || '<pending>';
    case 'ExternalName':
      return text(service, 'spec', 'externalName');
    default:
      return '<unknown>';
  }
};

export const servicePorts: Cell = (service) =>
  objects(service, 'spec', 'ports')
    .map(
      (port) =>
        `${text(port, 'port')}${count(port, 'nodePort') > 0 ? `:${count(port, 'nodePort')}` : ''}/${text(port, 'protocol')}`,
    )
    .join(',') || '<none>';

export const ingressHosts: Cell = (ingress) => {
  const rules = objects(ingress, 'spec', 'rules');
  const hosts = rules.map((rule) => text(rule, 'host')).filter((host) => host !== '');
  return hosts.length === 0 ? '*' : firstThree(hosts, rules.length);
};

export const ingressAddress: Cell = (ingress) => balancerAddresses(ingress).join(',');

const hostPort = (ip: string, port: string): string => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`);

export const endpointsText: Cell = (endpoints) =>
  firstThree(
    objects(endpoints, 'subsets').flatMap((subset) => {
      const ips = objects(subset, 'addresses').map((address) => text(address, 'ip'));
      const ports = objects(subset, 'ports').map((port) => text(port, 'port'));
      return ports.length === 0 ? ips : ports.flatMap((port) => ips.map((ip) => hostPort(ip, port)));
    }),
  );

/** A slice without any says `<unset>`. */
const sliceText = (all: readonly string[]): string => (all.length === 0 ? '<unset>' : firstThree(all));

export const slicePorts: Cell = (slice) =>
  sliceText(
    objects(slice, 'ports').map(
      (port) => text(port, 'port') || (at(port, 'name') === undefined ? '*' : text(port, 'name')),
    ),
  );

export const sliceEndpoints: Cell = (slice) =>
  sliceText(objects(slice, 'endpoints').flatMap((endpoint) => texts(endpoint, 'addresses')));

const jobStates: readonly (readonly [string, string])[] = [
  ['Suspended', 'Suspended'],
  ['FailureTarget', 'FailureTarget'],
  ['SuccessCriteriaMet', 'SuccessCriteriaMet'],
];

export const jobStatus: Cell = (job) => {
  if (isTrue(job, 'Complete')) return 'Complete';
  if (isTrue(job, 'Failed')) return 'Failed';
  if (at(job, 'metadata', 'deletionTimestamp') !== undefined) return 'Terminating';
  return jobStates.find(([type]) => isTrue(job, type))?.[1] ?? 'Running';
};

export const jobCompletions: Cell = (job) => {
  const done = count(job, 'status', 'succeeded');
  if (at(job, 'spec', 'completions') !== undefined) return `${done}/${count(job, 'spec', 'completions')}`;
  const parallelism = count(job, 'spec', 'parallelism');
  return parallelism > 1 ? `${done}/1 of ${parallelism}` : `${done}/1`;
};

export const jobDuration: Cell = (job, nowMs) => {
  const start = text(job, 'status', 'startTime');
  const end = text(job, 'status', 'completionTime');
  if (start === '') return '';
  return humanDuration((end === '' ? nowMs : Date.parse(end)) - Date.parse(start));
};

/** The first of some members that is there. */
const first = (object: JsonObject, ...names: readonly string[]): JsonValue | undefined =>
  names.map((name) => at(object, name)).find((value) => value !== undefined && value !== null);

export const eventFirstSeen: Cell = (event, nowMs) =>
  age(first(event, 'firstTimestamp', 'deprecatedFirstTimestamp', 'eventTime'), nowMs);

export const eventLastSeen: Cell = (event, nowMs) => {
  if (isObject(at(event, 'series'))) return age(at(event, 'series', 'lastObservedTime'), nowMs);
  const last = first(event, 'lastTimestamp', 'deprecatedLastTimestamp');
  return last === undefined ? eventFirstSeen(event, nowMs) : age(last, nowMs);
};

/** core/v1 and events.k8s.io/v1 name the same things differently. */
const either = (event: JsonObject, ...names: readonly (readonly string[])[]): string =>
  names.map((path) => text(event, ...path)).find((value) => value !== '') ?? '';

export const eventObject: Cell = (event) => {
  const kind = either(event, ['involvedObject', 'kind'], ['regarding', 'kind']).toLowerCase();
  const name = either(event, ['involvedObject', 'name'], ['regarding', 'name']);
  return name === '' ? kind : `${kind}/${name}`;
};

export const eventSubobject: Cell = (event) =>
  either(event, ['involvedObject', 'fieldPath'], ['regarding', 'fieldPath']);
export const eventMessage: Cell = (event) => either(event, ['message'], ['note']).trim();

export const eventSource: Cell = (event) => {
  const component = either(
    event,
    ['source', 'component'],
    ['deprecatedSource', 'component'],
    ['reportingComponent'],
    ['reportingController'],
  );
  const host = either(event, ['source', 'host'], ['deprecatedSource', 'host'], ['reportingInstance']);
  return host === '' ? component : `${component}, ${host}`;
};

export const eventCount: Cell = (event) => {
  const series = at(event, 'series');
  if (isObject(series)) return count(series, 'count');
  return count(event, 'count') || count(event, 'deprecatedCount') || 1;
};

export const csrCondition: Cell = (csr) => {
  const has = (type: string): boolean => condition(csr, type) !== undefined;
  const word = has('Denied') ? 'Denied' : has('Approved') ? 'Approved' : 'Pending';
  const issued = text(csr, 'status', 'certificate') === '' ? '' : ',Issued';
  return `${word}${has('Failed') ? ',Failed' : ''}${issued}`;
};

export const csrDuration: Cell = (csr) => {
  const seconds = at(csr, 'spec', 'expirationSeconds');
  return typeof seconds === 'number' ? humanDuration(seconds * 1000) : '<none>';
};

const modes: readonly (readonly [string, string])[] = [
  ['ReadWriteOnce', 'RWO'],
  ['ReadOnlyMany', 'ROX'],
  ['ReadWriteMany', 'RWX'],
  ['ReadWriteOncePod', 'RWOP'],
];

const modesText = (all: readonly string[]): string =>
  modes
    .filter(([mode]) => all.includes(mode))
    .map(([, word]) => word)
    .join(',');

export const volumeModes: Cell = (volume) => modesText(texts(volume, 'spec', 'accessModes'));
export const volumeCapacity: Cell = (volume) => quantity(at(volume, 'spec', 'capacity', 'storage'));
export const claimOf: Cell = (volume) =>
  isObject(at(volume, 'spec', 'claimRef'))
    ? `${text(volume, 'spec', 'claimRef', 'namespace')}/${text(volume, 'spec', 'claimRef', 'name')}`
    : '';

/** Only a bound claim has a capacity. */
const bound = (claim: JsonObject): boolean => text(claim, 'spec', 'volumeName') !== '';
export const claimCapacity: Cell = (claim) =>
  bound(claim) ? quantity(at(claim, 'status', 'capacity', 'storage')) : '';
export const claimModes: Cell = (claim) => (bound(claim) ? modesText(texts(claim, 'status', 'accessModes')) : '');

const oldClass = 'volume.beta.kubernetes.io/storage-class';
export const storageClass: Cell = (object) =>
  text(object, 'metadata', 'annotations', oldClass) || text(object, 'spec', 'storageClassName');

export const phaseOrTerminating: Cell = (object) =>
  at(object, 'metadata', 'deletionTimestamp') === undefined ? text(object, 'status', 'phase') : 'Terminating';

export const roleRef: Cell = (binding) => `${text(binding, 'roleRef', 'kind')}/${text(binding, 'roleRef', 'name')}`;

export const subjects =
  (kind: string): Cell =>
  (binding) =>
    objects(binding, 'subjects')
      .filter((subject) => subject['kind'] === kind)
      .map((subject) => (kind === 'ServiceAccount' ? `${text(subject, 'namespace')}/` : '') + text(subject, 'name'))
      .join(', ');

export const quotaUse =
  (limits: boolean): Cell =>
  (quota) => {
    const hard = at(quota, 'status', 'hard');
    return Object.keys(isObject(hard) ? hard : {})
      .toSorted()
      .filter((name) => name.startsWith('limits.') === limits)
      .map(
        (name) =>
          `${name}: ${quantity(at(quota, 'status', 'used', name))}/${quantity(at(quota, 'status', 'hard', name))}`,
      )
      .join(', ');
  };

export const revisionOwner: Cell = (revision) => {
  const owner = objects(revision, 'metadata', 'ownerReferences').find((one) => one['controller'] === true);
  if (owner === undefined) return '<none>';
  const apiVersion = text(owner, 'apiVersion');
  const group = apiVersion.includes('/') ? `.${apiVersion.split('/')[0]}` : '';
  return `${text(owner, 'kind').toLowerCase()}${group}/${text(owner, 'name')}`;
};

export const ingressClassParameters: Cell = (object) => {
  const parameters = at(object, 'spec', 'parameters');
  if (!isObject(parameters)) return '<none>';
  const group = text(parameters, 'apiGroup');
  return `${text(parameters, 'kind')}${group === '' ? '' : `.${group}`}/${text(parameters, 'name')}`;
};

export const paramKind: Cell = (policy) =>
  isObject(at(policy, 'spec', 'paramKind'))
    ? `${text(policy, 'spec', 'paramKind', 'apiVersion')}/${text(policy, 'spec', 'paramKind', 'kind')}`
    : '<unset>';

export const paramRef: Cell = (binding) => {
  const name = text(binding, 'spec', 'paramRef', 'name');
  return name === '' ? '<unset>' : `${text(binding, 'spec', 'paramRef', 'namespace') || '*'}/${name}`;
};

export const apiService: Cell = (service) =>
  isObject(at(service, 'spec', 'service'))
    ? `${text(service, 'spec', 'service', 'namespace')}/${text(service, 'spec', 'service', 'name')}`
    : 'Local';

export const apiServiceAvailable: Cell = (service) => {
  const available = condition(service, 'Available');
  if (available === undefined) return 'Unknown';
  const status = text(available, 'status');
  return status === 'True' ? status : `${status} (${text(available, 'reason')})`;
};

/** One metric of an autoscaler: current value and target. Only those of resources are written out. */
function metricText(metric: JsonObject, current: JsonObject | undefined): string {
  const name = text(metric, 'resource', 'name');
  if (name === '') return `${text(metric, 'type')}: <unknown>`;
  const now = at(current ?? {}, 'resource', 'current', 'averageUtilization');
  const average = text(metric, 'resource', 'target', 'averageValue');
  if (average !== '')
    return `${name}: ${text(current ?? {}, 'resource', 'current', 'averageValue') || '<unknown>'}/${average}`;
  const wanted = at(metric, 'resource', 'target', 'averageUtilization');
  return `${name}: ${typeof now === 'number' ? `${now}%` : '<unknown>'}/${typeof wanted === 'number' ? `${wanted}%` : '<auto>'}`;
}

export const scalerTargets: Cell = (scaler) => {
  const old = at(scaler, 'spec', 'targetCPUUtilizationPercentage');
  if (typeof old === 'number') {
    const now = at(scaler, 'status', 'currentCPUUtilizationPercentage');
    return `cpu: ${typeof now === 'number' ? `${now}%` : '<unknown>'}/${old}%`;
  }
  const current = objects(scaler, 'status', 'currentMetrics');
  const all = objects(scaler, 'spec', 'metrics').map((metric, index) => metricText(metric, current[index]));
  if (all.length === 0) return '<none>';
  const shown = all.slice(0, 2).join(', ');
  return all.length > 2 ? `${shown} + ${all.length - 2} more...` : shown;
};

/** The served versions of a CRD; the stored one says so. */
export const servedVersions: Cell = (crd) =>
  objects(crd, 'spec', 'versions')
    .filter((version) => version['served'] === true)
    .map((version) => `${text(version, 'name')}${version['storage'] === true ? '(storage)' : ''}`)
    .toSorted()
    .join(',');

export const podCertificateState: Cell = (request) =>
  ['Issued', 'Denied', 'Failed'].find((type) => isTrue(request, type)) ?? 'Pending';

/** `services/default/kubernetes`: what an address was given to. */
export const addressParent: Cell = (address) => {
  const part = (name: string): string => text(address, 'spec', 'parentRef', name);
  return [[part('resource'), part('group')].filter((word) => word !== '').join('.'), part('namespace'), part('name')]
    .filter((word) => word !== '')
    .join('/');
};

export const flagOr =
  (path: string, absent: boolean): Cell =>
  (object) => {
    const value = at(object, ...path.split('.'));
    return typeof value === 'boolean' ? value : absent;
  };

export const tokenAudiences: Cell = (driver) =>
  objects(driver, 'spec', 'tokenRequests')
    .map((request) => text(request, 'audience'))
    .join(',') || '<unset>';
