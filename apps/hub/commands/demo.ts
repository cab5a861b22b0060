/** `polyanthus demo`: a hub and three simulated clusters, in one command. */
import type { Command } from '@polyanthus/ground-cli-kit/command';
import { requiredText, texts } from '@polyanthus/ground-cli-kit/input';
import { createProgress } from '@polyanthus/ground-cli-kit/progress';
import { renderTable } from '@polyanthus/ground-cli-kit/table';
import { contextName } from '@polyanthus/domains-fleet/membership-names';
import {
  demoClusters,
  joinDemoCluster,
  nodesThroughGateway,
  podsRunThroughGateway,
  writeMemberContexts,
  type DemoAgent,
} from '../src/demo.ts';
import { startHub } from '../src/hub.ts';
import { dataDirOf, hubStartOptions, parseListen, runUntilStopped } from './up.ts';

/** Starts the demo. */
export const demo: Command = {
  summary: 'Start a hub with three simulated clusters joined to it',
  description:
    'Everything runs on this machine: a hub on its embedded API server, three simulated clusters, and one real agent for each, which dials out to the hub. Ctrl-C stops all of it; the next start finds its data.',
  options: [
    ...hubStartOptions,
    { name: 'listen', kind: 'string', value: 'HOST:PORT', default: '127.0.0.1:8443', help: 'address to listen on' },
    { name: 'once', kind: 'boolean', help: 'stop as soon as the nodes are shown' },
  ],
  run: async (ctx, input, environment) => {
    const { io } = environment;
    const progress = createProgress(io);
    const agents: DemoAgent[] = [];
    const hub = await progress.step(ctx, 'start the hub and three simulated clusters', () =>
      startHub(ctx, {
        dataDir: dataDirOf(input, environment, 'demo'),
        listen: parseListen(requiredText(input, 'listen')),
        hostNames: texts(input, 'host-name'),
        served: demoClusters,
      }),
    );
    const stop = async (): Promise<void> => {
      await Promise.all(agents.map((agent) => agent.stop()));
      await hub.stop();
    };
    try {
      for (const cluster of demoClusters)
        agents.push(await progress.step(ctx, `join ${cluster.name}`, () => joinDemoCluster(ctx, hub, cluster.name)));
      const rows: string[][] = [];
      for (const cluster of demoClusters) {
        const nodes = await progress.step(ctx, `read the nodes of ${cluster.name} through the gateway`, () =>
          nodesThroughGateway(ctx, hub, cluster.name),
        );
        rows.push(...nodes.map((node) => [cluster.name, node, 'Ready']));
      }
      for (const { name } of demoClusters)
        if (!(await progress.step(ctx, `wait for the pods of ${name}`, () => podsRunThroughGateway(ctx, hub, name))))
          io.err(`not all pods of deployment/web in ${name} run; kubectl describe deployment/web says why\n`);
      await writeMemberContexts(ctx, hub);
      io.out(`\n${renderTable(['CLUSTER', 'NODE', 'STATUS'], rows)}\n${whatNext(hub.directory.adminKubeconfig)}`);
    } catch (error) {
      await stop();
      throw error;
    }
    if (input.options['once'] === true) {
      await stop();
      return 0;
    }
    return runUntilStopped(ctx, { failed: hub.failed, stop });
  },
};

function whatNext(kubeconfig: string): string {
  const contexts = demoClusters
    .map((cluster) => `  kubectl --context=${contextName('default', cluster.name)} get nodes,pods -A`)
    .join('\n');
  return `Its own kubeconfig: ${kubeconfig}\nNext, in another shell (kubectl is not needed for the demo itself):\n  export KUBECONFIG=${kubeconfig}\n${contexts}\n  kubectl --context=hub get memberships\n  ./polyanthus fleet list --hub-kubeconfig=${kubeconfig} --hub-context=hub\nCtrl-C stops everything.\n`;
}
