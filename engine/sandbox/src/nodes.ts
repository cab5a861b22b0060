/** Simulated nodes and the controllers of a cluster, for sandboxes in which workloads shall run. */
import { withCancel, type Context } from '@polyanthus/ground-base/context';
import type { Random } from '@polyanthus/ground-base/random';
import { inProcessTransport } from '@polyanthus/ground-http/in-process';
import type { Transport } from '@polyanthus/ground-http/message';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { startControllers } from '@polyanthus/kube-controllers/start';
import type { Node, Pod } from '@polyanthus/kube-kinds/core';
import { readyStatus } from '@polyanthus/kube-kinds/ready';
import { statusError } from '@polyanthus/kube-objects/status';
import type { KubeletDialer } from '@polyanthus/kube-server/kubelet-dialer';
import { createKubeletHandler } from '@polyanthus/kube-sim/kubelet/handler';
import type { SimNode } from '@polyanthus/kube-sim/node/node';
import { startSimulation, type Simulation } from '@polyanthus/kube-sim/simulation';

/** Nodes of one sandbox. `dialKubelet` is there before they are: the sandbox is made with it. */
export interface SandboxNodes {
  readonly dialKubelet: KubeletDialer;
  start(client: KubeClient): void;
  /**
   * After a copy was loaded: nodes of the copy whose kubelet was alive go on sending heartbeats, or the copy would decay
   * within a minute. What runs on them stays as it was; new pods run. `anew`: the sandbox was emptied before.
   */
  adopt(copy: { readonly nodes: readonly Node[]; readonly pods: readonly Pod[] }, anew: boolean): void;
  stop(): Promise<void>;
}

/** `count` nodes `node-1` … of 8 CPUs and 32 GiB each, in three zones. */
export function sandboxNodes(ctx: Context, count: number, random: Random): SandboxNodes {
  const { ctx: running, cancel } = withCancel(ctx);
  const transports = new Map<string, Transport>();
  let simulation: Simulation | undefined;
  let ended: Promise<unknown> = Promise.resolve();
  const own = Array.from({ length: count }, (_, index) => ({
    name: `node-${index + 1}`,
    zone: `zone-${'abc'[index % 3] ?? 'a'}`,
  }));
  const give = (node: SimNode): void => {
    simulation?.stopNode(node.name);
    simulation?.addNode(node);
    serveKubelet(node.name);
  };
  const serveKubelet = (name: string): void =>
    void transports.set(
      name,
      kubeletOf(() => simulation?.podsOn(name) ?? []),
    );
  return {
    dialKubelet: (_ctx, { metadata: { name = '' } }) => {
      const found = transports.get(name);
      if (found === undefined) throw statusError('ServiceUnavailable', `node ${name} of this sandbox has no kubelet`);
      return Promise.resolve(found);
    },
    start: (client) => {
      const controllers = startControllers(running, { client, random });
      const started = startSimulation(running, { client, nodes: own, random });
      simulation = started;
      for (const { name } of own) serveKubelet(name);
      ended = Promise.all([controllers.stopped, started.stopped]);
    },
    adopt: (copy, anew) => {
      const copied = copy.nodes.filter(isAlive).map((node) => copiedNode(node, copy.pods));
      const names = new Set(copied.map(({ name }) => name));
      if (anew) for (const node of own) if (!names.has(node.name)) give(node);
      for (const node of copied) give(node);
    },
    stop: async () => {
      cancel();
      await ended;
    },
  };
}

/** Ready or not, its kubelet said so: Unknown is what others say of a kubelet that is silent. */
function isAlive(node: Node): boolean {
  const ready = readyStatus(node);
  return ready === 'True' || ready === 'False';
}

/** Ranges that pods of simulated nodes can be given addresses of. */
const podRange = /^\d+\.\d+\.\d+\.\d+\/(8|9|[12]\d|30)$/;

function copiedNode({ metadata, spec, status }: Node, pods: readonly Pod[]): SimNode {
  const { name = '' } = metadata;
  const address = status?.addresses?.find(({ type }) => type === 'InternalIP')?.address;
  const range = spec?.podCIDR;
  const here = pods.filter((pod) => pod.spec.nodeName === name).map((pod) => pod.metadata.uid ?? '');
  return {
    name,
    ...(address === undefined ? {} : { address }),
    ...(range !== undefined && podRange.test(range) ? { podCidr: range } : {}),
    copied: { podUids: new Set(here) },
  };
}

/** Containers answer HTTP on 80 and 8080. In this process nobody but the sandbox's API server can call. */
function kubeletOf(pods: Parameters<typeof createKubeletHandler>[0]['pods']): Transport {
  return inProcessTransport(
    createKubeletHandler({
      pods,
      behaviour: ({ metadata }) => {
        const page = { kind: 'http', body: `hello from ${metadata.name ?? ''}\n` } as const;
        return { ports: { 80: page, 8080: page } };
      },
      authenticate: () => Promise.resolve(true),
    }),
  );
}
