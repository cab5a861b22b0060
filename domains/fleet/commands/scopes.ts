/** `polyanthus fleet scopes|namespaces|bindings …`: small commands over one kind each. */
import type { Context } from '@polyanthus/ground-base/context';
import type { Command, CommandEnvironment, CommandInput, OptionSpec } from '@polyanthus/ground-cli-kit/command';
import { argument, text, texts } from '@polyanthus/ground-cli-kit/input';
import { outputOption, render, type Listing } from '@polyanthus/ground-cli-kit/printer';
import {
  fleetGroup,
  fleetNamespaces,
  fleetRoleBindings,
  membershipBindings,
  memberships,
  scopes,
  type FleetRoleBinding,
} from '@polyanthus/kube-kinds/own/fleet';
import { fieldManager } from '@polyanthus/kube-kinds/own/ownership';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import { fleetErrors } from '../src/errors.ts';
import { hubOptions, namesOf, openHub } from './hub-access.ts';
import { bindingListing, namespaceListing, scopeListing } from './listings.ts';

const labelsOption: OptionSpec = {
  name: 'namespace-labels',
  kind: 'string',
  value: 'K=V,…',
  repeat: true,
  help: 'labels for the namespaces in the members',
};
const dryRunOption: OptionSpec = { name: 'dry-run', kind: 'boolean', help: 'let the hub check it without storing it' };

const apiVersion = `${fleetGroup}/v1`;
const completers = { scopes: namesOf(scopes), memberships: namesOf(memberships) };

/** `a=b,c=d` of every occurrence as one map. */
function labelsOf(input: CommandInput): Readonly<Record<string, string>> {
  const pairs = texts(input, 'namespace-labels')
    .flatMap((one) => one.split(','))
    .filter((one) => one !== '');
  return Object.fromEntries(pairs.map((pair) => [pair.split('=', 1)[0] ?? '', pair.slice(pair.indexOf('=') + 1)]));
}

async function create<T extends KubeObject>(
  ctx: Context,
  input: CommandInput,
  environment: CommandEnvironment,
  type: ResourceType<T>,
  make: (fleet: string) => T,
): Promise<number> {
  const hub = await openHub(ctx, input, environment);
  const dryRun = input.options['dry-run'] === true;
  const made = await hub.hubClient.create(ctx, type, make(hub.fleet), { fieldManager, ...(dryRun ? { dryRun } : {}) });
  environment.io.out(
    `${type.kind.toLowerCase()}.${type.group}/${made.metadata.name ?? ''} created${dryRun ? ' (server dry run)' : ''}\n`,
  );
  return 0;
}

async function remove(
  ctx: Context,
  input: CommandInput,
  environment: CommandEnvironment,
  type: ResourceType,
  name: string,
): Promise<number> {
  const hub = await openHub(ctx, input, environment);
  await hub.hubClient.delete(
    ctx,
    type,
    { namespace: hub.fleet, name },
    input.options['dry-run'] === true ? { dryRun: true } : {},
  );
  environment.io.out(`${type.kind.toLowerCase()}.${type.group} "${name}" deleted\n`);
  return 0;
}

function listCommand<T extends KubeObject>(
  summary: string,
  type: ResourceType<T>,
  listing: (nowMs: number) => Listing<T>,
): Command {
  return {
    summary,
    options: [...hubOptions, outputOption],
    run: async (ctx, input, environment) => {
      const hub = await openHub(ctx, input, environment);
      const found = await hub.hubClient.listAll(ctx, type, { namespace: hub.fleet });
      environment.io.out(render(listing(ctx.clock.now()), found.items, text(input, 'output')));
      return 0;
    },
  };
}

function deleteCommand(summary: string, type: ResourceType): Command {
  return {
    summary,
    args: [{ name: 'NAME', help: 'its name', complete: 'names' }],
    options: [...hubOptions, dryRunOption],
    complete: { names: namesOf(type) },
    run: (ctx, input, environment) => remove(ctx, input, environment, type, argument(input, 0)),
  };
}

/** Creates a scope. */
export const createScope: Command = {
  summary: 'Create a scope',
  args: [{ name: 'NAME', help: 'name of the scope' }],
  options: [
    ...hubOptions,
    { name: 'display-name', kind: 'string', help: 'a name for people' },
    labelsOption,
    dryRunOption,
  ],
  run: (ctx, input, environment) =>
    create(ctx, input, environment, scopes, (fleet) => {
      const displayName = text(input, 'display-name');
      return {
        apiVersion,
        kind: 'Scope',
        metadata: { name: argument(input, 0), namespace: fleet },
        spec: { namespaceLabels: labelsOf(input), ...(displayName === undefined ? {} : { displayName }) },
      };
    }),
};

/** Lists scopes. */
export const listScopes: Command = listCommand('List scopes', scopes, scopeListing);

/** Shows one scope. */
export const describeScope: Command = {
  summary: 'Show one scope',
  args: [{ name: 'NAME', help: 'name of the scope', complete: 'scopes' }],
  options: [...hubOptions, outputOption],
  complete: completers,
  run: async (ctx, input, environment) => {
    const hub = await openHub(ctx, input, environment);
    const found = await hub.hubClient.get(ctx, scopes, { namespace: hub.fleet, name: argument(input, 0) });
    environment.io.out(render(scopeListing(ctx.clock.now()), [found], text(input, 'output') ?? 'yaml', true));
    return 0;
  },
};

/** Deletes a scope. */
export const deleteScope: Command = deleteCommand('Delete a scope', scopes);

const memberArgs = [
  { name: 'SCOPE', help: 'name of the scope', complete: 'scopes' },
  { name: 'MEMBERSHIP', help: 'name of the membership', complete: 'memberships' },
];
const bindingName = (input: CommandInput): string => `${argument(input, 1)}-${argument(input, 0)}`;

/** Binds a membership to a scope. */
export const addMember: Command = {
  summary: 'Bind a membership to a scope',
  args: memberArgs,
  options: [...hubOptions, dryRunOption],
  complete: completers,
  run: (ctx, input, environment) =>
    create(ctx, input, environment, membershipBindings, (fleet) => ({
      apiVersion,
      kind: 'MembershipBinding',
      metadata: { name: bindingName(input), namespace: fleet },
      spec: { scope: argument(input, 0), membership: argument(input, 1) },
    })),
};

/** Unbinds a membership from a scope. */
export const removeMember: Command = {
  summary: 'Unbind a membership from a scope',
  args: memberArgs,
  options: [...hubOptions, dryRunOption],
  complete: completers,
  run: (ctx, input, environment) => remove(ctx, input, environment, membershipBindings, bindingName(input)),
};

/** Creates a fleet namespace. */
export const createNamespace: Command = {
  summary: 'Create a fleet namespace',
  args: [{ name: 'NAMESPACE', help: 'its name in the members' }],
  options: [
    ...hubOptions,
    {
      name: 'scope',
      kind: 'string',
      value: 'NAME',
      required: true,
      help: 'the scope that it belongs to',
      complete: 'scopes',
    },
    labelsOption,
    dryRunOption,
  ],
  complete: completers,
  run: (ctx, input, environment) =>
    create(ctx, input, environment, fleetNamespaces, (fleet) => {
      const scope = text(input, 'scope') ?? '';
      return {
        apiVersion,
        kind: 'Namespace',
        metadata: { name: `${scope}.${argument(input, 0)}`, namespace: fleet },
        spec: { scope, namespace: argument(input, 0), namespaceLabels: labelsOf(input) },
      };
    }),
};

/** Lists fleet namespaces. */
export const listNamespaces: Command = listCommand('List fleet namespaces', fleetNamespaces, namespaceListing);

/** Deletes a fleet namespace by its name at the hub (`SCOPE.NAMESPACE`). */
export const deleteNamespace: Command = deleteCommand('Delete a fleet namespace (SCOPE.NAMESPACE)', fleetNamespaces);

/** Gives a user or a group a role. */
export const createBinding: Command = {
  summary: 'Give a user or a group a role',
  description:
    'In all namespaces of a scope, or in the whole of one membership. It also gives the right to the gateway of the memberships that it reaches.',
  args: [{ name: 'NAME', help: 'name of the binding' }],
  options: [
    ...hubOptions,
    { name: 'scope', kind: 'string', value: 'NAME', help: 'where: all namespaces of this scope', complete: 'scopes' },
    {
      name: 'membership',
      kind: 'string',
      value: 'NAME',
      help: 'where: the whole of this membership',
      complete: 'memberships',
    },
    { name: 'user', kind: 'string', value: 'NAME', help: 'who' },
    { name: 'group', kind: 'string', value: 'NAME', help: 'who' },
    { name: 'role', kind: 'string', choices: ['admin', 'edit', 'view'], help: 'what' },
    { name: 'custom-role', kind: 'string', value: 'CLUSTERROLE', help: 'what: a ClusterRole of the members' },
    dryRunOption,
  ],
  complete: completers,
  examples: ['polyanthus fleet bindings create dev --scope=shop --user=ana@example.com --role=edit'],
  run: (ctx, input, environment) =>
    create(ctx, input, environment, fleetRoleBindings, (fleet) => ({
      apiVersion,
      kind: 'RBACRoleBinding',
      metadata: { name: argument(input, 0), namespace: fleet },
      spec: bindingSpec(input),
    })),
};

function bindingSpec(input: CommandInput): FleetRoleBinding['spec'] {
  const one = (first: string, second: string): readonly [string, string] => {
    const given = [first, second].flatMap((name) =>
      text(input, name) === undefined ? [] : [[name, text(input, name) ?? ''] as const],
    );
    const [only] = given;
    if (given.length !== 1 || only === undefined)
      throw fleetErrors.error(
        'InvalidBinding',
        `binding ${argument(input, 0)}: give exactly one of --${first} and --${second}`,
      );
    return only;
  };
  const [where, target] = one('scope', 'membership');
  const [who, principal] = one('user', 'group');
  const [what, role] = one('role', 'custom-role');
  return {
    [where]: target,
    [who]: principal,
    role: what === 'role' ? { predefinedRole: role.toUpperCase() as 'ADMIN' } : { customRole: role },
  };
}

/** Lists role bindings. */
export const listBindings: Command = listCommand('List role bindings', fleetRoleBindings, bindingListing);

/** Takes a role away. */
export const deleteBinding: Command = deleteCommand('Take a role away', fleetRoleBindings);
