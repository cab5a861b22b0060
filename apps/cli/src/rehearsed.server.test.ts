/**
 * A maintenance is rehearsed in one folder, carried out there, and reported from another one: real processes, the cluster over
 * HTTP. The rehearsal goes with the run.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runsNamespace } from '@polyanthus/engine-runbook/kinds';
import { withCancel } from '@polyanthus/ground-base/context';
import { serve } from '@polyanthus/ground-http/node-server';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import { startControllers } from '@polyanthus/kube-controllers/start';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import { deployments, nodes, pods, serviceAccounts } from '@polyanthus/kube-kinds/core';
import { podDisruptionBudgets } from '@polyanthus/kube-kinds/disruption';
import { runs } from '@polyanthus/kube-kinds/own/runbook';
import { isServing } from '@polyanthus/kube-kinds/ready';
import { administrator, startTestCluster, type TestCluster } from '@polyanthus/kube-server/testing';
import { startSimulation } from '@polyanthus/kube-sim/simulation';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

/** Generous: the machine may be slow. */
const waitMs = 120_000;
const until = (look: () => Promise<void> | void): Promise<void> => vi.waitFor(look, { timeout: waitMs, interval: 100 });
const replicas = 6;
const at = { namespace: 'default' };

let folder: string;
let cluster: TestCluster;
let client: KubeClient;
let kubeconfig: string;
let stop: () => Promise<void>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'polyanthus-'));
  cluster = await startTestCluster();
  client = createClient(cluster.transport);
  const { ctx, cancel } = withCancel(cluster.ctx);
  const random = createSeededRandom(3);
  const controllers = startControllers(ctx, { client, random });
  const simulation = startSimulation(ctx, {
    client,
    random,
    nodes: ['n1', 'n2', 'n3'].map((name) => ({ name })),
    // Long enough for the second eviction of a node to wait for its budget.
    behaviours: [{ startDelayMs: 50, readyDelayMs: 2000, shutdownMs: 50 }],
  });
  const { address } = await serve(ctx, {
    handler: cluster.cluster.handlerAs(administrator),
    listen: { host: '127.0.0.1', port: 0 },
  });
  kubeconfig = join(folder, 'config');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'c',
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
    clusters: [{ name: 'c', cluster: { server: `http://${address}` } }],
    users: [{ name: 'u', user: {} }],
  };
  await writeFile(kubeconfig, JSON.stringify(config));
  for (const name of ['here', 'elsewhere']) await mkdir(join(folder, name));
  stop = async () => {
    cancel();
    await Promise.all([controllers.stopped, simulation.stopped]);
    await cluster.close();
  };
  await deploy();
}, waitMs);

afterEach(async () => {
  await stop();
  await rm(folder, { recursive: true, force: true });
}, waitMs);

async function deploy(): Promise<void> {
  const { ctx } = cluster;
  await until(async () => {
    const free = (await client.list(ctx, nodes)).items.filter((node) => (node.spec?.taints ?? []).length === 0);
    expect(free).toHaveLength(3);
    expect((await client.list(ctx, serviceAccounts, at)).items).not.toEqual([]);
  });
  const labels = { app: 'web' };
  const spec = { containers: [{ name: 'c', image: 'web' }], terminationGracePeriodSeconds: 1 };
  await client.create(ctx, deployments, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { ...at, name: 'web' },
    spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  });
  await client.create(ctx, podDisruptionBudgets, {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { ...at, name: 'web' },
    spec: { minAvailable: replicas - 1, selector: { matchLabels: labels } },
  });
  await until(async () => {
    expect((await client.list(ctx, pods, at)).items.filter(isServing)).toHaveLength(replicas);
    const budget = await client.get(ctx, podDisruptionBudgets, { ...at, name: 'web' });
    expect(budget.status?.disruptionsAllowed).toBe(1);
  });
}

/** The program, in one of the folders. */
async function polyanthus(
  where: 'here' | 'elsewhere',
  ...args: readonly string[]
): Promise<{ readonly code: number | null; readonly output: string }> {
  const argv = [join(import.meta.dirname, 'main.ts'), ...args, `--kubeconfig=${kubeconfig}`];
  const child = spawn(process.execPath, argv, {
    cwd: join(folder, where),
    env: { PATH: dirname(process.execPath), HOME: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output };
}

it(
  'goes with the run: a report elsewhere says where it differed, and one of another plan is refused',
  { timeout: 3 * waitMs },
  async () => {
    const rehearsal = await polyanthus('here', 'runbook', 'rehearse', 'node-maintenance', '--parameter=nodes=n1,n2');
    expect(rehearsal.code, rehearsal.output).toBe(0);
    const file = /kept for the report: (\S+)/.exec(rehearsal.output)?.[1] ?? '';

    const other = await polyanthus('here', 'cluster', 'maintain', 'n1', 'n2', '--window=2', `--rehearsal=${file}`);
    expect(other.code, other.output).not.toBe(0);
    expect(other.output).toContain('window was 1, not 2');
    const warned = await polyanthus('here', 'cluster', 'maintain', 'n3', '--name=warned', '--detach');
    expect(warned.code, warned.output).toBe(0);
    expect(warned.output).toContain(`not rehearsed: the last rehearsal here (${file}) is of another plan`);
    expect((await client.list(cluster.ctx, runs, { namespace: runsNamespace })).items).toHaveLength(1);

    const run = await polyanthus('here', 'cluster', 'maintain', 'n1', 'n2', '--name=rehearsed');
    expect(run.code, run.output).toBe(0);
    expect(run.output).toMatch(/rehearsed at \S+: sound/);

    const report = await polyanthus('elsewhere', 'runbook', 'report', 'rehearsed');
    expect(report.output).toContain('## Beside the rehearsal of ');
    expect(report.output).toContain('- Verdict of the rehearsal: sound');
    expect(report.output).toContain('- BudgetWaits PodDisruptionBudget default/web: came true');
    expect(report.output).toMatch(/\| drain\/n1 \| .* \| proven \| Proven \| \d+ \| \d+ \|/);
    const json = await polyanthus('elsewhere', 'runbook', 'report', 'rehearsed', '--format=json');
    const { rehearsal: compared } = JSON.parse(json.output) as { readonly rehearsal: object };
    expect(compared).toMatchObject({ verdict: 'sound', surprises: [], findingsLeftOut: 0 });
  },
);
