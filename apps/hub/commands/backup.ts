/** `polyanthus hub backup` and `polyanthus hub restore`. */
import type { Command } from '@polyanthus/ground-cli-kit/command';
import { requiredText } from '@polyanthus/ground-cli-kit/input';
import { createProgress } from '@polyanthus/ground-cli-kit/progress';
import { backupEmbedded, restoreEmbedded } from '../src/embedded-backup.ts';
import { dataDirOf, dataDirOption } from './up.ts';

/** Writes the objects and the keys of a hub into a file. */
export const backup: Command = {
  summary: 'Write the objects and the keys of a hub into one file',
  description:
    'Reads the data directory as it is now; the hub may run meanwhile. The file (mode 0600) holds every key of the hub: who has it can be the hub. Agents keep keys of their own, which are not in it.',
  options: [
    dataDirOption,
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
      backupEmbedded(ctx, dataDirOf(input, environment, 'hub'), output),
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
    dataDirOption,
    { name: 'input', kind: 'string', value: 'FILE', required: true, help: 'a file that `polyanthus hub backup` wrote' },
  ],
  examples: ['polyanthus hub restore --input=hub.backup --data-dir=/srv/polyanthus'],
  run: async (ctx, input, environment) => {
    const folder = dataDirOf(input, environment, 'hub');
    const identity = await createProgress(environment.io).step(ctx, `restore into ${folder}`, () =>
      restoreEmbedded(ctx, requiredText(input, 'input'), folder),
    );
    environment.io.err(`restored hub ${identity.hubId}; next: polyanthus up --data-dir=${folder}\n`);
    return 0;
  },
};
