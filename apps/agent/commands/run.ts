/** `polyanthus agent run`: in a pod from its configuration folder, outside a cluster from options. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Command, CommandEnvironment, CommandInput } from '@polyanthus/ground-cli-kit/command';
import { cliErrors } from '@polyanthus/ground-cli-kit/errors';
import type { Io } from '@polyanthus/ground-cli-kit/io';
import { flag, text, texts } from '@polyanthus/ground-cli-kit/input';
import { withCancel, type Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { Transport } from '@polyanthus/ground-http/message';
import { inClusterContext } from '@polyanthus/kube-client/in-cluster';
import { contextOf, kubeconfigFiles, loadKubeconfig } from '@polyanthus/kube-client/kubeconfig';
import { transportFor } from '@polyanthus/kube-client/transport-of';
import { runAgent } from '../src/agent.ts';
import { readNamed } from '../src/identity.ts';

const stdinBytesMax = 64 * 1024;
const roleNames = ['tunnel', 'fleet'] as const;

/** Runs an agent until it is stopped. */
export const run: Command = {
  summary: 'Run the agent',
  description:
    'Dials out to the hub and keeps the tunnel; keeps namespaces and bindings of the fleet in the member. In a pod it takes its settings from --config-dir, outside a cluster from options and a kubeconfig.',
  options: [
    {
      name: 'config-dir',
      kind: 'string',
      value: 'FOLDER',
      help: 'folder with the files fleet, membership, membership-uid, hub-url and hub-ca.pem',
    },
    { name: 'hub', kind: 'string', value: 'URL', help: 'address of the hub' },
    { name: 'hub-ca', kind: 'string', value: 'FILE', help: "the hub's CA" },
    { name: 'fleet', kind: 'string', value: 'NAME', help: 'the fleet' },
    { name: 'membership', kind: 'string', value: 'NAME', help: 'the membership' },
    { name: 'role', kind: 'string', value: 'ROLE', repeat: true, help: 'tunnel or fleet; the default is both' },
    { name: 'token-file', kind: 'string', value: 'FILE', help: 'one-time enrolment token' },
    { name: 'service-account-token-file', kind: 'string', value: 'FILE', help: 'ServiceAccount token to enrol with' },
    {
      name: 'state-dir',
      kind: 'string',
      value: 'FOLDER',
      help: "the agent's key and certificate; the default is in ~/.local/state/polyanthus",
    },
    {
      name: 'kubeconfig',
      kind: 'string',
      value: 'FILE',
      help: 'kubeconfig of the member; in a pod the default is the pod itself',
    },
    { name: 'context', kind: 'string', value: 'NAME', help: 'context in it' },
    {
      name: 'stop-with-stdin',
      kind: 'boolean',
      help: 'end when standard input ends: for a program that starts the agent and must not leave it behind',
    },
  ],
  examples: [
    'polyanthus agent run --hub=https://hub.example.org:8443 --hub-ca=ca.pem --membership=edge-1 --token-file=edge-1.token --kubeconfig=edge-1.kubeconfig',
  ],
  run: async (ctx, input, environment) => {
    const setting = (name: string, file: string): Promise<string | undefined> => settingOf(input, name, file);
    const hubUrl = await setting('hub', 'hub-url');
    const membership = await setting('membership', 'membership');
    if (hubUrl === undefined || membership === undefined)
      throw cliErrors.error('UsageError', 'agent run: give --hub and --membership, or --config-dir');
    const caFile = text(input, 'hub-ca');
    const fleet = (await setting('fleet', 'fleet')) ?? 'default';
    const stateDir =
      text(input, 'state-dir') ??
      join(
        environment.env['XDG_STATE_HOME'] ?? join(homedir(), '.local/state'),
        'polyanthus',
        `agent-${fleet}-${membership}`,
      );
    await whileWanted(ctx, flag(input, 'stop-with-stdin') ? environment.io : undefined, async (inner) =>
      runAgent(inner, {
        roles: rolesOf(input),
        hubUrl,
        fleet,
        membership,
        stateDir,
        hubCaPem:
          caFile === undefined ? ((await setting('', 'hub-ca.pem')) ?? '') : await readNamed('--hub-ca', caFile),
        tokenFile: text(input, 'token-file'),
        serviceAccountTokenFile: text(input, 'service-account-token-file'),
        membershipUid: await setting('', 'membership-uid'),
        member: await memberTransport(inner, input, environment),
        env: environment.env,
        onTunnel: (open) =>
          environment.io.err(
            open ? `connected to ${hubUrl} as ${fleet}/${membership}\n` : `the tunnel to ${hubUrl} closed\n`,
          ),
      }),
    );
    return 0;
  },
};

/** Until `fn` ends or, with `io`, standard input does: the program that started this one may end in any way. */
async function whileWanted(ctx: Context, io: Io | undefined, fn: (ctx: Context) => Promise<void>): Promise<void> {
  if (io === undefined) return fn(ctx);
  const { ctx: inner, cancel } = withCancel(ctx);
  void io.readStdin(stdinBytesMax).then(cancel, cancel);
  try {
    await fn(inner);
  } catch (error) {
    if (ctx.signal.aborted || !hasCode(error, 'Cancelled')) throw error;
  } finally {
    cancel();
  }
}

async function settingOf(input: CommandInput, name: string, file: string): Promise<string | undefined> {
  const given = name === '' ? undefined : text(input, name);
  const folder = text(input, 'config-dir');
  if (given !== undefined || folder === undefined || !existsSync(join(folder, file))) return given;
  const content = await readFile(join(folder, file), 'utf8');
  return file.endsWith('.pem') ? content : content.trim();
}

function rolesOf(input: CommandInput): readonly (typeof roleNames)[number][] {
  const given = texts(input, 'role').flatMap((one) => one.split(','));
  const unknown = given.find((one) => !(roleNames as readonly string[]).includes(one));
  if (unknown !== undefined)
    throw cliErrors.error(
      'UsageError',
      `agent run: role ${JSON.stringify(unknown)} is not one of ${roleNames.join(', ')}`,
    );
  return given.length === 0 ? roleNames : (given as (typeof roleNames)[number][]);
}

async function memberTransport(ctx: Context, input: CommandInput, { env }: CommandEnvironment): Promise<Transport> {
  const inPod = text(input, 'kubeconfig') === undefined && env['KUBERNETES_SERVICE_HOST'] !== undefined;
  const context = inPod
    ? await inClusterContext(env)
    : contextOf(await loadKubeconfig(kubeconfigFiles(env, text(input, 'kubeconfig'))), text(input, 'context'));
  return transportFor(ctx, context, { env, pluginStderr: 'inherit' });
}
