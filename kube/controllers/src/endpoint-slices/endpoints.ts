/** What pods are to a Service (endpointslice/utils.go). */
import type { Node, Pod, Service } from '@polyanthus/kube-kinds/core';
import type { Endpoint, EndpointPort, EndpointSlice } from '@polyanthus/kube-kinds/discovery';
import { isReady } from '@polyanthus/kube-kinds/ready';

export type AddressType = EndpointSlice['addressType'];

/** Endpoints that have the same ports: they share slices. */
export interface EndpointGroup {
  readonly ports: readonly EndpointPort[];
  readonly endpoints: readonly Endpoint[];
}

/** The address types that the Service's slices have. */
export function addressTypesOf({ spec }: Service): readonly AddressType[] {
  const families = spec?.ipFamilies ?? [];
  if (families.length > 0) return families;
  return [spec?.clusterIP?.includes(':') === true ? 'IPv6' : 'IPv4'];
}

/** The endpoints of the Service by their ports, in the order of the pods' names. */
export function groupsOf(
  service: Service,
  pods: readonly Pod[],
  nodeOf: (name: string) => Node | undefined,
  type: AddressType,
): readonly EndpointGroup[] {
  const groups = new Map<string, { ports: readonly EndpointPort[]; endpoints: Endpoint[] }>();
  const sorted = [...pods].sort((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1));
  for (const pod of sorted) {
    const addresses = addressesOf(pod, type);
    if (addresses.length === 0 || pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') continue;
    const node = nodeOf(pod.spec.nodeName ?? '');
    // A pod whose node is gone serves nobody; the collector removes it soon.
    if (node === undefined && service.spec?.publishNotReadyAddresses !== true) continue;
    const ports = portsOf(service, pod);
    const group = groups.get(portsKey(ports)) ?? { ports, endpoints: [] };
    group.endpoints.push(endpointOf(service, pod, node, addresses));
    groups.set(portsKey(ports), group);
  }
  return [...groups.values()];
}

/** Equal for ports that are the same in any order. */
export function portsKey(ports: readonly EndpointPort[] | null | undefined): string {
  const texts = (ports ?? []).map(({ name = '', port, protocol = 'TCP', appProtocol = '' }) =>
    JSON.stringify([name, port, protocol, appProtocol]),
  );
  return texts.sort((a, b) => (a < b ? -1 : 1)).join();
}

function addressesOf({ status, spec }: Pod, type: AddressType): readonly string[] {
  if (spec.nodeName === undefined || spec.nodeName === '') return [];
  const all = status?.podIPs?.map(({ ip }) => ip) ?? (status?.podIP === undefined ? [] : [status.podIP]);
  return all.filter((ip) => ip !== '' && ip.includes(':') === (type === 'IPv6'));
}

function endpointOf(service: Service, pod: Pod, node: Node | undefined, addresses: readonly string[]): Endpoint {
  const serving = isReady(pod);
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const ready = service.spec?.publishNotReadyAddresses === true || (serving && !terminating);
  const { namespace = '', name = '', uid = '' } = pod.metadata;
  const zone = node?.metadata.labels?.['topology.kubernetes.io/zone'];
  const hostname = pod.spec['hostname'];
  const named = typeof hostname === 'string' && hostname !== '' && pod.spec['subdomain'] === service.metadata.name;
  return {
    addresses,
    conditions: { ready, serving, terminating },
    ...(named ? { hostname } : {}),
    targetRef: { kind: 'Pod', namespace, name, uid },
    ...(pod.spec.nodeName === undefined ? {} : { nodeName: pod.spec.nodeName }),
    ...(zone === undefined || zone === '' ? {} : { zone }),
  };
}

/** The Service's ports as this pod serves them; one that the pod does not name is left out. */
function portsOf({ spec }: Service, pod: Pod): readonly EndpointPort[] {
  return (spec?.ports ?? []).flatMap(({ name = '', port, targetPort = port, protocol = 'TCP', appProtocol }) => {
    const found = typeof targetPort === 'number' ? targetPort || port : namedPort(pod, targetPort, protocol);
    if (found === undefined) return [];
    return [{ name, port: found, protocol, ...(appProtocol === undefined ? {} : { appProtocol }) }];
  });
}

/** Containers first, then those init containers that keep running. */
function namedPort({ spec }: Pod, name: string, protocol: string): number | undefined {
  const sidecars = (spec.initContainers ?? []).filter((container) => container['restartPolicy'] === 'Always');
  for (const { ports = [] } of [...spec.containers, ...sidecars])
    for (const port of ports)
      if (port.name === name && (port.protocol ?? 'TCP') === protocol) return port.containerPort;
  return undefined;
}
