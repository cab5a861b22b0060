/** The nodes of a demo cluster: the simulation, and one kubelet API per node on a port of its own. */
import type { Context } from '@polyanthus/ground-base/context';
import type { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import { systemRandom } from '@polyanthus/ground-base/random';
import { serve } from '@polyanthus/ground-http/node-server';
import { loadAuthority } from '@polyanthus/ground-pki/authority';
import { generateKey } from '@polyanthus/ground-pki/keys';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { pods } from '@polyanthus/kube-kinds/core';
import { createInformer } from '@polyanthus/kube-runtime/informer';
import type { ContainerBehaviour } from '@polyanthus/kube-sim/kubelet/behaviour';
import { createKubeletHandler } from '@polyanthus/kube-sim/kubelet/handler';
import type { SimNode } from '@polyanthus/kube-sim/node/node';
import { startSimulation } from '@polyanthus/kube-sim/simulation';
import type { ClusterSecrets } from './data-directory.ts';
import { hubErrors } from './errors.ts';
import { isKubeletClient } from './kubelet-dialer.ts';
import type { ServedCluster } from './worker-messages.ts';

/** What the simulation works with. */
export interface SimulatedOptions {
  readonly client: KubeClient;
  readonly secrets: ClusterSecrets | undefined;
  readonly metrics: MetricsRegistry;
}

/** Starts them; `stopped` resolves when all has ended. */
export async function startSimulatedNodes(
  ctx: Context,
  cluster: ServedCluster,
  options: SimulatedOptions,
): Promise<{ readonly stopped: Promise<void> }> {
  const { client, secrets, metrics } = options;
  if (secrets === undefined) throw hubErrors.error('WorkerFailed', `cluster ${cluster.name} has no keys`);
  const authority = loadAuthority({ certificatePem: secrets.caCertificatePem, keyPem: secrets.caKeyPem }, systemRandom);
  const podCache = createInformer(client, pods, { random: systemRandom, metrics });
  podCache.start(ctx);
  const startedMs = ctx.clock.now();
  const nodes: SimNode[] = [];
  for (const node of cluster.nodes) {
    const key = await generateKey();
    const cert = await authority.issueServer(ctx.clock.now(), {
      names: [node.name],
      ips: ['127.0.0.1'],
      publicKeyPem: key.publicKeyPem,
      ttlMs: 365 * 86_400_000,
    });
    const handler = createKubeletHandler({
      pods: () => podCache.list().filter((pod) => pod.spec.nodeName === node.name),
      behaviour: (pod) => demoContainer(pod.metadata.name ?? '', startedMs),
      // The server has verified the certificate against the cluster's CA.
      authenticate: async (request) => isKubeletClient(request.peer.certificate),
    });
    const server = await serve(ctx, {
      handler,
      listen: { host: '127.0.0.1', port: 0 },
      tls: { cert, key: key.privateKeyPem, clientCas: [authority.certificatePem] },
    });
    nodes.push({
      name: node.name,
      zone: node.zone,
      kubeletPort: server.port,
      providerId: `simulated://${cluster.name}/${node.name}`,
    });
  }
  return startSimulation(ctx, { client, nodes, random: systemRandom, metrics });
}

/** Every container answers HTTP on 80 and 8080 and logs a line a second. */
function demoContainer(pod: string, startedMs: number): ContainerBehaviour {
  const page = { kind: 'http', body: `hello from ${pod}\n` } as const;
  return {
    ports: { 80: page, 8080: page },
    logs: (previous) => (previous ? undefined : [{ atMs: startedMs, text: `${pod} started` }]),
    liveLogs: async function* ticks(ctx) {
      for (let count = 1; !ctx.signal.aborted; count++) {
        await new Promise<void>((resolve) => {
          const timer = ctx.clock.after(1000, resolve);
          ctx.signal.addEventListener('abort', () => (timer.cancel(), resolve()), { once: true });
        });
        yield { atMs: ctx.clock.now(), text: `${pod} is alive, ${count} s` };
      }
    },
  };
}
