/** The command tree: every leaf is loaded when it runs. */
import type { Command, CommandGroup } from '@polyanthus/ground-cli-kit/command';

const fleetCommands = () => import('@polyanthus/domains-fleet/commands/fleet');
const scopeCommands = () => import('@polyanthus/domains-fleet/commands/scopes');

const sandboxCommands = () => import('@polyanthus/engine-sandbox/commands/sandbox');

const runbookSetup = async () => (await import('./runbook-setup.ts')).runbookSetup;

/** A command of `polyanthus runbook`, as the program's setup makes it. */
async function runbookCommand(name: string): Promise<Command> {
  const { runbookCommands } = await import('@polyanthus/engine-runbook/commands/runbook');
  const command = runbookCommands(await runbookSetup())[name];
  if (command === undefined) throw new Error(`runbook has no command ${name}`);
  return command;
}

/** `polyanthus …`. */
export const commandTree: CommandGroup = {
  summary: 'One hub for many Kubernetes clusters.',
  commands: {
    up: {
      summary: 'Start a hub on this machine',
      load: async () => (await import('@polyanthus/apps-hub/commands/up')).up,
    },
    demo: {
      summary: 'Start a hub with three simulated clusters joined to it',
      load: async () => (await import('@polyanthus/apps-hub/commands/demo')).demo,
    },
    hub: {
      summary: 'A hub on a Kubernetes cluster, and copies of any hub',
      commands: {
        run: {
          summary: 'Run a replica of the hub',
          load: async () => (await import('@polyanthus/apps-hub/commands/hub')).run,
        },
        manifests: {
          summary: 'Print the objects of a hub on a Kubernetes cluster',
          load: async () => (await import('@polyanthus/apps-hub/commands/hub')).manifests,
        },
        backup: {
          summary: 'Write the objects and the keys of a hub into one file',
          load: async () => (await import('@polyanthus/apps-hub/commands/backup')).backup,
        },
        restore: {
          summary: 'Make a data directory of a backup',
          load: async () => (await import('@polyanthus/apps-hub/commands/backup')).restore,
        },
      },
    },
    login: {
      summary: 'Remember a hub and how to sign in to it',
      load: async () => (await import('@polyanthus/domains-fleet/commands/login')).login,
    },
    fleet: {
      summary: 'Clusters of the fleet',
      commands: {
        register: { summary: 'Join a cluster to the fleet', load: async () => (await fleetCommands()).register },
        unregister: {
          summary: 'Take a cluster out of the fleet',
          load: async () => (await fleetCommands()).unregister,
        },
        list: { summary: 'List memberships', load: async () => (await fleetCommands()).list },
        describe: { summary: 'Show one membership', load: async () => (await fleetCommands()).describe },
        'get-credentials': {
          summary: 'Write a kubectl context for a member',
          load: async () => (await fleetCommands()).getCredentials,
        },
        'generate-gateway-rbac': {
          summary: 'Print or apply the RBAC that lets users work in a member',
          load: async () => (await import('@polyanthus/domains-fleet/commands/gateway-rbac')).generateGatewayRbac,
        },
        scopes: {
          summary: 'Teams: which members and namespaces belong together',
          commands: {
            create: { summary: 'Create a scope', load: async () => (await scopeCommands()).createScope },
            list: { summary: 'List scopes', load: async () => (await scopeCommands()).listScopes },
            describe: { summary: 'Show one scope', load: async () => (await scopeCommands()).describeScope },
            delete: { summary: 'Delete a scope', load: async () => (await scopeCommands()).deleteScope },
            'add-member': {
              summary: 'Bind a membership to a scope',
              load: async () => (await scopeCommands()).addMember,
            },
            'remove-member': {
              summary: 'Unbind a membership from a scope',
              load: async () => (await scopeCommands()).removeMember,
            },
          },
        },
        namespaces: {
          summary: 'Namespaces that exist in every member of a scope',
          commands: {
            create: { summary: 'Create a fleet namespace', load: async () => (await scopeCommands()).createNamespace },
            list: { summary: 'List fleet namespaces', load: async () => (await scopeCommands()).listNamespaces },
            delete: { summary: 'Delete a fleet namespace', load: async () => (await scopeCommands()).deleteNamespace },
          },
        },
        bindings: {
          summary: 'Roles of users and groups in members',
          commands: {
            create: {
              summary: 'Give a user or a group a role',
              load: async () => (await scopeCommands()).createBinding,
            },
            list: { summary: 'List role bindings', load: async () => (await scopeCommands()).listBindings },
            delete: { summary: 'Take a role away', load: async () => (await scopeCommands()).deleteBinding },
          },
        },
      },
    },
    cluster: {
      summary: 'Clusters over their life',
      commands: {
        maintain: {
          summary: 'Empty nodes for maintenance and take them back',
          load: async () =>
            (await import('@polyanthus/domains-lifecycle/commands/maintain')).maintainCommand(await runbookSetup()),
        },
      },
    },
    runbook: {
      summary: 'Long work that says what it will do, proves each step and can go back',
      commands: {
        list: { summary: 'List runs, or the runbooks of this program', load: () => runbookCommand('list') },
        explain: {
          summary: 'Print the whole plan and what each step touches',
          load: () => runbookCommand('explain'),
        },
        rehearse: {
          summary: 'Find out what a run would do, without doing it',
          load: async () =>
            (await import('@polyanthus/engine-rehearsal/commands/rehearse')).rehearseCommand(await runbookSetup()),
        },
        start: { summary: 'Start a runbook and carry it out here', load: () => runbookCommand('start') },
        watch: { summary: 'Follow a run until it stops', load: () => runbookCommand('watch') },
        pause: { summary: 'Begin nothing new in a run', load: () => runbookCommand('pause') },
        resume: { summary: 'Have a run go on, here', load: () => runbookCommand('resume') },
        approve: {
          summary: 'Let a run go beyond a step that waits for it',
          load: () => runbookCommand('approve'),
        },
        abort: { summary: 'Stop a run for good; what was done stays', load: () => runbookCommand('abort') },
        undo: { summary: 'Take a run back', load: () => runbookCommand('undo') },
        report: {
          summary: 'Write what a run did, with evidence and times',
          load: () => runbookCommand('report'),
        },
      },
    },
    sandbox: {
      summary: 'Clusters in memory, to try things on and throw away',
      commands: {
        create: { summary: 'Make a cluster in memory', load: async () => (await sandboxCommands()).create },
        list: { summary: 'List sandboxes', load: async () => (await sandboxCommands()).list },
        delete: { summary: 'Throw sandboxes away', load: async () => (await sandboxCommands()).remove },
        snapshot: {
          summary: 'Write what a sandbox or a real cluster holds into a file',
          load: async () => (await sandboxCommands()).snapshot,
        },
        load: { summary: 'Put a snapshot into a sandbox', load: async () => (await sandboxCommands()).load },
        serve: { summary: 'Hold sandboxes in the foreground', load: async () => (await sandboxCommands()).serve },
      },
    },
    agent: {
      summary: 'The agent of a member',
      commands: {
        run: { summary: 'Run the agent', load: async () => (await import('@polyanthus/apps-agent/commands/run')).run },
      },
    },
  },
};
