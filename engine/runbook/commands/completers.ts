/** Candidates for completion, of all commands that work with runs. */
import type { Context } from '@polyanthus/ground-base/context';
import type { Command, CommandEnvironment, CommandInput } from '@polyanthus/ground-cli-kit/command';
import { text } from '@polyanthus/ground-cli-kit/input';
import { nodes } from '@polyanthus/kube-kinds/core';
import { runs, type Run } from '@polyanthus/kube-kinds/own/runbook';
import { approvable } from '../src/questions.ts';
import type { Runbook } from '../src/runbook.ts';
import type { RunbookSetup } from './place.ts';

/** Runs, runbooks, their steps and parameters, nodes of the cluster; and what the program's own options name. */
export function completersOf(setup: RunbookSetup): NonNullable<Command['complete']> {
  const runOf = async (ctx: Context, environment: CommandEnvironment, input: CommandInput): Promise<Run> => {
    const place = await setup.open(ctx, input, environment);
    return place.runsClient.get(ctx, runs, { namespace: place.namespace, name: input.args[0] ?? '' });
  };
  const bookOf = (id: string | undefined): Runbook | undefined => setup.runbooks.find((one) => one.id === id);
  return {
    ...setup.complete,
    runbooks: () => Promise.resolve(setup.runbooks.map((one) => one.id)),
    parameters: (_ctx, _environment, input) =>
      Promise.resolve((bookOf(input.args[0])?.parameters ?? []).map((one) => `${one.name}=`)),
    runs: async (ctx, environment, input) => {
      const place = await setup.open(ctx, input, environment);
      const { items } = await place.runsClient.listAll(ctx, runs, { namespace: place.namespace });
      const membership = text(input, 'membership');
      return items
        .filter((run) => membership === undefined || run.spec.membership === membership)
        .map((run) => run.metadata.name ?? '');
    },
    approvals: async (ctx, environment, input) => {
      const { spec, status } = await runOf(ctx, environment, input);
      const runbook = bookOf(spec.runbook);
      return [
        ...new Set([
          ...(status?.waitingFor ?? []),
          ...(runbook === undefined ? [] : approvable(runbook, spec.parameters)),
        ]),
      ];
    },
    steps: async (ctx, environment, input) => {
      const runbook = bookOf((await runOf(ctx, environment, input)).spec.runbook);
      return (runbook?.stages ?? []).flatMap((stage) => stage.steps.map((one) => one.id));
    },
    nodes: async (ctx, environment, input) => {
      const place = await setup.open(ctx, input, environment);
      const client = await place.clusterClient(ctx, place.membership);
      return (await client.listAll(ctx, nodes)).items.map((node) => node.metadata.name ?? '');
    },
  };
}
