/** `polyanthus fleet register|unregister|list|describe|get-credentials`. */
import { writeFile } from 'node:fs/promises';
import { sleep, withTimeout, type Context } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import type { Command, CommandEnvironment, CommandInput } from '@polyanthus/ground-cli-kit/command';
import { argument, flag, number, requiredText, text } from '@polyanthus/ground-cli-kit/input';
import { outputOption, render } from '@polyanthus/ground-cli-kit/printer';
import { createProgress } from '@polyanthus/ground-cli-kit/progress';
import { dumpYamlDocuments } from '@polyanthus/ground-yaml/dump';
import type { YamlValue } from '@polyanthus/ground-yaml/value';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { kubeconfigFiles } from '@polyanthus/kube-client/kubeconfig';
import { writeKubeconfigContext } from '@polyanthus/kube-client/kubeconfig-write';
import { memberships } from '@polyanthus/kube-kinds/own/fleet';
import { agentManifest } from '../src/agent-manifest.ts';
import { applyObjects } from '../src/apply-objects.ts';
import { fleetErrors } from '../src/errors.ts';
import { contextName, gatewayPath } from '../src/membership-names.ts';
import { register as registerCluster, type AgentMode, type Registered } from '../src/register.ts';
import { unregister as unregisterCluster } from '../src/unregister.ts';
import { caPemOf } from './ca.ts';
import { hubOptions, memberOptions, namesOf, openHub, openMember, type HubAccess } from './hub-access.ts';
import { membershipListing } from './listings.ts';

const completeNames = { names: namesOf(memberships) };

/** Joins a cluster. */
export const register: Command = {
  summary: 'Join a cluster to the fleet',
  description:
    'Looks at the cluster first (administrator? which cluster? whose lock?), then makes the membership and lets an agent in. When the agent of a new membership does not come up, what was made is taken back. Repeating it is an update.',
  args: [{ name: 'NAME', help: 'name of the membership, an RFC 1123 label' }],
  options: [
    ...hubOptions,
    ...memberOptions,
    {
      name: 'agent',
      kind: 'string',
      choices: ['deploy', 'manifest', 'external'],
      default: 'deploy',
      help: 'deploy the agent, write its manifest to apply yourself, or run it outside the cluster',
    },
    {
      name: 'manifest-output-file',
      kind: 'string',
      value: 'FILE',
      help: 'where --agent=manifest writes; the default is standard output',
    },
    {
      name: 'token-output-file',
      kind: 'string',
      value: 'FILE',
      help: 'where --agent=external writes the enrolment token (mode 0600); the default is standard output',
    },
    {
      name: 'image',
      kind: 'string',
      value: 'IMAGE',
      default: 'polyanthus.dev/polyanthus:0.1.0',
      help: "the agent's image",
    },
    {
      name: 'hub-url',
      kind: 'string',
      value: 'URL',
      help: 'how the agent reaches the hub; the default is the server of the hub kubeconfig',
    },
    { name: 'description', kind: 'string', help: 'a text for people' },
    {
      name: 'ceiling',
      kind: 'string',
      choices: ['full', 'readonly'],
      help: 'what may be done through the hub at most; the default is full, or what the membership has already',
    },
    { name: 'adopt', kind: 'boolean', help: "read another product's lock CRD instead of refusing" },
    { name: 'timeout', kind: 'duration', default: '3m', help: 'how long to wait for the agent' },
    outputOption,
  ],
  examples: [
    'polyanthus fleet register edge-1 --context=edge-1',
    'polyanthus fleet register edge-2 --agent=external --token-output-file=edge-2.token',
  ],
  run: async (ctx, input, environment) => {
    const hub = await openHub(ctx, input, environment);
    const { memberClient } = await openMember(ctx, input, environment);
    const agent = requiredText(input, 'agent') as AgentMode;
    const progress = createProgress(environment.io);
    const description = text(input, 'description');
    const ceiling = text(input, 'ceiling');
    const made = await progress.step(ctx, `register ${argument(input, 0)} in fleet ${hub.fleet}`, () =>
      registerCluster(ctx, {
        hubClient: hub.hubClient,
        memberClient,
        fleet: hub.fleet,
        name: argument(input, 0),
        agent,
        adopt: flag(input, 'adopt'),
        random: systemRandom,
        tokenTtlMs: 24 * 3_600_000,
        ...(ceiling === undefined ? {} : { ceiling: ceiling as 'full' | 'readonly' }),
        ...(description === undefined ? {} : { description }),
      }),
    );
    await letAgentIn({ hub, memberClient, agent, made }, ctx, input, environment);
    const current = await hub.hubClient.get(ctx, memberships, { namespace: hub.fleet, name: argument(input, 0) });
    if (agent !== 'manifest' || text(input, 'manifest-output-file') !== undefined)
      environment.io.out(render(membershipListing(ctx.clock.now()), [current], text(input, 'output'), true));
    return 0;
  },
};

interface Joining {
  readonly hub: HubAccess;
  readonly memberClient: KubeClient;
  readonly agent: AgentMode;
  readonly made: Registered;
}

async function letAgentIn(
  joining: Joining,
  ctx: Context,
  input: CommandInput,
  environment: CommandEnvironment,
): Promise<void> {
  const { hub, made } = joining;
  const name = made.membership.metadata.name ?? '';
  if (joining.agent === 'external') {
    await giveToken(hub, made, input, environment);
    return;
  }
  const objects = agentManifest({
    fleet: hub.fleet,
    membership: name,
    membershipUid: made.membership.metadata.uid ?? '',
    version: made.facts.version,
    ceiling: made.membership.spec?.ceiling ?? 'full',
    hubUrl: text(input, 'hub-url') ?? hub.url,
    hubCaPem: await caPemOf(hub.context),
    image: requiredText(input, 'image'),
  });
  if (joining.agent === 'manifest') {
    const yaml = dumpYamlDocuments(objects as unknown as readonly YamlValue[]);
    const file = text(input, 'manifest-output-file');
    if (file === undefined) environment.io.out(yaml);
    else await writeFile(file, yaml);
    environment.io.err(`apply it in the cluster: kubectl apply --server-side -f ${file ?? '-'}\n`);
    return;
  }
  const progress = createProgress(environment.io);
  try {
    await progress.step(ctx, `apply ${objects.length} objects of the agent`, () =>
      applyObjects(ctx, joining.memberClient, objects),
    );
    await progress.step(ctx, 'wait for the agent to connect', () =>
      untilConnected(ctx, hub, name, number(input, 'timeout') ?? 180_000),
    );
  } catch (error) {
    if (made.created) {
      await progress.step(ctx, 'take back what was made', async () => {
        await unregisterCluster(ctx, {
          hubClient: hub.hubClient,
          memberClient: joining.memberClient,
          fleet: hub.fleet,
          name,
        });
        await made.undo(ctx);
      });
    }
    throw error;
  }
}

async function giveToken(
  hub: HubAccess,
  made: Registered,
  input: CommandInput,
  { io }: CommandEnvironment,
): Promise<void> {
  const name = made.membership.metadata.name ?? '';
  const file = text(input, 'token-output-file');
  if (file !== undefined) await writeFile(file, `${made.token ?? ''}\n`, { mode: 0o600 });
  else io.out(`${made.token ?? ''}\n`);
  io.err(
    `next: polyanthus agent run --hub=${text(input, 'hub-url') ?? hub.url} --hub-ca=FILE --fleet=${hub.fleet} --membership=${name} --token-file=${file ?? 'FILE'} --kubeconfig=FILE\n`,
  );
}

async function untilConnected(ctx: Context, hub: HubAccess, name: string, timeoutMs: number): Promise<void> {
  try {
    await withTimeout(ctx, timeoutMs, `waiting for the agent of ${name}`, async (inner) => {
      for (;;) {
        const current = await hub.hubClient.get(inner, memberships, { namespace: hub.fleet, name });
        if (
          current.status?.conditions?.some(
            (condition) => condition.type === 'Connected' && condition.status === 'True',
          ) === true
        )
          return;
        await sleep(inner, 500);
      }
    });
  } catch (cause) {
    if (ctx.signal.aborted) throw cause;
    throw fleetErrors.error(
      'AgentNotConnected',
      `the agent of membership ${hub.fleet}/${name} did not connect within ${Math.round(timeoutMs / 1000)} s`,
      { cause },
    );
  }
}

/** Takes a cluster out of the fleet. */
export const unregister: Command = {
  summary: 'Take a cluster out of the fleet',
  description:
    'Checks that the kubeconfig leads to the cluster of the membership, removes the membership, the agent, its rights and the lock. With --hub-only the cluster is left as it is.',
  args: [{ name: 'NAME', help: 'name of the membership', complete: 'names' }],
  options: [
    ...hubOptions,
    ...memberOptions,
    { name: 'hub-only', kind: 'boolean', help: 'remove the membership only; agent and lock stay in the cluster' },
  ],
  complete: completeNames,
  run: async (ctx, input, environment) => {
    const hub = await openHub(ctx, input, environment);
    const memberClient = flag(input, 'hub-only') ? undefined : (await openMember(ctx, input, environment)).memberClient;
    await createProgress(environment.io).step(ctx, `unregister ${argument(input, 0)}`, () =>
      unregisterCluster(ctx, { hubClient: hub.hubClient, memberClient, fleet: hub.fleet, name: argument(input, 0) }),
    );
    return 0;
  },
};

/** Lists memberships. */
export const list: Command = {
  summary: 'List memberships',
  options: [...hubOptions, outputOption],
  run: async (ctx, input, environment) => {
    const hub = await openHub(ctx, input, environment);
    const found = await hub.hubClient.listAll(ctx, memberships, { namespace: hub.fleet });
    environment.io.out(
      found.items.length === 0 && text(input, 'output') === undefined
        ? `No memberships in fleet ${hub.fleet}.\n`
        : render(membershipListing(ctx.clock.now()), found.items, text(input, 'output')),
    );
    return 0;
  },
};

/** Shows one membership in full. */
export const describe: Command = {
  summary: 'Show one membership',
  args: [{ name: 'NAME', help: 'name of the membership', complete: 'names' }],
  options: [...hubOptions, outputOption],
  complete: completeNames,
  run: async (ctx, input, environment) => {
    const hub = await openHub(ctx, input, environment);
    const found = await hub.hubClient.get(ctx, memberships, { namespace: hub.fleet, name: argument(input, 0) });
    environment.io.out(render(membershipListing(ctx.clock.now()), [found], text(input, 'output') ?? 'yaml', true));
    return 0;
  },
};

/** Writes a kubectl context for a member, through the hub as the hub's user. */
export const getCredentials: Command = {
  summary: 'Write a kubectl context for a member',
  description:
    'The context leads to the member through the hub, as the user of the hub kubeconfig. It becomes the current one unless --no-set-current is given.',
  args: [{ name: 'NAME', help: 'name of the membership', complete: 'names' }],
  options: [
    ...hubOptions,
    {
      name: 'kubeconfig',
      kind: 'string',
      value: 'FILE',
      help: 'the kubeconfig to write; the default is KUBECONFIG or ~/.kube/config',
    },
    { name: 'namespace', short: 'n', kind: 'string', value: 'NAME', help: 'namespace of the context' },
    { name: 'keep-current', kind: 'boolean', help: 'do not make the context the current one' },
  ],
  complete: completeNames,
  run: async (ctx, input, environment) => {
    const hub = await openHub(ctx, input, environment);
    const name = argument(input, 0);
    await hub.hubClient.get(ctx, memberships, { namespace: hub.fleet, name });
    const namespace = text(input, 'namespace');
    const context = contextName(hub.fleet, name, namespace);
    const file = kubeconfigFiles(environment.env, text(input, 'kubeconfig')).files[0] ?? '';
    await writeKubeconfigContext(file, {
      name: context,
      ...(namespace === undefined ? {} : { namespace }),
      cluster: {
        name: context,
        fields: { ...hub.context.cluster.fields, server: `${hub.url}${gatewayPath(hub.fleet, name)}` },
      },
      user: { name: context, fields: hub.context.user.fields },
      setCurrent: !flag(input, 'keep-current'),
    });
    environment.io.err(`wrote context ${context} to ${file}\n`);
    return 0;
  },
};
