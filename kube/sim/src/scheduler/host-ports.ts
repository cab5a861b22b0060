/** Ports of the node itself that pods ask for. */
import type { Container, Pod } from '@polyanthus/kube-kinds/core';
import type { PlacedPod } from './placed.ts';

/** `ip` is 0.0.0.0 for all addresses. */
export interface HostPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

const anywhere = '0.0.0.0';

interface PortFields {
  readonly containerPort?: number;
  readonly hostPort?: number;
  readonly hostIP?: string;
  readonly protocol?: string;
}

/** Of containers, and of init containers that keep running. On the host's network every container port is the host's. */
export function hostPorts(pod: Pod): readonly HostPort[] {
  const sidecars = (pod.spec.initContainers ?? []).filter((one) => one['restartPolicy'] === 'Always');
  const onHost = pod.spec['hostNetwork'] === true;
  return [...sidecars, ...pod.spec.containers].flatMap((container: Container) =>
    ((container.ports ?? []) as readonly PortFields[]).flatMap(({ containerPort = 0, hostPort, hostIP, protocol }) => {
      const port = hostPort ?? (onHost ? containerPort : 0);
      if (port === 0) return [];
      return [{ ip: hostIP === undefined || hostIP === '' ? anywhere : hostIP, protocol: protocol ?? 'TCP', port }];
    }),
  );
}

/** Whether one of the ports is taken already. */
export function portsClash(wanted: readonly HostPort[], placed: Iterable<PlacedPod>): boolean {
  for (const { pod } of placed)
    for (const taken of hostPorts(pod)) if (wanted.some((one) => clash(one, taken))) return true;
  return false;
}

function clash(a: HostPort, b: HostPort): boolean {
  return a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === anywhere || b.ip === anywhere);
}
