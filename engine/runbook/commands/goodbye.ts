/** What Ctrl-C says: what is in the middle, whether it goes on, and how the user goes on. */
import { background, withTimeout, type Context } from '@polyanthus/ground-base/context';
import { runs } from '@polyanthus/kube-kinds/own/runbook';
import { handoverOf } from '../src/handover.ts';
import { readRun } from '../src/report.ts';
import type { RunPlace } from './place.ts';

const goodbyeMs = 5000;

/** After Ctrl-C: what is in the middle, that nothing goes on here, and how it goes on. */
export async function goodbye(ctx: Context, place: RunPlace, name: string): Promise<string> {
  const fresh = background({ log: ctx.log, clock: ctx.clock });
  const key = { namespace: place.namespace, name };
  const open = await withTimeout(fresh, goodbyeMs, 'reading the run', async (inner) =>
    (await readRun(inner, place.runsClient, key)).steps.filter((step) => isOpen(step.status?.state)),
  ).catch(() => []);
  const titles = open
    .slice(0, 5)
    .map(({ spec }) => (spec.target === undefined ? spec.step : `${spec.step}/${spec.target.name}`));
  const middle = open.length === 0 ? 'no step is in the middle' : `in the middle: ${titles.join(', ')}`;
  const hub = await isTheHubs(fresh, place, name).catch(() => false);
  const next = hub
    ? `the hub goes on with it; to hold it: polyanthus runbook pause ${name}${place.again}`
    : `nothing goes on by itself; what was begun on hosts ends there`;
  const lines = [
    `run ${name} is no longer carried out here; ${middle}`,
    next,
    `to go on here: polyanthus runbook resume ${name}${place.again}`,
    `to take it back: polyanthus runbook undo ${name}${place.again}`,
  ];
  return `${lines.join('\n')}\n`;
}

async function isTheHubs(ctx: Context, place: RunPlace, name: string): Promise<boolean> {
  if (!place.hub) return false;
  return withTimeout(ctx, goodbyeMs, 'reading the run', async (inner) => {
    const run = await place.runsClient.get(inner, runs, { namespace: place.namespace, name });
    const handover = await handoverOf(inner, place.runsClient, run);
    return handover !== undefined && (handover.status?.message ?? '') === '';
  });
}

const openStates: readonly (string | undefined)[] = ['Intended', 'Acted', 'UndoIntended', 'UndoActed'];
const isOpen = (state: string | undefined): boolean => openStates.includes(state);
