/** `polyanthus up`: a hub on this machine, until it is stopped. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { untilAborted } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { Command, CommandEnvironment, CommandInput, OptionSpec } from '@polyanthus/ground-cli-kit/command';
import { requiredText, text, texts } from '@polyanthus/ground-cli-kit/input';
import { createProgress } from '@polyanthus/ground-cli-kit/progress';
import { hubErrors } from '../src/errors.ts';
import { oidcOptions, oidcSettings } from '../src/oidc.ts';
import { startHub, type HubOptions } from '../src/hub.ts';

/** Where the data of a hub is. */
export const dataDirOption: OptionSpec = {
  name: 'data-dir',
  kind: 'string',
  value: 'FOLDER',
  env: 'POLYANTHUS_DATA_DIR',
  help: 'where the hub keeps its data; the default is in ~/.local/share/polyanthus',
};

/** Options that `up` and `demo` share. */
export const hubStartOptions: readonly OptionSpec[] = [
  dataDirOption,
  {
    name: 'host-name',
    kind: 'string',
    value: 'NAME',
    repeat: true,
    help: 'name or address by which agents and users reach the hub',
  },
];

/** HOST:PORT as two parts. Throws AddressUnsafe. */
export function parseListen(address: string): HubOptions['listen'] {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([\w.-]+)):(\d{1,5})$/.exec(address);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535)
    throw hubErrors.error('AddressUnsafe', `--listen ${JSON.stringify(address)} is not HOST:PORT`);
  return { host: match[1] ?? match[2] ?? '', port };
}

/** The folder of `name` below the user's data folder, unless the option says otherwise. */
export function dataDirOf(input: CommandInput, environment: CommandEnvironment, name: string): string {
  return (
    text(input, 'data-dir') ??
    join(environment.env['XDG_DATA_HOME'] ?? join(homedir(), '.local/share'), 'polyanthus', name)
  );
}

/** Starts a hub. */
export const up: Command = {
  summary: 'Start a hub on this machine',
  description:
    "Serves the hub's API, the gateway and the tunnels on one port, on an embedded API server whose data is in --data-dir. Ctrl-C stops it; the next start finds its data.",
  options: [
    ...hubStartOptions,
    ...oidcOptions,
    { name: 'listen', kind: 'string', value: 'HOST:PORT', default: '127.0.0.1:8443', help: 'address to listen on' },
  ],
  examples: ['polyanthus up', 'polyanthus up --listen=0.0.0.0:8443 --host-name=hub.example.org'],
  run: async (ctx, input, environment) => {
    const oidc = await oidcSettings(input);
    const hub = await createProgress(environment.io).step(ctx, 'start the hub', () =>
      startHub(ctx, {
        dataDir: dataDirOf(input, environment, 'hub'),
        listen: parseListen(requiredText(input, 'listen')),
        hostNames: texts(input, 'host-name'),
        oidc,
        served: [],
      }),
    );
    environment.io.out(
      `The hub serves at ${hub.url}\nAdministrator's kubeconfig: ${hub.directory.adminKubeconfig}\nNext: polyanthus fleet register NAME --hub-kubeconfig=${hub.directory.adminKubeconfig}\n`,
    );
    return runUntilStopped(ctx, hub);
  },
};

/** Waits for Ctrl-C or a failure, and stops the hub either way. */
export async function runUntilStopped(
  ctx: Parameters<Command['run']>[0],
  hub: { readonly failed: Promise<never>; stop(): Promise<void> },
): Promise<number> {
  try {
    await untilAborted(ctx, hub.failed);
  } catch (error) {
    if (!ctx.signal.aborted || !hasCode(error, 'Cancelled')) throw error;
  } finally {
    await hub.stop();
  }
  return 0;
}
