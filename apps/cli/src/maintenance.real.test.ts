/**
 * Node maintenance on a real kube-apiserver with its controller manager and scheduler, its nodes simulated: by one executor,
 * and by as many as the run has steps, each killed in its step.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runsNamespace } from '@polyanthus/engine-runbook/kinds';
import { background, withCancel, type Context } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { readBody } from '@polyanthus/ground-http/body';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { serve } from '@polyanthus/ground-http/node-server';
import { testCertificates } from '@polyanthus/ground-http/testing';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import { deployments, nodes, pods, serviceAccounts, type Pod } from '@polyanthus/kube-kinds/core';
import { podDisruptionBudgets } from '@polyanthus/kube-kinds/disruption';
import { runs, runSteps, type Run, type RunStep } from '@polyanthus/kube-kinds/own/runbook';
import { isServing } from '@polyanthus/kube-kinds/ready';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { resourceType } from '@polyanthus/kube-objects/resource';
import { startSimulation } from '@polyanthus/kube-sim/simulation';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  kubeconfigText,
  startControlPlane,
  startControllerManager,
  type ControlPlane,
} from '../../../lab/src/control-plane.ts';
import { whyNotReal } from '../../../lab/src/parts.ts';

const why = whyNotReal(
  ['etcd', '3.7.0'],
  ['kube-apiserver', '1.37.2'],
  ['kube-controller-manager', '1.37.2'],
  ['kube-scheduler', '1.37.2'],
);
const replicas = 6;
const minAvailable = 5;
const at = { namespace: 'default' };
const webhooks = resourceType<KubeObject>(
  'admissionregistration.k8s.io',
  'v1',
  'validatingwebhookconfigurations',
  'ValidatingWebhookConfiguration',
  false,
);
/** The name under which the rehearsal asks, so that the audit log tells it apart. */
const rehearserToken = 'rehearser-token';
const auditPolicy = JSON.stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules: [{ level: 'Metadata' }] });
/** Steps of the runbook that act on nothing. */
const looks: ReadonlySet<string> = new Set(['look', 'ready', 'back']);
/** Generous: a Lease has to run out for each executor that is killed. */
const waitMs = 120_000;
const until = (look: () => Promise<void>): Promise<void> => vi.waitFor(look, { timeout: waitMs, interval: 50 });

describe.skipIf(why !== undefined)(
  `maintenance of a real control plane's nodes${why === undefined ? '' : ` (${why})`}`,
  () => {
    const { ctx, cancel } = withCancel(background());
    const children = new Set<ChildProcess>();
    let folder: string;
    let plane: ControlPlane;
    let client: KubeClient;
    let stop: () => Promise<void>;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'polyanthus-'));
      await writeFile(join(folder, 'audit-policy.yaml'), auditPolicy);
      plane = await startControlPlane({
        tokens: [`${rehearserToken},rehearser,rehearser,"system:masters"`],
        extraArgs: [
          `--audit-policy-file=${join(folder, 'audit-policy.yaml')}`,
          `--audit-log-path=${join(folder, 'audit.log')}`,
        ],
      });
      await startControllerManager(plane);
      plane.component('kube-scheduler', ['--leader-elect=false', '--secure-port=0']);
      const headers = async () => ({ authorization: `Bearer ${plane.adminToken}` });
      const transport = createTransport({ baseUrl: plane.url, tls: { ca: plane.caPem }, headers });
      client = createClient(transport);
      const simulation = startSimulation(ctx, {
        client,
        random: systemRandom,
        scheduler: false,
        nodes: ['n1', 'n2', 'n3'].map((name) => ({ name })),
        // Slow enough for the budget to be in the way: what the rehearsal says of it is then what happens.
        behaviours: [{ startDelayMs: 100, readyDelayMs: 2000, shutdownMs: 100 }],
      });
      stop = async () => {
        cancel();
        await simulation.stopped;
        await transport.close();
        await plane.stop();
      };
      await deploy();
    }, 2 * waitMs);
    afterAll(async () => {
      for (const child of children) await killed(child);
      await stop();
      await rm(folder, { recursive: true, force: true });
    });

    async function deploy(): Promise<void> {
      await until(async () => {
        const ready = (await client.list(ctx, nodes)).items.filter((node) => (node.spec?.taints ?? []).length === 0);
        expect(ready).toHaveLength(3);
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
        spec: { minAvailable, selector: { matchLabels: labels } },
      });
      await until(async () => {
        expect(await readyPods()).toHaveLength(replicas);
        const budget = await client.get(ctx, podDisruptionBudgets, { ...at, name: 'web' });
        expect(budget.status?.disruptionsAllowed).toBe(replicas - minAvailable);
      });
    }

    /** A process of its own, with nothing but the kubeconfig. */
    function polyanthus(...args: readonly string[]) {
      return polyanthusAt(plane.kubeconfig, ...args);
    }

    function polyanthusAt(kubeconfig: string, ...args: readonly string[]) {
      return polyanthusIn(folder, kubeconfig, ...args);
    }

    function polyanthusIn(cwd: string, kubeconfig: string, ...args: readonly string[]) {
      const child = spawn(
        process.execPath,
        [join(import.meta.dirname, 'main.ts'), ...args, `--kubeconfig=${kubeconfig}`],
        {
          cwd,
          env: { PATH: dirname(process.execPath), HOME: folder },
          stdio: ['ignore', 'pipe', 'pipe'],
        },
      );
      children.add(child);
      let output = '';
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding('utf8').on('data', (text: string) => (output += text));
      const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string);
      return { child, ended, output: () => output };
    }

    async function readyPods(): Promise<readonly Pod[]> {
      return (await client.list(ctx, pods, at)).items.filter(isServing);
    }

    const readRun = (name: string): Promise<Run> => client.get(ctx, runs, { namespace: runsNamespace, name });

    async function steps(run: string): Promise<readonly RunStep[]> {
      const { items } = await client.list(ctx, runSteps, { namespace: runsNamespace });
      return items.filter((step) => step.spec.run === run).toSorted((a, b) => a.spec.order - b.spec.order);
    }

    /** Every node as before, all pods ready, and of every step the proof. */
    async function expectDone(run: string, names: readonly string[]): Promise<void> {
      expect((await readRun(run)).status?.phase).toBe('Succeeded');
      expect((await client.list(ctx, nodes)).items.map((node) => node.spec?.unschedulable ?? false)).toEqual([
        false,
        false,
        false,
      ]);
      expect((await steps(run)).map((step) => step.status?.state)).toEqual((await steps(run)).map(() => 'Proven'));
      expect(new Set((await steps(run)).map((step) => step.spec.target?.name))).toEqual(new Set(names));
      await until(async () => expect(await readyPods()).toHaveLength(replicas));
    }

    it(
      'is rehearsed by reads and dry runs alone, as the audit log of the cluster has it',
      { timeout: waitMs },
      async () => {
        const kubeconfig = join(folder, 'rehearser.kubeconfig');
        await writeFile(kubeconfig, kubeconfigText(plane.url, plane.caPem, rehearserToken), { mode: 0o600 });
        const rehearsal = polyanthusAt(
          kubeconfig,
          'runbook',
          'rehearse',
          'node-maintenance',
          '--parameter=nodes=n1,n2',
        );
        const code = await rehearsal.ended;
        process.stdout.write(`\n${rehearsal.output()}\n`);
        // 4: sound, as far as it can be known.
        expect([0, 4], rehearsal.output()).toContain(code);
        const lines = (await readFile(join(folder, 'audit.log'), 'utf8')).trim().split('\n');
        const asked = lines
          .map((line) => JSON.parse(line) as { verb: string; requestURI: string; user: { username: string } })
          .filter((line) => line.user.username === 'rehearser');
        const reads = asked.filter(({ verb }) => ['get', 'list', 'watch'].includes(verb));
        const dryRuns = asked.filter(
          ({ requestURI }) => new URL(requestURI, plane.url).searchParams.get('dryRun') === 'All',
        );
        process.stdout.write(`audit log: ${reads.length} reads, ${dryRuns.length} dry runs, ${asked.length} lines\n`);
        expect(reads.length).toBeGreaterThan(20);
        expect(dryRuns.length).toBeGreaterThan(0);
        expect(asked.filter((line) => !reads.includes(line) && !dryRuns.includes(line))).toEqual([]);
      },
    );

    it(
      'is warned by a rehearsal of a webhook that refuses, and told of one that gives no answer',
      { timeout: waitMs },
      async () => {
        const asked: string[] = [];
        let broken = false;
        const server = await serve(ctx, {
          listen: { host: '127.0.0.1', port: 0 },
          tls: { cert: testCertificates.server.cert, key: testCertificates.server.key },
          handler: async (_ctx, request) => {
            const { request: review } = JSON.parse(Buffer.from(await readBody(request.body, 1e6)).toString('utf8')) as {
              request: { uid: string; dryRun: boolean };
            };
            asked.push(`dryRun ${review.dryRun}`);
            const response = { uid: review.uid, allowed: false, status: { message: 'the freeze is on' } };
            const answer = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response };
            const headers = { 'content-type': 'application/json' };
            return { status: broken ? 500 : 200, headers, body: Buffer.from(JSON.stringify(answer)) };
          },
        });
        const webhook = {
          apiVersion: 'admissionregistration.k8s.io/v1',
          kind: 'ValidatingWebhookConfiguration',
          metadata: { name: 'freeze' },
          webhooks: [
            {
              name: 'freeze.example.org',
              clientConfig: {
                url: `https://localhost:${server.port}/`,
                caBundle: Buffer.from(testCertificates.ca).toString('base64'),
              },
              rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
              namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'default' } },
              sideEffects: 'None',
              admissionReviewVersions: ['v1'],
            },
          ],
        } as const;
        const rehearse = async () => {
          await client.create(ctx, webhooks, webhook);
          // The API server hears of its own configurations with a delay: asked until it has.
          let code: number | string = 0;
          let said = '';
          await until(async () => {
            const rehearsal = polyanthus('runbook', 'rehearse', 'node-maintenance', '--parameter=nodes=n1,n2');
            code = await rehearsal.ended;
            said = rehearsal.output();
            expect(said).toContain('freeze.example.org');
          });
          await client.delete(ctx, webhooks, { name: 'freeze' });
          return { code, said };
        };
        const refusing = await rehearse();
        expect(refusing.code, refusing.said).toBe(3);
        expect(refusing.said).toContain('WebhookRefuses Deployment default/web');
        expect(refusing.said).toContain('the freeze is on');
        expect(new Set(asked)).toEqual(new Set(['dryRun true']));
        broken = true;
        const silent = await rehearse();
        process.stdout.write(`\n${silent.said}\n`);
        expect(silent.code, silent.said).toBe(4);
        expect(silent.said).toContain('failed calling webhook');
        await server.close(0);
        await until(() => readyWithoutWebhook());
      },
    );

    /** The API server hears with a delay also that it is gone. */
    async function readyWithoutWebhook(): Promise<void> {
      const pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { ...at, name: 'probe' },
        spec: { containers: [{ name: 'c', image: 'i' }] },
      };
      await client.create(ctx, pods, pod as Pod, { dryRun: true });
    }

    it('drains two nodes within the budget, and every pod is back', { timeout: 3 * waitMs }, async () => {
      const before = new Set((await client.list(ctx, pods, at)).items.map((pod) => pod.metadata.uid));
      const least = { pods: replicas };
      const watching = withCancel(ctx);
      const watched = watchReady(watching.ctx, client, least);
      const run = polyanthus('cluster', 'maintain', 'n1', 'n2', '--name=both');
      expect(await run.ended, run.output()).toBe(0);
      watching.cancel();
      await watched;
      await expectDone('both', ['n1', 'n2']);
      expect(least.pods).toBeGreaterThanOrEqual(minAvailable);
      const moved = (await client.list(ctx, pods, at)).items.filter((pod) => !before.has(pod.metadata.uid));
      expect(moved.length).toBeGreaterThan(0);
      // From where nothing was rehearsed: the run has it along.
      const elsewhere = join(folder, 'elsewhere');
      await mkdir(elsewhere);
      const report = polyanthusIn(elsewhere, plane.kubeconfig, 'runbook', 'report', 'both');
      expect(await report.ended, report.output()).toBe(0);
      process.stdout.write(`\n${report.output()}\n`);
      expect(report.output()).toContain('## Beside the rehearsal of ');
      expect(report.output()).toContain('- BudgetWaits PodDisruptionBudget default/web: came true');
    });

    it('ends the same when every step in turn loses its executor by kill -9', { timeout: 12 * waitMs }, async () => {
      let executor = polyanthus('cluster', 'maintain', 'n3', '--name=killed');
      await until(async () => expect((await steps('killed')).length).toBeGreaterThan(0));
      const plan = (await steps('killed')).map((step) => step.spec.order);
      const fates: string[] = [];
      for (const order of plan) {
        await until(async () => {
          const [before, step] = [(await steps('killed'))[order - 1], (await steps('killed'))[order]];
          // A step that only looks has no intent: it goes from nothing to its proof.
          const begun = looks.has(step?.spec.step ?? '')
            ? order === 0 || before?.status?.state === 'Proven'
            : (step?.status?.state ?? 'Pending') !== 'Pending';
          expect(begun, `step ${order} of ${executor.output()}`).toBe(true);
        });
        const step = (await steps('killed'))[order];
        fates.push(`${step?.spec.step} ${step?.status?.state ?? 'not begun'}`);
        await killed(executor.child);
        executor = polyanthus('runbook', 'resume', 'killed');
      }
      expect(await executor.ended, executor.output()).toBe(0);
      await expectDone('killed', ['n3']);
      const { epoch } = (await readRun('killed')).status ?? {};
      process.stdout.write(`\nkilled at: ${fates.join(', ')}; epochs ${epoch}\n`);
      expect(fates).toHaveLength(plan.length);
      for (const { spec, status } of await steps('killed'))
        expect(status?.attempt ?? 0, `${spec.step} was not begun more often than it was killed`).toBeLessThanOrEqual(3);
    });
  },
);

/** Follows the pods by a watch, and keeps the least number of ready ones. */
async function watchReady(ctx: Context, client: KubeClient, least: { pods: number }): Promise<void> {
  const ready = new Set<string>();
  const list = await client.list(ctx, pods, at);
  const see = (pod: Pod, gone: boolean): void => {
    const uid = pod.metadata.uid ?? '';
    if (!gone && isServing(pod)) ready.add(uid);
    else ready.delete(uid);
  };
  for (const pod of list.items) see(pod, false);
  const { resourceVersion = '' } = list.metadata ?? {};
  try {
    for await (const event of client.watch(ctx, pods, { ...at, resourceVersion })) {
      see(event.object, event.type === 'DELETED');
      least.pods = Math.min(least.pods, ready.size);
    }
  } catch (error) {
    if (!ctx.signal.aborted) throw error;
  }
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
