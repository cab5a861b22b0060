/**
 * `polyanthus fleet generate-gateway-rbac`: the RBAC of a member that lets users work there through the hub, with the
 * flags of the field (facts/fleet.md 1.2). The agent's own right to impersonate comes with the agent.
 */
import type { Command, CommandInput } from '@polyanthus/ground-cli-kit/command';
import { memberName } from '@polyanthus/engine-gateway/member-name';
import { cliErrors } from '@polyanthus/ground-cli-kit/errors';
import { flag, requiredText, text } from '@polyanthus/ground-cli-kit/input';
import { dumpYamlDocuments } from '@polyanthus/ground-yaml/dump';
import type { YamlValue } from '@polyanthus/ground-yaml/value';
import { clusterRoleBindings, roleBindings, type RoleBinding } from '@polyanthus/kube-kinds/core';
import { ownedLabel } from '@polyanthus/kube-kinds/own/ownership';
import { applyObjects } from '../src/apply-objects.ts';
import { ignoreGone } from '../src/register.ts';
import { memberOptions, openMember } from './hub-access.ts';

const rbac = 'rbac.authorization.k8s.io';

/** Prints, applies or revokes. */
export const generateGatewayRbac: Command = {
  summary: 'Print or apply the RBAC that lets users work in a member',
  description:
    'A ClusterRoleBinding for --role=clusterrole/NAME, a RoleBinding for --role=role/NAMESPACE/NAME, for the users and groups named. A fleet binding (`polyanthus fleet bindings`) does the same for whole scopes and keeps it so.',
  options: [
    {
      name: 'membership',
      kind: 'string',
      value: 'NAME',
      required: true,
      help: 'the membership; it becomes a part of the names',
    },
    { name: 'role', kind: 'string', value: 'ROLE', required: true, help: 'clusterrole/NAME or role/NAMESPACE/NAME' },
    { name: 'users', kind: 'string', value: 'A,B', help: 'users, separated by commas' },
    { name: 'groups', kind: 'string', value: 'A,B', help: 'groups, separated by commas' },
    ...memberOptions,
    { name: 'apply', kind: 'boolean', help: 'apply it to the cluster of --context' },
    { name: 'revoke', kind: 'boolean', help: 'remove it from the cluster of --context' },
  ],
  examples: [
    'polyanthus fleet generate-gateway-rbac --membership=edge-1 --role=clusterrole/view --users=ana@example.com --apply --context=edge-1',
  ],
  run: async (ctx, input, environment) => {
    const objects = bindingsFor(input);
    if (flag(input, 'apply') && flag(input, 'revoke'))
      throw cliErrors.error('UsageError', 'generate-gateway-rbac: give one of --apply and --revoke');
    if (!flag(input, 'apply') && !flag(input, 'revoke')) {
      environment.io.out(dumpYamlDocuments(objects as unknown as readonly YamlValue[]));
      return 0;
    }
    const { memberClient } = await openMember(ctx, input, environment);
    if (flag(input, 'apply')) await applyObjects(ctx, memberClient, objects);
    else
      for (const one of objects)
        await ignoreGone(
          memberClient.delete(ctx, one.metadata.namespace === undefined ? clusterRoleBindings : roleBindings, {
            namespace: one.metadata.namespace,
            name: one.metadata.name ?? '',
          }),
        );
    for (const one of objects)
      environment.io.out(
        `${one.kind.toLowerCase()}/${one.metadata.name ?? ''} ${flag(input, 'apply') ? 'applied' : 'deleted'}\n`,
      );
    return 0;
  },
};

function bindingsFor(input: CommandInput): readonly RoleBinding[] {
  const split = (name: string): readonly string[] => (text(input, name) ?? '').split(',').filter((one) => one !== '');
  const subjects = [
    ...split('users').map((name) => ({ kind: 'User' as const, name: memberName(name) })),
    ...split('groups').map((name) => ({ kind: 'Group' as const, name: memberName(name) })),
  ];
  if (subjects.length === 0) throw cliErrors.error('UsageError', 'generate-gateway-rbac: give --users or --groups');
  const role = requiredText(input, 'role').split('/');
  const [kind, first = '', second = ''] = role;
  const clusterWide = kind === 'clusterrole' && role.length === 2 && first !== '';
  if (!clusterWide && !(kind === 'role' && role.length === 3 && second !== ''))
    throw cliErrors.error(
      'UsageError',
      `generate-gateway-rbac: --role ${JSON.stringify(requiredText(input, 'role'))} is neither clusterrole/NAME nor role/NAMESPACE/NAME`,
    );
  return subjects.map((subject) => ({
    apiVersion: `${rbac}/v1`,
    kind: clusterWide ? 'ClusterRoleBinding' : 'RoleBinding',
    metadata: {
      name: `gateway:${requiredText(input, 'membership')}:${subject.name}:${clusterWide ? first : second}`,
      ...(clusterWide ? {} : { namespace: first }),
      labels: { [ownedLabel]: 'true', 'polyanthus.dev/owner-feature': 'gateway' },
    },
    roleRef: { apiGroup: rbac, kind: clusterWide ? 'ClusterRole' : 'Role', name: clusterWide ? first : second },
    subjects: [{ ...subject, apiGroup: rbac }],
  }));
}
