import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readParameters } from '@polyanthus/engine-runbook/parameters';
import { startWorld, testNamespace, type World } from '@polyanthus/engine-runbook/testing';
import { takeSnapshot } from '@polyanthus/engine-sandbox/snapshot';
import { writeSnapshot } from '@polyanthus/engine-sandbox/snapshot-file';
import { recordIo, type RecordedIo } from '@polyanthus/ground-cli-kit/io';
import { parseCommand } from '@polyanthus/ground-cli-kit/parse';
import type { HttpRequest, HttpResponse } from '@polyanthus/ground-http/message';
import { createClient } from '@polyanthus/kube-client/rest';
import { nodes, pods, replicaSets, serviceAccounts } from '@polyanthus/kube-kinds/core';
import type { Run, RunStep } from '@polyanthus/kube-kinds/own/runbook';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readPrediction } from './prediction-file.ts';
import type { Prediction } from './prediction.ts';
import { maintenance } from './testing.ts';
import { compareWithKept, rehearseCommand, rehearsedFor } from '../commands/rehearse.ts';

let world: World;
let folder: string;
const before = process.cwd();
const requests: string[] = [];
let answer: (request: HttpRequest) => HttpResponse | undefined = () => undefined;

beforeEach(async () => {
  requests.length = 0;
  answer = () => undefined;
  folder = mkdtempSync(join(tmpdir(), 'rehearse-'));
  process.chdir(folder);
  world = await startWorld(0);
  const { client, ctx } = world;
  const at = { namespace: testNamespace };
  await client
    .create(ctx, serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { ...at, name: 'default' } })
    .catch(() => undefined);
  const status = {
    allocatable: { cpu: '4', memory: '8Gi', pods: '110' },
    conditions: [{ type: 'Ready', status: 'True' as const }],
  };
  for (const name of ['n1', 'n2']) {
    const made = await client.create(ctx, nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name } });
    const ready = { ...made, spec: { ...made.spec, taints: [] } };
    const free = await client.update(ctx, nodes, ready);
    await client.update(ctx, nodes, { ...free, status }, { subresource: 'status' });
  }
  const labels = { app: 'web' };
  const spec = { containers: [{ name: 'c', image: 'web' }] };
  const set = await client.create(ctx, replicaSets, {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { ...at, name: 'web' },
    spec: { replicas: 2, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  });
  const owner = {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    name: 'web',
    uid: set.metadata.uid ?? '',
    controller: true,
  };
  for (const [index, nodeName] of ['n1', 'n2'].entries()) {
    const name = `web-${index}`;
    const metadata = { ...at, name, labels, ownerReferences: [owner] };
    const pod = await client.create(ctx, pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata,
      spec: { ...spec, nodeName },
    });
    const running = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } as const;
    await client.update(ctx, pods, { ...pod, status: running }, { subresource: 'status' });
  }
});
afterEach(async () => {
  process.chdir(before);
  rmSync(folder, { recursive: true, force: true });
  await world.close();
});

/** As an executor of the command would see the cluster: every request is written down, some are answered in its place. */
function recorded() {
  const inner = world.cluster.transport;
  return createClient({
    ...inner,
    request: (ctx, message) => {
      requests.push(`${message.method} ${message.url}`);
      const instead = answer(message);
      return instead === undefined ? inner.request(ctx, message) : Promise.resolve(instead);
    },
  });
}

// A fixture: its steps cannot be carried out, its targets are found in the snapshot.
const runbook = {
  ...maintenance,
  targets: async (ctx: World['ctx'], client: World['client'], parameters: Readonly<Record<string, unknown>>) =>
    Promise.all(
      (parameters['nodes'] as readonly string[]).map(async (name) => {
        const { metadata } = await client.get(ctx, nodes, { name });
        return { apiVersion: 'v1', kind: 'Node', resource: 'nodes', name, uid: metadata.uid ?? '' };
      }),
    ),
};

async function run(...argv: readonly string[]): Promise<{ readonly code: number } & RecordedIo> {
  const command = rehearseCommand({
    runbooks: [runbook],
    options: [],
    open: () =>
      Promise.resolve({
        runsClient: recorded(),
        namespace: testNamespace,
        membership: undefined,
        again: '',
        hub: false,
        clusterClient: () => Promise.resolve(recorded()),
        prepare: () => Promise.reject(new Error('a rehearsal prepares nothing')),
      }),
  });
  const parsed = parseCommand(['polyanthus', 'runbook', 'rehearse'], command, argv, {});
  if (parsed.kind !== 'run') throw new Error('help');
  const io = recordIo();
  return { code: (await command.run(world.ctx, parsed.input, { io, env: {} })) ?? 0, ...io };
}

const refusal = (message: string, code: number, reason: string): HttpResponse => ({
  status: code,
  headers: { 'content-type': 'application/json' },
  body: Buffer.from(
    JSON.stringify({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code }),
  ),
});
const plan = ['node-maintenance', '-p', 'nodes=n1'] as const;

describe('polyanthus runbook rehearse', () => {
  it('finds a sound plan sound, and asks a live cluster nothing but reads and dry runs', async () => {
    const { items } = await world.client.list(world.ctx, pods);
    const rehearsed = await run(...plan);
    expect(rehearsed.stdout()).toContain('Verdict: sound');
    expect(rehearsed.code).toBe(0);
    expect(requests.filter((one) => !one.startsWith('GET ') && !one.includes('dryRun=All'))).toEqual([]);
    const writes = requests.filter((one) => !one.startsWith('GET '));
    // The template and an eviction of the one ReplicaSet, and the cordon.
    expect(writes.map((one) => one.replace(/\?.*/, ''))).toEqual([
      `POST /api/v1/namespaces/${testNamespace}/pods`,
      `POST /api/v1/namespaces/${testNamespace}/pods/web-0/eviction`,
      'PATCH /api/v1/nodes/n1',
    ]);
    expect((await world.client.list(world.ctx, pods)).items).toEqual(items);
  });

  it('says which webhook refuses, and exits with 3', async () => {
    answer = ({ method, url }) =>
      method === 'POST' && !url.includes('eviction')
        ? refusal('admission webhook "images.example.com" denied the request: no tag', 403, 'Forbidden')
        : undefined;
    const rehearsed = await run(...plan, '-o', 'json');
    const prediction = JSON.parse(rehearsed.stdout()) as Prediction;
    expect(prediction.findings).toMatchObject([
      { code: 'WebhookRefuses', object: { kind: 'ReplicaSet', name: 'web' }, severity: 'error' },
    ]);
    expect(prediction.findings[0]?.reason).toContain('images.example.com');
    expect(rehearsed.code).toBe(3);
  });

  it('calls a webhook that cannot be asked unknown, never sound, and exits with 4', async () => {
    answer = ({ method, url }) =>
      method === 'POST' && url.includes('eviction')
        ? refusal('admission webhook "late.example.com" does not support dry run', 400, 'BadRequest')
        : undefined;
    const rehearsed = await run(...plan);
    expect(rehearsed.stdout()).toContain('admission webhook late.example.com');
    expect(rehearsed.stdout()).toContain('Verdict: not known to be sound');
    expect(rehearsed.code).toBe(4);
  });

  it('plans on a file without any request, and keeps the prediction for the report of that very plan', async () => {
    const snapshot = await takeSnapshot(world.ctx, world.client, { source: 'here' });
    await writeSnapshot(world.ctx, 'cluster.snapshot', snapshot);
    const rehearsed = await run(...plan, '--snapshot', 'cluster.snapshot', '-o', 'yaml');
    expect(rehearsed.stdout()).toContain('verdict: sound');
    expect(requests).toEqual([]);
    const prediction = JSON.parse(
      (await run(...plan, '--snapshot', 'cluster.snapshot', '-o', 'json')).stdout(),
    ) as Prediction;
    expect(prediction.snapshot.hash).toMatch(/^[0-9a-f]{64}$/);
    const parameters = readParameters('node-maintenance', maintenance.parameters, { nodes: ['n1'] });
    const { digest, targets } = prediction;
    const spec = { runbook: prediction.runbook, digest, engineVersion: '1', targets, parameters };
    const made = (startedAt: string, more: object = {}): Run =>
      ({ apiVersion: '', kind: 'Run', metadata: {}, spec: { ...spec, ...more }, status: { startedAt } }) as Run;
    const later = new Date(Date.parse(prediction.madeAt) + 1000).toISOString();
    expect((await compareWithKept(made(later), []))?.data).toMatchObject({ rehearsedAt: prediction.madeAt });
    expect(await compareWithKept(made('2000-01-01T00:00:00Z'), [])).toBeUndefined();
    expect(await compareWithKept(made(later, { parameters: { ...parameters, window: 2 } }), [])).toBeUndefined();
  });

  it('gives a run of that very plan the short of it along, which tells elsewhere what was predicted', async () => {
    const rehearsed = await run(...plan);
    const file = /kept for the report: (\S+)/.exec(rehearsed.stderr())?.[1] ?? '';
    const { runbook: id, digest, parameters, targets, madeAt, steps } = await readPrediction(file);
    const spec = { runbook: id, digest, engineVersion: '1', parameters, targets };
    const { said, rehearsal } = await rehearsedFor(spec, undefined);
    expect(said).toBe(`rehearsed at ${madeAt}: sound\n`);
    expect(rehearsal).toMatchObject({
      madeAt,
      verdict: 'sound',
      snapshot: { hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
    });
    expect(rehearsal?.steps).toHaveLength(steps.length);
    expect(await rehearsedFor(spec, file)).toEqual({ said, rehearsal });
    mkdirSync('elsewhere');
    process.chdir('elsewhere');
    expect(await rehearsedFor(spec, undefined)).toEqual({ said: '' });
    const made = { apiVersion: '', kind: 'Run', metadata: {}, spec: { ...spec, rehearsal } } as Run;
    const drain = steps.find((one) => one.step === 'drain');
    const step = {
      apiVersion: '',
      kind: 'RunStep',
      metadata: {},
      spec: {
        run: 'r1',
        order: drain?.order ?? 0,
        stage: 's',
        lane: 0,
        step: 'drain',
        title: 'drain',
        target: targets[0],
      },
      status: { state: 'Proven', mark: { evicted: 1, blockedTimes: 0 } },
    } as RunStep;
    const compared = await compareWithKept(made, [step]);
    expect(compared?.data).toMatchObject({
      rehearsedAt: madeAt,
      verdict: 'sound',
      steps: [{ step: 'drain/n1', predictedEvictions: 1, realEvictions: 1, predicted: 'proven', real: 'Proven' }],
    });
    // Of a plan that was changed afterwards it says nothing.
    expect(await compareWithKept({ ...made, spec: { ...made.spec, parameters: {} } }, [step])).toBeUndefined();
  });

  it('refuses a rehearsal of another plan that is named, and says so of one that is only there', async () => {
    const rehearsed = await run(...plan);
    const file = /kept for the report: (\S+)/.exec(rehearsed.stderr())?.[1] ?? '';
    const { runbook: id, digest, parameters, targets } = await readPrediction(file);
    const spec = { runbook: id, digest, engineVersion: '1', parameters: { ...parameters, window: 2 }, targets };
    await expect(rehearsedFor(spec, file)).rejects.toMatchObject({ code: 'RehearsalOfAnotherPlan' });
    await expect(rehearsedFor(spec, file)).rejects.toThrow('window was 1, not 2');
    await expect(rehearsedFor(spec, 'none.json')).rejects.toMatchObject({ code: 'RehearsalUnreadable' });
    expect(await rehearsedFor(spec, undefined)).toEqual({
      said: `not rehearsed: the last rehearsal here (${file}) is of another plan: window was 1, not 2\n`,
    });
    expect(await rehearsedFor({ ...spec, runbook: 'another' }, undefined)).toEqual({ said: '' });
  });

  it('refuses a target version that is none', async () => {
    await expect(run(...plan, '--target-version', 'new')).rejects.toMatchObject({ code: 'TargetVersionInvalid' });
    await expect(run('nothing')).rejects.toMatchObject({ code: 'RunbookUnknown' });
  });
});
