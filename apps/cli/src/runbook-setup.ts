/** The runbooks of this program, and the two places where a run can live: the hub, or the cluster itself. */
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { CommandEnvironment, CommandInput } from '@polyanthus/ground-cli-kit/command';
import { cliErrors } from '@polyanthus/ground-cli-kit/errors';
import { text } from '@polyanthus/ground-cli-kit/input';
import { hubOptions, namesOf, openHub, openMember } from '@polyanthus/domains-fleet/commands/hub-access';
import { memberships } from '@polyanthus/kube-kinds/own/fleet';
import { quoteWord } from '@polyanthus/ground-ssh/quote';
import { fleetErrors } from '@polyanthus/domains-fleet/errors';
import { gatewayPath } from '@polyanthus/domains-fleet/membership-names';
import { nodeMaintenanceOn } from '@polyanthus/domains-lifecycle/node-maintenance';
import type { RunbookSetup, RunPlace } from '@polyanthus/engine-runbook/commands/place';
import { ensureRunKinds, runsNamespace } from '@polyanthus/engine-runbook/kinds';
import { createClient } from '@polyanthus/kube-client/rest';
import { transportFor } from '@polyanthus/kube-client/transport-of';
import { systemHosts } from './system-hosts.ts';

/** What `polyanthus runbook` and `polyanthus cluster maintain` are made with. */
export const runbookSetup: RunbookSetup = {
  runbooks: [nodeMaintenanceOn(systemHosts)],
  compare: async (run, steps) =>
    (await import('@polyanthus/engine-rehearsal/commands/rehearse')).compareWithKept(run, steps),
  rehearsed: async (spec, file) =>
    (await import('@polyanthus/engine-rehearsal/commands/rehearse')).rehearsedFor(spec, file),
  options: [
    {
      name: 'membership',
      kind: 'string',
      value: 'NAME',
      help: 'the member of the fleet; the run lives in the hub',
      complete: 'memberships',
    },
    {
      name: 'kubeconfig',
      kind: 'string',
      value: 'FILE',
      help: 'kubeconfig of a cluster, without a hub: the run lives in that cluster; with --context alone the default is KUBECONFIG or ~/.kube/config',
    },
    { name: 'context', kind: 'string', value: 'NAME', help: 'context of that cluster; the default is the current one' },
    ...hubOptions,
  ],
  complete: { memberships: namesOf(memberships) },
  open: (ctx, input, environment) =>
    text(input, 'kubeconfig') === undefined && text(input, 'context') === undefined
      ? inHub(ctx, input, environment)
      : inCluster(ctx, input, environment),
};

/** Those that were given and are no default, as a shell wants them typed. */
function optionsOf(input: CommandInput, names: readonly string[]): string {
  const given = names.flatMap((name) => {
    const value = text(input, name);
    const usual = hubOptions.find((one) => one.name === name)?.default;
    return value === undefined || value === usual ? [] : [` --${name}=${quoteWord(value)}`];
  });
  return given.join('');
}

async function inCluster(ctx: Context, input: CommandInput, environment: CommandEnvironment): Promise<RunPlace> {
  if (text(input, 'membership') !== undefined)
    throw cliErrors.error('UsageError', 'give either --membership or --kubeconfig and --context, not both');
  const { memberClient } = await openMember(ctx, input, environment);
  return {
    runsClient: memberClient,
    namespace: runsNamespace,
    membership: undefined,
    again: optionsOf(input, ['kubeconfig', 'context']),
    hub: false,
    clusterClient: () => Promise.resolve(memberClient),
    prepare: (inner) => ensureRunKinds(inner, memberClient, runsNamespace),
  };
}

async function inHub(ctx: Context, input: CommandInput, environment: CommandEnvironment): Promise<RunPlace> {
  const hub = await openHub(ctx, input, environment).catch((error: unknown) => {
    if (!hasCode(error, 'HubNotConfigured')) throw error;
    throw fleetErrors.error('HubNotConfigured', (error as Error).message, {
      next: 'For a cluster without a hub give --kubeconfig or --context; for a hub sign in with `polyanthus login`, or give --hub-kubeconfig.',
    });
  });
  return {
    runsClient: hub.hubClient,
    namespace: hub.fleet,
    membership: text(input, 'membership'),
    again: optionsOf(input, ['hub-kubeconfig', 'hub-context', 'fleet']),
    hub: true,
    clusterClient: async (inner, membership) => {
      if (membership === undefined)
        throw cliErrors.error('UsageError', 'which cluster? give --membership, or --kubeconfig or --context');
      const server = `${hub.url}${gatewayPath(hub.fleet, membership)}`;
      const { context } = hub;
      const cluster = { ...context.cluster, fields: { ...context.cluster.fields, server } };
      const options = { env: environment.env, pluginStderr: 'inherit' } as const;
      return createClient(await transportFor(inner, { ...context, cluster }, options));
    },
    prepare: () => Promise.resolve(),
  };
}
