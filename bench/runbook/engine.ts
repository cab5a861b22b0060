/**
 * Steps a second of the runbook engine on the embedded API server, and what a run costs in requests and bytes:
 * `node bench/runbook/engine.ts [targets] [window]`. The plan has the shape of node-maintenance: look, three actions with
 * before-image and undo, two checks, for each of 1,000 targets.
 */
import { stdout } from 'node:process';
import { background } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { executeRun } from '@polyanthus/engine-runbook/executor';
import { ensureRunKinds } from '@polyanthus/engine-runbook/kinds';
import { createRun, prepareRun } from '@polyanthus/engine-runbook/start';
import { randomRunbook, testNamespace } from '@polyanthus/engine-runbook/testing';
import type { HttpRequest, Transport } from '@polyanthus/ground-http/message';
import { createClient } from '@polyanthus/kube-client/rest';
import { configMaps } from '@polyanthus/kube-kinds/core';
import { startTestCluster } from '@polyanthus/kube-server/testing';

const targets = Number(process.argv[2] ?? 1000);
const window = Number(process.argv[3] ?? 50);
const ctx = background();
const cluster = await startTestCluster();
const setup = createClient(cluster.transport);
await ensureRunKinds(ctx, setup, testNamespace);
for (let index = 0; index < targets; index++)
  await setup.create(ctx, configMaps, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace: testNamespace, name: `m${index}` },
    data: { value: 'v' },
  });

const runbook = randomRunbook([
  { lanes: 'each-target', window: 8, steps: [{ kind: 'check', key: '' }] },
  {
    lanes: 'each-target',
    window,
    steps: [
      { kind: 'holds', key: 'a' },
      { kind: 'happened', key: 'b' },
      { kind: 'happened', key: 'c' },
      { kind: 'check', key: '' },
      { kind: 'check', key: '' },
    ],
  },
]);
const stepsPerTarget = runbook.stages.reduce((sum, stage) => sum + stage.steps.length, 0);

const counts = new Map<string, { requests: number; bytes: number; received: number }>();
const isOwn = (url: string): boolean => url.includes('/runbook.polyanthus.dev/') || url.includes('/leases');
function count({ method, url, body }: HttpRequest): { received: number } {
  const kind = method === 'GET' ? 'read' : 'write';
  const whose = isOwn(url) ? 'of the run itself' : 'on targets';
  const known = counts.get(`${kind} ${whose}`) ?? { requests: 0, bytes: 0, received: 0 };
  known.requests += 1;
  known.bytes += body instanceof Uint8Array ? body.length : 0;
  counts.set(`${kind} ${whose}`, known);
  return known;
}
async function* counted(body: AsyncIterable<Uint8Array>, into: { received: number }): AsyncIterable<Uint8Array> {
  for await (const piece of body) {
    into.received += piece.length;
    yield piece;
  }
}
const transport: Transport = {
  ...cluster.transport,
  request: async (inner, request) => {
    const into = count(request);
    const answer = await cluster.transport.request(inner, request);
    if (answer.body === null) return answer;
    if (answer.body instanceof Uint8Array) {
      into.received += answer.body.length;
      return answer;
    }
    return { ...answer, body: counted(answer.body, into) };
  },
};
const client = createClient(transport);
const { spec } = await prepareRun(ctx, client, { runbook, parameters: {} });
await createRun(ctx, client, { namespace: testNamespace, name: 'bench' }, spec);
counts.clear();
const before = process.cpuUsage();
const began = performance.now();
let taken = began;
const run = await executeRun(ctx, {
  runsClient: client,
  clusterClient: client,
  namespace: testNamespace,
  name: 'bench',
  runbooks: [runbook],
  identity: 'bench',
  random: systemRandom,
  onEvent: ({ event }) => {
    if (event === 'taken') taken = performance.now();
  },
});
const seconds = (performance.now() - began) / 1000;
const cpu = process.cpuUsage(before);
const steps = targets * stepsPerTarget;
stdout.write(
  [
    `${targets} targets, ${steps} steps, window ${window}: ${run.status?.phase ?? ''} in ${seconds.toFixed(1)} s, ${(steps / seconds).toFixed(0)} steps a second (${(((cpu.user + cpu.system) / 1e6 / steps) * 1000).toFixed(2)} ms of CPU a step, server included)`,
    `taken after ${((taken - began) / 1000).toFixed(2)} s`,
    '| | requests | a step | MB sent | bytes each | MB received | bytes each |',
    '|---|---|---|---|---|---|---|',
    ...[...counts].map(
      ([name, { requests, bytes, received }]) =>
        `| ${name} | ${requests} | ${(requests / steps).toFixed(2)} | ${(bytes / 1e6).toFixed(1)} | ${Math.round(bytes / requests)} | ${(received / 1e6).toFixed(1)} | ${Math.round(received / requests)} |`,
    ),
    '',
  ].join('\n'),
);
await cluster.close();
