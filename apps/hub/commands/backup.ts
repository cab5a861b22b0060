/** `polyanthus hub backup` and `polyanthus hub restore`. */
import type { Context } from '@polyanthus/ground-base/context';
import type { Command, CommandEnvironment, CommandInput, OptionSpec } from '@polyanthus/ground-cli-kit/command';
import { requiredText, text } from '@polyanthus/ground-cli-kit/input';
import { createProgress } from '@polyanthus/ground-cli-kit/progress';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { contextOf, loadKubeconfig } from '@polyanthus/kube-client/kubeconfig';
import { createClient } from '@polyanthus/kube-client/rest';
import { transportFor } from '@polyanthus/kube-client/transport-of';
import { backupCluster, restoreCluster } from '../src/cluster-backup.ts';
import { backupEmbedded, restoreEmbedded } from '../src/embedded-backup.ts';
import { hubNamespace } from '../src/hub-namespace.ts';
import { dataDirOf, dataDirOption } from './up.ts';

const placeOptions: readonly OptionSpec[] = [
  dataDirOption,
  {
    name: 'kubeconfig',
    kind: 'string',
    value: 'FILE',
    help: 'of a hub on a Kubernetes cluster: kubeconfig of that cluster, instead of --data-dir',
  },
  { name: 'context', kind: 'string', value: 'NAME', help: 'context in it' },
  { name: 'namespace', kind: 'string', value: 'NAME', default: hubNamespace, help: 'where that hub keeps its keys' },
];

const onCluster = (input: CommandInput): boolean => text(input, 'kubeconfig') !== undefined;

async function clusterClient(ctx: Context, input: CommandInput, { env }: CommandEnvironment): Promise<KubeClient> {
  const config = await loadKubeconfig({ files: [requiredText(input, 'kubeconfig')], explicit: true });
  return createClient(
    await transportFor(ctx, contextOf(config, text(input, 'context')), { env, pluginStderr: 'inherit' }),
  );
}

/** Writes the objects and the keys of a hub into a file. */
export const backup: Command = {
  summary: 'Write the objects and the keys of a hub into one file',
  description:
    'Reads the data directory as it is now; the hub may run meanwhile. The file (mode 0600) holds every key of the hub: who has it can be the hub. Agents keep keys of their own, which are not in it.',
  options: [
    ...placeOptions,
    {
      name: 'output',
      kind: 'string',
      value: 'FILE',
      required: true,
      help: 'the file to write; one of that name is replaced',
    },
  ],
  examples: ['polyanthus hub backup --output=hub.backup'],
  run: async (ctx, input, environment) => {
    const output = requiredText(input, 'output');
    const { bytes } = await createProgress(environment.io).step(ctx, `back up to ${output}`, () =>
      onCluster(input)
        ? clusterClient(ctx, input, environment).then((client) =>
            backupCluster(ctx, client, requiredText(input, 'namespace'), output),
          )
        : backupEmbedded(ctx, dataDirOf(input, environment, 'hub'), output),
    );
    environment.io.err(`${output} has ${bytes} bytes and holds the keys of the hub: keep it as you keep those\n`);
    return 0;
  },
};

/** Makes a data directory of a backup. */
export const restore: Command = {
  summary: 'Make a data directory of a backup',
  description:
    "The whole file is verified first; the data directory appears whole or not at all. On the address that the hub had, agents and users' kubeconfigs go on as before. Stop the old hub for good first: two hubs with the same keys take each other's agents.",
  options: [
    ...placeOptions,
    { name: 'input', kind: 'string', value: 'FILE', required: true, help: 'a file that `polyanthus hub backup` wrote' },
  ],
  examples: ['polyanthus hub restore --input=hub.backup --data-dir=/srv/polyanthus'],
  run: async (ctx, input, environment) => {
    const file = requiredText(input, 'input');
    if (onCluster(input)) {
      const client = await clusterClient(ctx, input, environment);
      const count = await createProgress(environment.io).step(ctx, 'restore into the cluster', () =>
        restoreCluster(ctx, client, requiredText(input, 'namespace'), file),
      );
      environment.io.err(`restored ${count} objects; next: start the replicas of the hub\n`);
      return 0;
    }
    const folder = dataDirOf(input, environment, 'hub');
    const identity = await createProgress(environment.io).step(ctx, `restore into ${folder}`, () =>
      restoreEmbedded(ctx, file, folder),
    );
    environment.io.err(`restored hub ${identity.hubId}; next: polyanthus up --data-dir=${folder}\n`);
    return 0;
  },
};
