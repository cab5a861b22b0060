/** `polyanthus sandbox create|list|delete|snapshot|load|serve`. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { systemRandom } from '@polyanthus/ground-base/random';
import type { Command, CommandEnvironment, CommandInput, OptionSpec } from '@polyanthus/ground-cli-kit/command';
import { cliErrors } from '@polyanthus/ground-cli-kit/errors';
import { argument, flag, number, text } from '@polyanthus/ground-cli-kit/input';
import { outputOption, render, type Listing } from '@polyanthus/ground-cli-kit/printer';
import { contextOf, kubeconfigFiles, loadKubeconfig } from '@polyanthus/kube-client/kubeconfig';
import { createClient } from '@polyanthus/kube-client/rest';
import { transportFor } from '@polyanthus/kube-client/transport-of';
import type { LoadNote } from '@polyanthus/kube-server/load';
import type { SandboxView } from '../src/control.ts';
import { startDaemon } from '../src/daemon.ts';
import { findDaemon, requireDaemon, type Ask } from '../src/daemon-client.ts';
import { sandboxErrors } from '../src/errors.ts';
import { readSnapshot, writeSnapshot } from '../src/snapshot-file.ts';
import { takeSnapshot, type Snapshot } from '../src/snapshot.ts';
import { sandboxListing } from './listing.ts';

const directoryOption: OptionSpec = {
  name: 'sandbox-dir',
  kind: 'string',
  value: 'FOLDER',
  env: 'POLYANTHUS_SANDBOX_DIR',
  help: 'where the process that holds the sandboxes leaves its address and their kubeconfigs',
};
const dryRunOption: OptionSpec = { name: 'dry-run', kind: 'boolean', help: 'check it and change nothing' };
const nodesOption: OptionSpec = {
  name: 'nodes',
  kind: 'integer',
  value: 'N',
  default: '0',
  help: 'simulated nodes, with the controllers and the scheduler that make workloads run',
};

function directoryOf(input: CommandInput, { env }: CommandEnvironment): string {
  return resolve(
    text(input, 'sandbox-dir') ?? join(env['XDG_DATA_HOME'] ?? join(homedir(), '.local/share'), 'polyanthus/sandboxes'),
  );
}

const print = (input: CommandInput, items: readonly SandboxView[], nowMs: number, single = false): string =>
  render(sandboxListing(nowMs) as Listing<SandboxView>, items, text(input, 'output'), single);

/** Throws SandboxNotFound when no process runs: then there is no sandbox at all. */
async function running(ctx: Context, input: CommandInput, environment: CommandEnvironment, name: string): Promise<Ask> {
  const ask = await findDaemon(ctx, directoryOf(input, environment));
  if (ask === undefined)
    throw sandboxErrors.error('SandboxNotFound', `there is no sandbox ${name}: no process that holds sandboxes runs`);
  return ask;
}

const ensure = (ctx: Context, input: CommandInput, environment: CommandEnvironment): Promise<Ask> =>
  requireDaemon(ctx, directoryOf(input, environment), environment.self ?? ['polyanthus'], environment.env);

async function names(ctx: Context, environment: CommandEnvironment): Promise<readonly string[]> {
  const directory = directoryOf(
    { options: { 'sandbox-dir': environment.env['POLYANTHUS_SANDBOX_DIR'] }, args: [], rest: [] },
    environment,
  );
  const ask = await findDaemon(ctx, directory);
  return ask === undefined ? [] : (await ask(ctx, 'GET /sandboxes', '')).items.map(({ metadata }) => metadata.name);
}

const complete = { sandboxes: names };

const inMemory = (pid: number): string =>
  `It is in the memory of process ${pid}, and gone when that ends; keep it with: polyanthus sandbox snapshot`;

export const create: Command = {
  summary: 'Make a cluster in memory',
  description:
    'Makes an empty Kubernetes API, with a kubeconfig of its administrator (mode 0600). Without --nodes it is an API alone: objects are stored and nothing acts on them. The first sandbox starts a process in the background that holds all of them in memory; it ends with the last one.',
  args: [{ name: 'NAME', help: 'name of the sandbox' }],
  options: [nodesOption, dryRunOption, directoryOption, outputOption],
  examples: ['polyanthus sandbox create play --nodes=3', 'polyanthus sandbox create copy'],
  run: async (ctx, input, environment) => {
    const name = argument(input, 0);
    const dryRun = flag(input, 'dry-run');
    const ask = await ensure(ctx, input, environment);
    const made = await ask(ctx, 'POST /sandboxes', '', { name, nodes: number(input, 'nodes') ?? 0, dryRun });
    const { io } = environment;
    if (text(input, 'output') !== undefined) io.out(print(input, [made], ctx.clock.now(), true));
    else io.out(`sandbox/${name} created${dryRun ? ' (dry run)' : ''}\n`);
    if (!dryRun) io.err(`${inMemory(made.status.pid)} ${name} FILE\n  export KUBECONFIG=${made.status.kubeconfig}\n`);
    return 0;
  },
};

export const list: Command = {
  summary: 'List sandboxes',
  description: 'Sandboxes are in the memory of one process (PID) and gone when it ends.',
  options: [directoryOption, outputOption],
  run: async (ctx, input, environment) => {
    const ask = await findDaemon(ctx, directoryOf(input, environment));
    const items = ask === undefined ? [] : (await ask(ctx, 'GET /sandboxes', '')).items;
    environment.io.out(print(input, items, ctx.clock.now()));
    if (items.length === 0) environment.io.err('There are no sandboxes: polyanthus sandbox create NAME\n');
    return 0;
  },
};

export const remove: Command = {
  summary: 'Throw sandboxes away',
  args: [{ name: 'NAME', help: 'names of the sandboxes', optional: true, variadic: true, complete: 'sandboxes' }],
  options: [{ name: 'all', kind: 'boolean', help: 'all of them' }, dryRunOption, directoryOption],
  complete,
  run: async (ctx, input, environment) => {
    const all = flag(input, 'all');
    if (all === input.args.length > 0) throw cliErrors.error('UsageError', 'give names of sandboxes, or --all');
    const dryRun = flag(input, 'dry-run');
    const ask = all
      ? await findDaemon(ctx, directoryOf(input, environment))
      : await running(ctx, input, environment, argument(input, 0));
    const found = all && ask !== undefined ? (await ask(ctx, 'GET /sandboxes', '')).items : [];
    for (const name of all ? found.map(({ metadata }) => metadata.name) : input.args) {
      await ask?.(ctx, 'DELETE /sandboxes/NAME', name, { dryRun });
      environment.io.out(`sandbox "${name}" deleted${dryRun ? ' (dry run)' : ''}\n`);
    }
    return 0;
  },
};

const fileArgument = { name: 'FILE', help: 'the snapshot: gzip over lines of JSON' } as const;

export const snapshot: Command = {
  summary: 'Write what a sandbox or a real cluster holds into a file',
  description:
    'With a NAME the sandbox, with --kubeconfig or --context a real cluster: there with get and list alone, as the user of that context. Values of Secrets are never copied, neither are the copies of them in annotations and managedFields; ConfigMaps, and what stands in plain text in any other object, are. What could not be read is listed. The file has mode 0600.',
  args: [
    { name: 'NAME', help: 'the sandbox; absent with --kubeconfig or --context', complete: 'sandboxes' },
    { ...fileArgument, optional: true },
  ],
  options: [
    { name: 'kubeconfig', kind: 'string', value: 'FILE', help: 'kubeconfig of a real cluster' },
    { name: 'context', kind: 'string', value: 'NAME', help: 'context of a real cluster' },
    dryRunOption,
    directoryOption,
  ],
  examples: [
    'polyanthus sandbox snapshot play play.snapshot.gz',
    'polyanthus sandbox snapshot prod.snapshot.gz --context=prod',
  ],
  complete,
  run: async (ctx, input, environment) => {
    const real = text(input, 'kubeconfig') !== undefined || text(input, 'context') !== undefined;
    if (real !== (input.args.length === 1))
      throw cliErrors.error('UsageError', 'give NAME and FILE, or FILE and --kubeconfig or --context');
    const file = resolve(argument(input, real ? 0 : 1));
    if (real) return snapshotOfReal(ctx, input, environment, file);
    const name = argument(input, 0);
    const ask = await running(ctx, input, environment, name);
    if (flag(input, 'dry-run')) {
      await ask(ctx, 'DELETE /sandboxes/NAME', name, { dryRun: true });
      environment.io.out(`sandbox "${name}" would be written to ${file} (dry run)\n`);
      return 0;
    }
    const written = await ask(ctx, 'POST /sandboxes/NAME/snapshot', name, { path: file });
    environment.io.out(`${written.objects} objects of ${written.kinds} kinds written to ${file}\n`);
    return 0;
  },
};

/** Exit code 0 also when something could not be read: it is said, and the file says it. */
async function snapshotOfReal(
  ctx: Context,
  input: CommandInput,
  environment: CommandEnvironment,
  file: string,
): Promise<number> {
  const { io, env } = environment;
  const context = contextOf(
    await loadKubeconfig(kubeconfigFiles(env, text(input, 'kubeconfig'))),
    text(input, 'context'),
  );
  const client = createClient(await transportFor(ctx, context, { env, pluginStderr: 'inherit' }));
  const taken = await takeSnapshot(ctx, client, { source: context.name });
  if (!flag(input, 'dry-run')) await writeSnapshot(ctx, file, taken);
  for (const { plural, group, reason } of taken.unread)
    io.err(`not in it: ${plural}${group === '' ? '' : `.${group}`}: ${reason}\n`);
  const { objects, kinds } = sizeOf(taken);
  io.out(
    flag(input, 'dry-run')
      ? `${objects} objects of ${kinds} kinds of ${context.name} would be written to ${file} (dry run)\n`
      : `${objects} objects of ${kinds} kinds of ${context.name} written to ${file}\n`,
  );
  return 0;
}

function sizeOf({ resources }: Snapshot): { readonly objects: number; readonly kinds: number } {
  const filled = resources.filter(({ objects }) => objects.length > 0);
  return { objects: filled.reduce((sum, { objects }) => sum + objects.length, 0), kinds: filled.length };
}

export const load: Command = {
  summary: 'Put a snapshot into a sandbox',
  description:
    'Makes the sandbox when there is none of this name. Definitions of custom kinds come first; uids, owner references, status and times stay as they were. Every object that cannot be loaded is named with the reason; exit code 1, unless only kinds are missing that a sandbox does not have. With --replace, what the sandbox had and the snapshot has not is gone. In a sandbox with --nodes the nodes of the snapshot stay alive too: what ran on them stays as it was, and new pods run there.',
  args: [{ name: 'NAME', help: 'name of the sandbox', complete: 'sandboxes' }, fileArgument],
  options: [
    { name: 'replace', kind: 'boolean', help: 'the sandbox holds the snapshot and nothing else afterwards' },
    {
      name: 'silent-nodes',
      kind: 'boolean',
      help: 'no kubelet for the nodes of the snapshot: with --nodes they turn Unknown and their pods are given up',
    },
    nodesOption,
    dryRunOption,
    directoryOption,
  ],
  examples: ['polyanthus sandbox load copy prod.snapshot.gz', 'polyanthus sandbox load play before.gz --replace'],
  complete,
  run: async (ctx, input, environment) => {
    const name = argument(input, 0);
    const path = resolve(argument(input, 1));
    const { io } = environment;
    if (flag(input, 'dry-run')) {
      const read = await readSnapshot(ctx, path);
      const { objects, kinds } = sizeOf(read);
      io.out(`${objects} objects of ${kinds} kinds of ${read.source} would be loaded into ${name} (dry run)\n`);
      return 0;
    }
    const ask = await ensure(ctx, input, environment);
    const made = await createOnce(ctx, ask, name, number(input, 'nodes') ?? 0);
    const how = { replace: flag(input, 'replace'), silentNodes: flag(input, 'silent-nodes') };
    const outcome = await ask(ctx, 'POST /sandboxes/NAME/load', name, { path, ...how });
    say(environment, 'without a part', outcome.changed);
    say(environment, 'not loaded', [...outcome.unserved, ...outcome.refused]);
    io.out(
      `${outcome.loaded} objects loaded into sandbox/${name}, ${outcome.refused.length} refused, ${outcome.unserved.length} of kinds that a sandbox does not have\n`,
    );
    if (made !== undefined)
      io.err(`${inMemory(made.status.pid)} ${name} FILE\n  export KUBECONFIG=${made.status.kubeconfig}\n`);
    return outcome.refused.length === 0 ? 0 : 1;
  },
};

async function createOnce(ctx: Context, ask: Ask, name: string, nodes: number): Promise<SandboxView | undefined> {
  try {
    return await ask(ctx, 'POST /sandboxes', '', { name, nodes });
  } catch (error) {
    if (hasCode(error, 'SandboxExists')) return undefined;
    throw error;
  }
}

function say({ io }: CommandEnvironment, what: string, notes: readonly LoadNote[]): void {
  for (const { object, reason } of notes) io.err(`${what}: ${object}: ${reason}\n`);
}

export const serve: Command = {
  summary: 'Hold sandboxes in the foreground',
  description:
    'What `create` and `load` start in the background when it does not run: one process that holds all sandboxes of the folder in memory and serves them on a loopback port. Ctrl-C ends it, and them.',
  options: [
    { name: 'idle', kind: 'duration', help: 'end after so long without a sandbox; the default is never' },
    directoryOption,
  ],
  run: async (ctx, input, environment) => {
    const directory = directoryOf(input, environment);
    const idleMs = number(input, 'idle');
    try {
      const daemon = await startDaemon(ctx, {
        directory,
        pid: process.pid,
        random: systemRandom,
        ...(idleMs === undefined ? {} : { idleMs }),
      });
      environment.io.out(`Sandboxes are served at ${daemon.address.url}, their kubeconfigs are in ${directory}\n`);
      await daemon.ended;
      return 0;
    } catch (error) {
      // Two commands started one at the same time: the other's serves both.
      if (idleMs !== undefined && hasCode(error, 'FileLocked')) return 0;
      throw error;
    }
  },
};
