/** `polyanthus runbook list`. */
import type { Context } from '@polyanthus/ground-base/context';
import type { Command } from '@polyanthus/ground-cli-kit/command';
import { humanDuration } from '@polyanthus/ground-cli-kit/duration';
import { flag, text } from '@polyanthus/ground-cli-kit/input';
import { outputOption, render, type Listing } from '@polyanthus/ground-cli-kit/printer';
import { runs, type Run } from '@polyanthus/kube-kinds/own/runbook';
import { isStatus, type StatusError } from '@polyanthus/kube-objects/status';
import type { Runbook } from '../src/runbook.ts';
import type { RunbookSetup, RunPlace } from './place.ts';

const runListing = (nowMs: number): Listing<Run> => ({
  name: (run) => `run.${runs.group}/${run.metadata.name ?? ''}`,
  columns: [
    { heading: 'NAME', cell: (run) => run.metadata.name ?? '' },
    { heading: 'RUNBOOK', cell: (run) => run.spec.runbook },
    { heading: 'CLUSTER', cell: (run) => run.spec.membership ?? '' },
    { heading: 'PHASE', cell: (run) => run.status?.phase ?? 'Pending' },
    { heading: 'PROVEN', cell: (run) => `${run.status?.steps?.proven ?? 0}/${run.status?.steps?.total ?? 0}` },
    { heading: 'AGE', cell: (run) => humanDuration(nowMs - Date.parse(run.metadata.creationTimestamp ?? '')) },
    {
      heading: 'TARGETS',
      cell: (run) => shortened(run.spec.targets.map((target) => target.name).join(',')),
      wide: true,
    },
    { heading: 'WAITING FOR', cell: (run) => shortened((run.status?.waitingFor ?? []).join(',')), wide: true },
    { heading: 'MESSAGE', cell: (run) => shortened(run.status?.message ?? ''), wide: true },
  ],
});

const cellMax = 120;
const shortened = (cell: string): string =>
  cell.length > cellMax ? `${cell.slice(0, cellMax - 1).replaceAll('\n', ' ')}…` : cell.replaceAll('\n', ' ');

type RunbookRow = Pick<Runbook, 'id' | 'version' | 'title'>;
const runbookListing: Listing<RunbookRow> = {
  name: ({ id }) => `runbook/${id}`,
  columns: [
    { heading: 'NAME', cell: ({ id }) => id },
    { heading: 'VERSION', cell: ({ version }) => version },
    { heading: 'TITLE', cell: ({ title }) => title },
  ],
};

/** The command. */
export function listCommand(setup: RunbookSetup): Command {
  return {
    summary: 'List runs, or the runbooks of this program',
    description:
      'With --membership: the runs on that member alone. -o wide shows targets, what is waited for, and why a run stopped.',
    options: [
      ...setup.options,
      { name: 'runbooks', kind: 'boolean', help: 'the runbooks that this program can carry out' },
      outputOption,
    ],
    run: async (ctx, input, { io, ...environment }) => {
      const format = text(input, 'output');
      if (flag(input, 'runbooks')) {
        const rows = setup.runbooks.map(({ id, version, title }) => ({ id, version, title }));
        io.out(render(runbookListing, rows, format));
        return 0;
      }
      const place = await setup.open(ctx, input, { io, ...environment });
      const items = await runsOf(ctx, place);
      if (items.length === 0 && (format === undefined || format === 'wide'))
        io.err(`No runs${place.membership === undefined ? '' : ` on ${place.membership}`} in ${place.namespace}.\n`);
      else io.out(render(runListing(ctx.clock.now()), items, format));
      return 0;
    },
  };
}

/** A cluster in which no run was ever started does not know the kind: it has none. */
async function runsOf(ctx: Context, place: RunPlace): Promise<readonly Run[]> {
  try {
    const { items } = await place.runsClient.listAll(ctx, runs, { namespace: place.namespace });
    return items.filter((run) => place.membership === undefined || run.spec.membership === place.membership);
  } catch (error) {
    if (!place.hub && isStatus(error, 'NotFound') && (error as StatusError).status.details?.name === undefined)
      return [];
    throw error;
  }
}
