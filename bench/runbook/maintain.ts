/**
 * `polyanthus cluster maintain` of 20 simulated nodes against `kubectl drain` and `kubectl uncordon` in a loop, on one
 * embedded API server over HTTP, one after the other: `node bench/runbook/maintain.ts [kubectl]`. Pods start in 1 s, are
 * ready 1 s later and end in 1 s; a budget lets 6 of 60 be away.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stdout } from 'node:process';
import { sleep, withCancel } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { serve } from '@polyanthus/ground-http/node-server';
import { createClient } from '@polyanthus/kube-client/rest';
import { startControllers } from '@polyanthus/kube-controllers/start';
import { deployments, nodes, pods, serviceAccounts } from '@polyanthus/kube-kinds/core';
import { isServing } from '@polyanthus/kube-kinds/ready';
import { resourceType } from '@polyanthus/kube-objects/resource';
import { administrator, startTestCluster } from '@polyanthus/kube-server/testing';
import { startSimulation } from '@polyanthus/kube-sim/simulation';

const kubectl = process.argv[2] ?? 'kubectl';
const replicas = 60;
const names = Array.from({ length: 20 }, (_one, index) => `n${index + 1}`);
const budgets = resourceType('policy', 'v1', 'poddisruptionbudgets', 'PodDisruptionBudget', true);
const folder = await mkdtemp(join(tmpdir(), 'polyanthus-'));
const cluster = await startTestCluster();
const client = createClient(cluster.transport);
const { ctx, cancel } = withCancel(cluster.ctx);
const controllers = startControllers(ctx, { client, random: systemRandom });
const simulation = startSimulation(ctx, {
  client,
  random: systemRandom,
  nodes: names.map((name) => ({ name })),
  behaviours: [{ startDelayMs: 1000, readyDelayMs: 1000, shutdownMs: 1000 }],
});

async function until(what: string, look: () => Promise<boolean>): Promise<void> {
  for (let left = 3000; !(await look()); left--) {
    if (left === 0) throw new Error(`not in time: ${what}`);
    await sleep(ctx, 100);
  }
}
const at = { namespace: 'default' };
const ready = async (): Promise<number> => (await client.list(ctx, pods, at)).items.filter(isServing).length;

await until('nodes', async () => (await client.list(ctx, nodes)).items.length === names.length);
await until('account', async () => (await client.list(ctx, serviceAccounts, at)).items.length > 0);
const labels = { app: 'web' };
const spec = { containers: [{ name: 'c', image: 'web' }], terminationGracePeriodSeconds: 1 };
await client.create(ctx, deployments, {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { ...at, name: 'web' },
  spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
});
await client.create(ctx, budgets, {
  apiVersion: 'policy/v1',
  kind: 'PodDisruptionBudget',
  metadata: { ...at, name: 'web' },
  spec: { maxUnavailable: 6, selector: { matchLabels: labels } },
} as never);

let requests = 0;
const inner = cluster.cluster.handlerAs(administrator);
const { address } = await serve(ctx, {
  handler: (requestCtx, request) => {
    requests += 1;
    return inner(requestCtx, request);
  },
  listen: { host: '127.0.0.1', port: 0 },
});
const kubeconfig = join(folder, 'config');
await writeFile(
  kubeconfig,
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'c',
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
    clusters: [{ name: 'c', cluster: { server: `http://${address}` } }],
    users: [{ name: 'u', user: {} }],
  }),
);

async function run(program: string, args: readonly string[]): Promise<void> {
  const child = spawn(program, args, {
    cwd: folder,
    env: { ...process.env, HOME: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: ${String(code)}\n${output}`);
}

interface Figures {
  readonly seconds: number;
  readonly requests: number;
  readonly readyLeast: number;
}
async function measured(work: () => Promise<void>): Promise<Figures> {
  await until('all pods', async () => (await ready()) === replicas);
  requests = 0;
  let readyLeast = replicas;
  const looks = new AbortController();
  const looking = (async () => {
    while (!looks.signal.aborted) {
      readyLeast = Math.min(readyLeast, await ready());
      await sleep(ctx, 200);
    }
  })();
  const began = performance.now();
  await work();
  const seconds = (performance.now() - began) / 1000;
  looks.abort();
  await looking;
  return { seconds, requests, readyLeast };
}

const main = join(import.meta.dirname, '../../apps/cli/src/main.ts');
const maintain = (window: number) =>
  measured(() =>
    run(process.execPath, [main, 'cluster', 'maintain', ...names, `--window=${window}`, `--kubeconfig=${kubeconfig}`]),
  );
const rows: (readonly [string, Figures])[] = [];
const loop = await measured(async () => {
  for (const name of names) {
    await run(kubectl, [`--kubeconfig=${kubeconfig}`, 'drain', name, '--ignore-daemonsets']);
    await run(kubectl, [`--kubeconfig=${kubeconfig}`, 'uncordon', name]);
  }
});
rows.push(['kubectl drain and uncordon, node after node', loop]);
for (const window of [1, 4]) rows.push([`polyanthus cluster maintain --window=${window}`, await maintain(window)]);
stdout.write(
  [
    '| | seconds | against kubectl | requests | fewest pods ready, of 60 |',
    '|---|---|---|---|---|',
    ...rows.map(
      ([name, { seconds, requests: sent, readyLeast }]) =>
        `| ${name} | ${seconds.toFixed(1)} | ${(seconds / loop.seconds).toFixed(2)} | ${sent} | ${readyLeast} |`,
    ),
    '',
  ].join('\n'),
);
cancel();
await Promise.allSettled([controllers.stopped, simulation.stopped]);
await cluster.close();
await rm(folder, { recursive: true, force: true });
process.exit(0);
