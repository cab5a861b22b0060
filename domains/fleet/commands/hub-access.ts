/** The options and the way by which every fleet command reaches the hub and, where it needs one, a member. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from '@polyanthus/ground-base/context';
import type { CommandEnvironment, CommandInput, OptionSpec } from '@polyanthus/ground-cli-kit/command';
import { text } from '@polyanthus/ground-cli-kit/input';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { contextOf, kubeconfigFiles, loadKubeconfig, type KubeContext } from '@polyanthus/kube-client/kubeconfig';
import { discardBody } from '@polyanthus/ground-http/guard';
import type { Transport } from '@polyanthus/ground-http/message';
import { createClient } from '@polyanthus/kube-client/rest';
import { transportFor } from '@polyanthus/kube-client/transport-of';
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import { fleetErrors } from '../src/errors.ts';
import { withoutGatewayPath } from '../src/membership-names.ts';

/** Options of every command that talks to the hub. */
export const hubOptions: readonly OptionSpec[] = [
  {
    name: 'hub-kubeconfig',
    kind: 'string',
    value: 'FILE',
    env: 'POLYANTHUS_KUBECONFIG',
    help: 'kubeconfig of the hub; the default is what `polyanthus login` wrote',
  },
  { name: 'hub-context', kind: 'string', value: 'NAME', help: 'context in it; the default is its current one' },
  {
    name: 'fleet',
    kind: 'string',
    value: 'NAME',
    default: 'default',
    env: 'POLYANTHUS_FLEET',
    help: 'the fleet, a namespace of the hub',
  },
];

/** Options of commands that also talk to a cluster directly. */
export const memberOptions: readonly OptionSpec[] = [
  {
    name: 'kubeconfig',
    kind: 'string',
    value: 'FILE',
    help: 'kubeconfig of the cluster; the default is KUBECONFIG or ~/.kube/config',
  },
  { name: 'context', kind: 'string', value: 'NAME', help: 'context of the cluster; the default is the current one' },
];

/** Where `login` writes and every command reads. */
export function defaultHubKubeconfig(env: Readonly<Record<string, string | undefined>>): string {
  return join(env['XDG_CONFIG_HOME'] ?? join(env['HOME'] ?? '/', '.config'), 'polyanthus', 'kubeconfig');
}

/** The hub as the user of its kubeconfig. */
export interface HubAccess {
  readonly hubClient: KubeClient;
  readonly fleet: string;
  readonly context: KubeContext;
  /** Without a trailing slash. */
  readonly url: string;
}

/** Opens the hub. Errors: HubNotConfigured, those of kube/client for kubeconfigs. */
export async function openHub(ctx: Context, input: CommandInput, environment: CommandEnvironment): Promise<HubAccess> {
  const file = hubKubeconfig(input, environment);
  const config = await loadKubeconfig({ files: [file], explicit: true });
  const context = hubOf(contextOf(config, text(input, 'hub-context')));
  return {
    hubClient: await clientFor(ctx, context, environment),
    fleet: text(input, 'fleet') ?? 'default',
    context,
    url: (context.cluster.fields.server ?? '').replace(/\/+$/, ''),
  };
}

/** A context of a member leads through its hub, as the same user: good for the hub itself, too. */
function hubOf(context: KubeContext): KubeContext {
  const server = withoutGatewayPath(context.cluster.fields.server ?? '');
  return { ...context, cluster: { ...context.cluster, fields: { ...context.cluster.fields, server } } };
}

/** The file that was named, or the one that `login` wrote. Completion reads it, too, where no option has been parsed. */
function hubKubeconfig(input: CommandInput, { env }: CommandEnvironment): string {
  const named = text(input, 'hub-kubeconfig') ?? env['POLYANTHUS_KUBECONFIG'];
  if (named !== undefined && named !== '') return named;
  const file = defaultHubKubeconfig(env);
  if (!existsSync(file)) throw fleetErrors.error('HubNotConfigured', `no hub is configured: there is no ${file}`);
  return file;
}

/** Opens the cluster that --kubeconfig and --context name. */
export async function openMember(
  ctx: Context,
  input: CommandInput,
  environment: CommandEnvironment,
): Promise<{ readonly memberClient: KubeClient; readonly context: KubeContext }> {
  const config = await loadKubeconfig(kubeconfigFiles(environment.env, text(input, 'kubeconfig')));
  const context = contextOf(config, text(input, 'context'));
  return { memberClient: await clientFor(ctx, context, environment), context };
}

async function clientFor(ctx: Context, context: KubeContext, { env, io }: CommandEnvironment): Promise<KubeClient> {
  const transport = await transportFor(ctx, context, { env, pluginStderr: 'inherit' });
  // A hub that says 503 means it: an answer now is worth more than one in a minute.
  return createClient(refusedByName(transport, context), {
    onWarning: (warning) => io.err(`Warning: ${warning}\n`),
    retryAfter: { attempts: 1, waitMaxMs: 0 },
  });
}

/** A 401 says neither who asked nor whom: here it does. */
function refusedByName(transport: Transport, { name, cluster, user }: KubeContext): Transport {
  return {
    ...transport,
    request: async (ctx, request) => {
      const response = await transport.request(ctx, request);
      if (response.status !== 401) return response;
      discardBody(response.body);
      const server = cluster.fields.server ?? '';
      throw fleetErrors.error(
        'CredentialsRefused',
        `${server} does not accept user ${user.name} of context ${name}: 401 Unauthorized`,
      );
    },
  };
}

/** Names of a kind's objects in the fleet, for completion. */
export function namesOf(
  type: ResourceType,
): (ctx: Context, environment: CommandEnvironment, input: CommandInput) => Promise<string[]> {
  return async (ctx, environment, input) => {
    const hub = await openHub(ctx, input, environment);
    const found = await hub.hubClient.list(ctx, type, { namespace: hub.fleet });
    return found.items.map((one) => one.metadata.name ?? '');
  };
}
