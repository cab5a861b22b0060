/** `polyanthus cluster maintain NODE…`: the runbook node-maintenance by its own flags. */
import { startRunbook } from '@polyanthus/engine-runbook/commands/carry-out';
import type { RunbookSetup } from '@polyanthus/engine-runbook/commands/place';
import { startOptions } from '@polyanthus/engine-runbook/commands/runbook';
import type { Command } from '@polyanthus/ground-cli-kit/command';
import { flag, number } from '@polyanthus/ground-cli-kit/input';
import { nodeMaintenance } from '../src/node-maintenance.ts';

/** The command, for a program's way to its clusters. */
export function maintainCommand(setup: RunbookSetup): Command {
  return {
    summary: 'Empty nodes for maintenance and take them back',
    description:
      'Cordons and drains the nodes within their disruption budgets, a window of them at once; with --approve it waits for `polyanthus runbook approve` before a node is taken back. Then the cordon is put back as it was found, and the node must be ready and the pods back. `polyanthus runbook undo` puts every node back as it was found.',
    args: [{ name: 'NODE', help: 'names of the nodes', variadic: true }],
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
      ...startOptions,
    ],
    examples: [
      'polyanthus cluster maintain worker-1 worker-2 --window=2 --membership=edge-1',
      'polyanthus cluster maintain worker-1 --approve --kubeconfig=edge.kubeconfig',
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
      };
      return startRunbook(ctx, setup, nodeMaintenance, parameters, input, environment);
    },
  };
}
