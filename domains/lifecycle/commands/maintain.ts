/** `polyanthus cluster maintain NODE…`: the runbook node-maintenance by its own flags. */
import { accessSync, constants } from 'node:fs';
import { resolve } from 'node:path';
import { startRunbook } from '@polyanthus/engine-runbook/commands/carry-out';
import { completersOf } from '@polyanthus/engine-runbook/commands/completers';
import type { RunbookSetup } from '@polyanthus/engine-runbook/commands/place';
import { startOptions } from '@polyanthus/engine-runbook/commands/runbook';
import type { Command, CommandInput, OptionSpec } from '@polyanthus/ground-cli-kit/command';
import { cliErrors } from '@polyanthus/ground-cli-kit/errors';
import { flag, number, text } from '@polyanthus/ground-cli-kit/input';
import { noReboot, rebootsHost } from '../src/host-command.ts';
import { nodeMaintenance } from '../src/node-maintenance.ts';

const hostOptions: readonly OptionSpec[] = [
  { name: 'run', kind: 'string', value: 'COMMAND', help: 'run this for sh, as root, on the host of each drained node' },
  { name: 'run-timeout', kind: 'duration', default: '1h', help: 'how long the command may take' },
  { name: 'reboot', kind: 'boolean', help: 'reboot the host of each drained node, after --run where that is given' },
  {
    name: 'reboot-timeout',
    kind: 'duration',
    default: '30m',
    help: 'how long it may take from the order to reboot until the node is ready',
  },
  { name: 'ssh-user', kind: 'string', value: 'USER', default: 'root', help: 'who logs in on the hosts' },
  { name: 'ssh-key', kind: 'string', value: 'FILE', help: 'private key; the default is what ssh finds' },
  { name: 'known-hosts', kind: 'string', value: 'FILE', help: 'keys of the hosts; needed with --run and --reboot' },
  {
    name: 'ssh-secret',
    kind: 'string',
    value: 'SECRET',
    help: 'for a run that the hub carries out: a Secret of the fleet with ssh-privatekey and known_hosts, in place of the files',
  },
];

/** Paths are made absolute: a run is carried on from other folders. */
function hostParametersOf(input: CommandInput): Readonly<Record<string, unknown>> {
  const [run, knownHosts, key] = [text(input, 'run'), text(input, 'known-hosts'), text(input, 'ssh-key')];
  const secret = text(input, 'ssh-secret');
  const reboot = flag(input, 'reboot');
  if (run === undefined && !reboot) return refuseUnused(input);
  if (run !== undefined && rebootsHost(run)) throw cliErrors.error('UsageError', noReboot);
  if (knownHosts === undefined && !(secret !== undefined && flag(input, 'detach')))
    throw cliErrors.error(
      'UsageError',
      'with --run or --reboot give --known-hosts: the keys of hosts are pinned, never learnt (or --detach with --ssh-secret, for the hub)',
    );
  return {
    ...(run === undefined ? {} : { run }),
    reboot,
    rebootTimeout: number(input, 'reboot-timeout'),
    runTimeout: number(input, 'run-timeout'),
    sshUser: text(input, 'ssh-user'),
    ...(knownHosts === undefined ? {} : { knownHosts: readable('known-hosts', knownHosts) }),
    ...(secret === undefined ? {} : { sshSecret: secret }),
    ...(key === undefined ? {} : { sshKey: readable('ssh-key', key) }),
  };
}

/** Options that say how to reach hosts, without anything to do there, are more likely a mistake than a wish. */
function refuseUnused(input: CommandInput): Readonly<Record<string, unknown>> {
  const unused = ['ssh-key', 'known-hosts', 'ssh-secret'].find((name) => text(input, name) !== undefined);
  if (unused === undefined) return {};
  throw cliErrors.error(
    'UsageError',
    `--${unused} is of use with --run or --reboot only: without them no host is reached`,
  );
}

/** A file that is not there is better found out now than at the first node. */
function readable(option: string, file: string): string {
  const path = resolve(file);
  try {
    accessSync(path, constants.R_OK);
    return path;
  } catch (error) {
    throw cliErrors.error('UsageError', `--${option}: ${path} cannot be read: ${(error as Error).message}`, {
      cause: error,
      next: 'Name a file that is there and that you may read.',
    });
  }
}

/** The command, for a program's way to its clusters. */
export function maintainCommand(setup: RunbookSetup): Command {
  return {
    summary: 'Empty nodes for maintenance and take them back',
    description:
      'Cordons and drains the nodes within their disruption budgets, a window of them at once. With --run a command is carried out on the host of each node once it is empty, as a systemd unit that a later executor finds again: it runs once, and its exit code 0 is the proof. With --reboot the host is rebooted, once, after the command if there is one; another boot id and the ready node are the proof. With --detach the run for a member is handed over to the hub, which reaches the hosts from where it runs; the key and the keys of the hosts then go into a Secret of the fleet that belongs to the run (or give --ssh-secret). With --approve it waits for `polyanthus runbook approve` before a node is taken back. Then the cordon is put back as it was found, and the node must be ready and the pods back. `polyanthus runbook undo` puts every node back as it was found.',
    args: [{ name: 'NODE', help: 'names of the nodes', variadic: true, complete: 'nodes' }],
    complete: completersOf(setup),
    options: [
      ...setup.options,
      { name: 'window', kind: 'integer', value: 'N', default: '1', help: 'nodes at once' },
      { name: 'approve', kind: 'boolean', help: 'wait for an approval before a node is taken back' },
      { name: 'force', kind: 'boolean', help: 'evict pods that no controller brings back' },
      { name: 'delete-emptydir-data', kind: 'boolean', help: 'evict pods that lose local data by it' },
      { name: 'drain-timeout', kind: 'duration', default: '1h', help: 'how long budgets may keep a node' },
      {
        name: 'force-after',
        kind: 'duration',
        help: 'after how long pods are deleted against their budgets; the default is never',
      },
      {
        name: 'ask-after',
        kind: 'duration',
        help: 'after how long of being blocked to ask whether pods may be deleted against their budgets; the default is never',
      },
      ...hostOptions,
      ...startOptions,
    ],
    examples: [
      'polyanthus cluster maintain worker-1 worker-2 --window=2 --membership=edge-1',
      'polyanthus cluster maintain worker-1 --approve --kubeconfig=edge.kubeconfig',
      "polyanthus cluster maintain worker-1 --run='apt-get -y upgrade' --ssh-key=id_ed25519 --known-hosts=known_hosts",
      "polyanthus cluster maintain worker-1 --run='apt-get -y upgrade' --reboot --known-hosts=known_hosts",
      "polyanthus cluster maintain worker-1 --membership=edge-1 --run='apt-get -y upgrade' --ssh-secret=edge-hosts --detach",
    ],
    run: (ctx, input, environment) => {
      const parameters = {
        nodes: input.args,
        window: number(input, 'window'),
        approve: flag(input, 'approve'),
        force: flag(input, 'force'),
        deleteEmptyDirData: flag(input, 'delete-emptydir-data'),
        drainTimeout: number(input, 'drain-timeout'),
        forceAfter: number(input, 'force-after'),
        askAfter: number(input, 'ask-after'),
        ...hostParametersOf(input),
      };
      return startRunbook(ctx, setup, nodeMaintenance, parameters, input, environment);
    },
  };
}
