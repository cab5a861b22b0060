/** Simulated nodes and the controllers of a cluster, for sandboxes in which workloads shall run. */
import { withCancel, type Context } from '@polyanthus/ground-base/context';
import type { Random } from '@polyanthus/ground-base/random';
import { inProcessTransport } from '@polyanthus/ground-http/in-process';
import type { Transport } from '@polyanthus/ground-http/message';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { startControllers } from '@polyanthus/kube-controllers/start';
import { statusError } from '@polyanthus/kube-objects/status';
import type { KubeletDialer } from '@polyanthus/kube-server/kubelet-dialer';
import { createKubeletHandler } from '@polyanthus/kube-sim/kubelet/handler';
import { startSimulation, type Simulation } from '@polyanthus/kube-sim/simulation';

/** Nodes of one sandbox. `dialKubelet` is there before they are: the sandbox is made with it. */
export interface SandboxNodes {
  readonly dialKubelet: KubeletDialer;
  start(client: KubeClient): void;
  stop(): Promise<void>;
}

/** `count` nodes `node-1` … of 8 CPUs and 32 GiB each, in three zones. */
export function sandboxNodes(ctx: Context, count: number, random: Random): SandboxNodes {
  const { ctx: running, cancel } = withCancel(ctx);
  const transports = new Map<string, Transport>();
  let simulation: Simulation | undefined;
  let ended: Promise<unknown> = Promise.resolve();
  return {
    dialKubelet: (_ctx, { metadata: { name = '' } }) => {
      const found = transports.get(name);
      if (found === undefined) throw statusError('ServiceUnavailable', `node ${name} of this sandbox has no kubelet`);
      return Promise.resolve(found);
    },
    start: (client) => {
      const nodes = Array.from({ length: count }, (_, index) => ({
        name: `node-${index + 1}`,
        zone: `zone-${'abc'[index % 3] ?? 'a'}`,
      }));
      const controllers = startControllers(running, { client, random });
      const started = startSimulation(running, { client, nodes, random });
      simulation = started;
      for (const { name } of nodes)
        transports.set(
          name,
          kubeletOf(() => simulation?.podsOn(name) ?? []),
        );
      ended = Promise.all([controllers.stopped, started.stopped]);
    },
    stop: async () => {
      cancel();
      await ended;
    },
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
