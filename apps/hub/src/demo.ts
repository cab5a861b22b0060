/** Three simulated clusters joined to a hub by real agents: each a process of its own that dials out. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { sleep, withTimeout, type Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { systemRandom } from '@polyanthus/ground-base/random';
import { makeDirectory, writeDurably } from '@polyanthus/ground-files/durable';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { contextName, gatewayPath } from '@polyanthus/domains-fleet/membership-names';
import { register } from '@polyanthus/domains-fleet/register';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { writeKubeconfigContext } from '@polyanthus/kube-client/kubeconfig-write';
import { createClient } from '@polyanthus/kube-client/rest';
import { nodes, type Deployment, deployments } from '@polyanthus/kube-kinds/core';
import { fleetGroup, fleetRoleBindings, memberships, type FleetRoleBinding } from '@polyanthus/kube-kinds/own/fleet';
import { isReady } from '@polyanthus/kube-kinds/ready';
import { isStatus } from '@polyanthus/kube-objects/status';
import type { RunningHub } from './hub.ts';
import type { ServedCluster } from './worker-messages.ts';

/** The demo's clusters. Port 0 takes a free one. */
export const demoClusters: readonly ServedCluster[] = [
  {
    name: 'paris',
    port: 0,
    nodes: [
      { name: 'paris-1', zone: 'paris-a' },
      { name: 'paris-2', zone: 'paris-b' },
      { name: 'paris-3', zone: 'paris-c' },
    ],
  },
  {
    name: 'osaka',
    port: 0,
    nodes: [
      { name: 'osaka-1', zone: 'osaka-a' },
      { name: 'osaka-2', zone: 'osaka-b' },
    ],
  },
  { name: 'edge', port: 0, nodes: [{ name: 'edge-1', zone: 'edge' }] },
];

/** A child that runs an agent. */
export interface DemoAgent {
  readonly name: string;
  stop(): Promise<void>;
}

/** A client of one logical cluster's own port, as its administrator. */
function memberClient(hub: RunningHub, name: string): KubeClient {
  const ca = hub.identity.clusters[name]?.caCertificatePem ?? '';
  const headers = { authorization: `Bearer ${hub.identity.adminToken}` };
  return createClient(
    createTransport({
      baseUrl: `https://127.0.0.1:${hub.ports[name] ?? 0}`,
      tls: { ca },
      headers: () => Promise.resolve(headers),
    }),
  );
}

/** A client of the hub, or of a member through its gateway, as the bootstrap administrator. */
export function adminClient(hub: RunningHub, path = ''): KubeClient {
  const headers = { authorization: `Bearer ${hub.identity.adminToken}` };
  return createClient(
    createTransport({
      baseUrl: `${hub.url}${path}`,
      tls: { ca: hub.identity.clusters['hub']?.caCertificatePem ?? '' },
      headers: () => Promise.resolve(headers),
    }),
  );
}

/** Registers the cluster (once), gives it a workload, and starts its agent. */
export async function joinDemoCluster(ctx: Context, hub: RunningHub, name: string): Promise<DemoAgent> {
  const client = memberClient(hub, name);
  const stateDir = join(hub.directory.root, 'agents', name);
  await makeDirectory(stateDir);
  const tokenFile = join(stateDir, 'token');
  const enrolled = existsSync(join(stateDir, 'identity.json'));
  const made = await register(ctx, {
    hubClient: adminClient(hub),
    memberClient: client,
    fleet: 'default',
    name,
    agent: 'external',
    adopt: false,
    random: systemRandom,
    tokenTtlMs: 600_000,
    description: 'simulated',
  });
  if (!enrolled) await writeDurably(tokenFile, `${made.token ?? ''}\n`);
  await giveAdministrator(ctx, hub, name);
  await giveWorkload(ctx, client);
  const kubeconfig = join(stateDir, 'member.kubeconfig');
  await writeKubeconfigContext(kubeconfig, {
    name,
    cluster: {
      name,
      fields: {
        server: `https://127.0.0.1:${hub.ports[name] ?? 0}`,
        'certificate-authority-data': Buffer.from(hub.identity.clusters[name]?.caCertificatePem ?? '').toString(
          'base64',
        ),
      },
    },
    user: { name, fields: { token: hub.identity.adminToken } },
    setCurrent: true,
  });
  const caFile = join(hub.directory.root, 'ca.pem');
  await writeDurably(caFile, hub.identity.clusters['hub']?.caCertificatePem ?? '', 0o644);
  return startAgent(ctx, name, [
    'agent',
    'run',
    `--hub=${hub.url}`,
    `--hub-ca=${caFile}`,
    `--membership=${name}`,
    `--token-file=${tokenFile}`,
    `--state-dir=${stateDir}`,
    `--kubeconfig=${kubeconfig}`,
  ]);
}

function startAgent(ctx: Context, name: string, args: readonly string[]): DemoAgent {
  const main = process.argv[1] ?? '';
  // Its own process group, so that Ctrl-C reaches the demo alone, which then ends the agents in order. The pipe at its
  // standard input closes with this process however that ends, and the agent with it.
  const child = spawn(process.execPath, [main, ...args, '--stop-with-stdin'], {
    stdio: ['pipe', 'ignore', 'pipe'],
    detached: true,
  });
  child.stdin.on('error', () => undefined);
  child.stderr.on('data', (chunk: Buffer) =>
    ctx.log.debug('agent', { name, text: chunk.toString('utf8').trim().slice(0, 500) }),
  );
  let stopping = false;
  child.once('exit', (code) => (stopping ? undefined : ctx.log.warn('an agent ended', { name, code })));
  return {
    name,
    stop: async () => {
      stopping = true;
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const late = ctx.clock.after(5000, () => void child.kill('SIGKILL'));
      await ended;
      late.cancel();
    },
  };
}

/** The administrator works in members by a binding, as everybody does. */
async function giveAdministrator(ctx: Context, hub: RunningHub, name: string): Promise<void> {
  const binding: FleetRoleBinding = {
    apiVersion: `${fleetGroup}/v1`,
    kind: 'RBACRoleBinding',
    metadata: { name: `demo-admin-${name}`, namespace: 'default' },
    spec: { membership: name, user: 'polyanthus:admin', role: { predefinedRole: 'ADMIN' } },
  };
  await createOnce(adminClient(hub).create(ctx, fleetRoleBindings, binding));
}

async function createOnce(creating: Promise<unknown>): Promise<void> {
  try {
    await creating;
  } catch (error) {
    if (!isStatus(error, 'AlreadyExists')) throw error;
  }
}

async function giveWorkload(ctx: Context, client: KubeClient): Promise<void> {
  const web: Deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { containers: [{ name: 'web', image: 'example.org/web:1', ports: [{ containerPort: 8080 }] }] },
      },
    },
  };
  await createOnce(client.create(ctx, deployments, web));
}

const nodesTimeoutMs = 120_000;
const podsTimeoutMs = 60_000;
const lookEveryMs = 100;

/** Waits until the member answers through the gateway with all of its nodes Ready, and gives their names. */
export async function nodesThroughGateway(ctx: Context, hub: RunningHub, name: string): Promise<readonly string[]> {
  const client = adminClient(hub, gatewayPath('default', name));
  const wanted = demoClusters.find((one) => one.name === name)?.nodes.length ?? 1;
  return withTimeout(ctx, nodesTimeoutMs, `reading the nodes of ${name} through the gateway`, (inner) =>
    answered(inner, async () => {
      const found = (await client.list(inner, nodes)).items;
      const ready = found.filter(isReady);
      return ready.length < wanted ? undefined : ready.map((node) => node.metadata.name ?? '').sort();
    }),
  );
}

/**
 * Waits until the pods of the member's workload run, so that what the demo says to type next works. False after a
 * minute: somebody may have changed the workload since the demo made it.
 */
export async function podsRunThroughGateway(ctx: Context, hub: RunningHub, name: string): Promise<boolean> {
  const client = adminClient(hub, gatewayPath('default', name));
  try {
    return await withTimeout(ctx, podsTimeoutMs, `waiting for the pods of ${name}`, (inner) =>
      answered(inner, async () => {
        const { metadata, spec, status } = await client.get(inner, deployments, { namespace: 'default', name: 'web' });
        const seen = (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0);
        return seen && (status?.availableReplicas ?? 0) >= (spec.replicas ?? 1) ? true : undefined;
      }),
    );
  } catch (error) {
    if (ctx.signal.aborted || !hasCode(error, 'DeadlineExceeded')) throw error;
    return false;
  }
}

/** Looks again and again until there is an answer: a member that was just joined is not there at once. */
async function answered<T>(ctx: Context, look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined) return found;
    } catch (error) {
      ctx.log.debug('not yet', { error });
    }
    await sleep(ctx, lookEveryMs);
  }
}

/** Writes a context per member into the administrator's kubeconfig; the hub's own stays the current one's neighbour. */
export async function writeMemberContexts(ctx: Context, hub: RunningHub): Promise<void> {
  const found = await adminClient(hub).list(ctx, memberships, { namespace: 'default' });
  for (const membership of found.items) {
    const name = membership.metadata.name ?? '';
    const context = contextName('default', name);
    await writeKubeconfigContext(hub.directory.adminKubeconfig, {
      name: context,
      cluster: {
        name: context,
        fields: {
          server: `${hub.url}${gatewayPath('default', name)}`,
          'certificate-authority-data': Buffer.from(hub.identity.clusters['hub']?.caCertificatePem ?? '').toString(
            'base64',
          ),
        },
      },
      user: { name: 'admin', fields: { token: hub.identity.adminToken } },
      setCurrent: name === demoClusters[0]?.name,
    });
  }
}
