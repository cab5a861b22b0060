/**
 * An executor is stopped by SIGSTOP in mid-drain, another process takes the run over and finishes it, and the first is
 * continued: real processes, the cluster over HTTP. Whoever asks is told apart by the port.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runsNamespace } from '@polyanthus/engine-runbook/kinds';
import { withCancel } from '@polyanthus/ground-base/context';
import type { Handler } from '@polyanthus/ground-http/message';
import { serve } from '@polyanthus/ground-http/node-server';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import { startControllers } from '@polyanthus/kube-controllers/start';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import { deployments, nodes, pods, serviceAccounts } from '@polyanthus/kube-kinds/core';
import { runs, type Run } from '@polyanthus/kube-kinds/own/runbook';
import { isServing } from '@polyanthus/kube-kinds/ready';
import { administrator, startTestCluster, type TestCluster } from '@polyanthus/kube-server/testing';
import { startSimulation } from '@polyanthus/kube-sim/simulation';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

/** Generous: a Lease has to run out, and the machine may be slow. */
const waitMs = 120_000;
const until = (look: () => Promise<void> | void): Promise<void> => vi.waitFor(look, { timeout: waitMs, interval: 100 });

interface Door {
  readonly kubeconfig: string;
  /** Writes that came through it, and were answered with less than 400. */
  readonly writes: string[];
}

let folder: string;
let cluster: TestCluster;
let client: KubeClient;
let stop: () => Promise<void>;
const children: ChildProcess[] = [];

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
    behaviours: [{ startDelayMs: 50, readyDelayMs: 50, shutdownMs: 50 }],
  });
  stop = async () => {
    cancel();
    await Promise.all([controllers.stopped, simulation.stopped]);
    await cluster.close();
  };
  await deploy();
}, waitMs);

afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill('SIGKILL');
    child.kill('SIGCONT');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  await stop();
  await rm(folder, { recursive: true, force: true });
}, waitMs);

async function deploy(): Promise<void> {
  const { ctx } = cluster;
  await until(async () => {
    expect((await client.list(ctx, nodes)).items).toHaveLength(3);
    expect((await client.list(ctx, serviceAccounts, { namespace: 'default' })).items).not.toEqual([]);
  });
  const labels = { app: 'web' };
  const spec = { containers: [{ name: 'c', image: 'web' }], terminationGracePeriodSeconds: 0 };
  await client.create(ctx, deployments, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace: 'default', name: 'web' },
    spec: { replicas: 6, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  });
  await until(async () => expect(await ready()).toBe(6));
}

async function ready(): Promise<number> {
  const { items } = await client.list(cluster.ctx, pods, { namespace: 'default' });
  return items.filter(isServing).length;
}

/** A way to the cluster of its own. */
async function openDoor(name: string, before: (method: string, url: string) => Promise<void>): Promise<Door> {
  const writes: string[] = [];
  const inner = cluster.cluster.handlerAs(administrator);
  const handler: Handler = async (ctx, request) => {
    const { method, url } = request;
    await before(method, url);
    const answer = await inner(ctx, request);
    if (method !== 'GET' && answer.status < 400) writes.push(`${method} ${url.split('?', 1)[0] ?? ''}`);
    return answer;
  };
  const { address } = await serve(cluster.ctx, { handler, listen: { host: '127.0.0.1', port: 0 } });
  const kubeconfig = join(folder, `${name}.kubeconfig`);
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
  return { kubeconfig, writes };
}

interface Executor {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<number | string>;
}

function polyanthus(...args: readonly string[]): Executor {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], {
    cwd: folder,
    env: { PATH: dirname(process.execPath), HOME: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string);
  return { child, output: () => output, ended };
}

const readRun = (): Promise<Run> => client.get(cluster.ctx, runs, { namespace: runsNamespace, name: 'm' });
const isEviction = (line: string): boolean => line.endsWith('/eviction');

/** Stops the first executor while its first eviction stands at its door: decided, and not yet carried out. */
async function stopInMidDrain(): Promise<{
  readonly first: Door;
  readonly stopped: Executor;
  readonly letIn: () => void;
}> {
  const arrived = Promise.withResolvers<void>();
  const letIn = Promise.withResolvers<void>();
  let held = false;
  const first = await openDoor('first', async (_method, url) => {
    if (held || !isEviction(url.split('?', 1)[0] ?? '')) return;
    held = true;
    arrived.resolve();
    await letIn.promise;
  });
  const stopped = polyanthus('cluster', 'maintain', 'n1', 'n2', 'n3', '--name=m', `--kubeconfig=${first.kubeconfig}`);
  const gone = stopped.ended.then((code) => Promise.reject(new Error(`${code}: ${stopped.output()}`)));
  gone.catch(() => undefined);
  await Promise.race([arrived.promise, gone]);
  stopped.child.kill('SIGSTOP');
  return { first, stopped, letIn: letIn.resolve };
}

const cordons = async (): Promise<readonly boolean[]> =>
  (await client.list(cluster.ctx, nodes)).items.map((node) => node.spec?.unschedulable ?? false);

/** Evictions of the first executor since `before`; it wrote nothing else but telling the run of late ones. */
async function expectNothingBut(first: Door, before: number): Promise<number> {
  const late = first.writes.slice(before);
  const { count = 0 } = (await readRun()).status?.late ?? {};
  const lease = /\/leases(\/runbook-m)?$/;
  const others = late.filter((line) => !line.endsWith('/runs/m/status') && !isEviction(line) && !lease.test(line));
  expect(others).toEqual([]);
  expect(late.filter((line) => line.endsWith('/runs/m/status'))).toHaveLength(count);
  // Counted by their answers: one that was carried out before the stop and answered after it counts too.
  const carriedOut = late.filter(isEviction).length;
  expect(count).toBeGreaterThanOrEqual(carriedOut);
  expect(count).toBeLessThanOrEqual(first.writes.filter(isEviction).length);
  return carriedOut;
}

it(
  'changes nothing after SIGCONT when another executor has finished the run',
  async () => {
    const { first, stopped, letIn } = await stopInMidDrain();
    const second = await openDoor('second', () => Promise.resolve());
    const heir = polyanthus('runbook', 'resume', 'm', `--kubeconfig=${second.kubeconfig}`);
    expect(await heir.ended, heir.output()).toBe(0);
    expect(await cordons()).toEqual([false, false, false]);
    const before = first.writes.length;
    letIn();
    stopped.child.kill('SIGCONT');
    await stopped.ended;
    // The pod is gone: the eviction that was held found nothing to evict.
    expect(await expectNothingBut(first, before), stopped.output()).toBe(0);
    expect((await readRun()).status).toMatchObject({ phase: 'Succeeded', epoch: 2 });
    expect(await cordons()).toEqual([false, false, false]);
    await until(async () => expect(await ready()).toBe(6));
  },
  3 * waitMs,
);

it(
  'changes nothing after SIGCONT but an eviction that was on its way, and the report counts it',
  async () => {
    const { first, stopped, letIn } = await stopInMidDrain();
    const second = await openDoor('second', () => Promise.resolve());
    const heir = polyanthus('runbook', 'undo', 'm', `--kubeconfig=${second.kubeconfig}`);
    await until(async () => expect((await readRun()).status?.epoch).toBe(2));
    const before = first.writes.length;
    letIn();
    expect(await heir.ended, heir.output()).toBe(0);
    stopped.child.kill('SIGCONT');
    expect(await stopped.ended, stopped.output()).toBe(1);
    // A drain evicts many at once: others may have been decided at the stop, too, and not yet sent.
    expect(await expectNothingBut(first, before), stopped.output()).toBeGreaterThanOrEqual(1);
    expect(await cordons()).toEqual([false, false, false]);
    const report = polyanthus('runbook', 'report', 'm', `--kubeconfig=${second.kubeconfig}`);
    expect(await report.ended, report.output()).toBe(0);
    expect(report.output()).toMatch(/Late writes: [1-9]\d*, decided before a takeover/);
    expect(await readFile(join(folder, 'polyanthus-runs', 'm.log'), 'utf8')).toContain('"event":"late"');
    await until(async () => expect(await ready()).toBe(6));
  },
  3 * waitMs,
);
