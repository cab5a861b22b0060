/**
 * The delay of the hub's event loop (its main thread, which is the gateway) while large things pass: a list of 200 MB and
 * manifests of 1.2 MB, of a real kube-apiserver. A caller that lists nodes beside them sees the same as latency.
 *
 *   node bench/gateway/delay.ts [--rounds 3]
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { endAll, load, loadAverage, median, print, runFolder } from './children.ts';
import type { LoopDelay } from './real-hub.ts';
import { apiCaller, configMap, kubeWays, type Way, type Ways } from './ways.ts';
import { goProgram } from '../go-program.ts';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '3' } } });
const maps = '/api/v1/namespaces/large/configmaps';

interface Seen {
  readonly delay: LoopDelay;
  readonly beside: number;
  readonly note: string;
}

async function fill({ controlPlane }: Ways): Promise<void> {
  if (controlPlane === undefined) throw new Error('a real kube-apiserver is needed');
  const call = apiCaller(controlPlane);
  await call('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'large' } });
  for (let index = 0; index < 200; index++)
    await call('POST', maps, { ...configMap('x', 1_000_000), metadata: { name: `large-${index}` } });
}

/** Runs `work` with one caller beside it, and tells what the loop saw meanwhile. */
async function observe({ hub }: Ways, way: Way, work: () => Promise<string>): Promise<Seen> {
  await hub.loopDelay();
  const beside = load('get', {
    url: `${way.url}/api/v1/namespaces/default/configmaps/b`,
    token: way.token,
    callers: 1,
    rate: 50,
    seconds: 4,
    warm: 0,
  });
  const note = await work();
  const delay = await hub.loopDelay();
  return { delay, beside: (await beside)['p99Ms'] ?? 0, note };
}

try {
  goProgram('gateway/load');
  const given = await kubeWays();
  try {
    const way = given.ways.find((one) => one.name === 'hub');
    if (way === undefined) throw new Error('the hub is missing');
    await fill(given);
    const body = join(runFolder, 'manifest.json');
    // A ConfigMap holds 1 MiB; annotations hold the rest.
    const manifest = {
      ...configMap('x', 1_000_000),
      metadata: { generateName: 'm-', annotations: { note: 'y'.repeat(200_000) } },
    };
    writeFileSync(body, JSON.stringify(manifest));
    const works: Readonly<Record<string, () => Promise<string>>> = {
      nothing: () => sleep(3_000).then(() => ''),
      'a list of 200 MB': async () => {
        const seen = await load('stream', { url: way.url + maps, token: way.token });
        return `${((seen['bytes'] ?? 0) / 1e6).toFixed(0)} MB in ${(seen['seconds'] ?? 0).toFixed(1)} s`;
      },
      'manifests of 1.2 MB, one after another': async () => {
        const seen = await load('put', {
          url: `${way.url}/api/v1/namespaces/default/configmaps`,
          token: way.token,
          body,
          callers: 1,
          seconds: 3,
          warm: 0,
        });
        return `${(seen['perSecond'] ?? 0).toFixed(0)}/s, ${seen['errors'] ?? 0} errors`;
      },
    };
    const table = new Map<string, Seen[]>();
    for (let index = 0; index < Number(values.rounds); index++) {
      for (const [name, work] of Object.entries(works))
        table.set(name, [...(table.get(name) ?? []), await observe(given, way, work)]);
    }
    print(`\nMedians of ${values.rounds} rounds; load average ${loadAverage()}\n`);
    print('| what passes | loop delay p50 ms | p99 ms | max ms | GET beside it, p99 ms | |\n|---|---|---|---|---|---|');
    for (const [name, seen] of table) {
      const of = (pick: (one: Seen) => number): string => median(seen.map(pick)).toFixed(1);
      print(
        `| ${name} | ${of((one) => one.delay.p50)} | ${of((one) => one.delay.p99)} | ${of((one) => one.delay.max)} | ${of((one) => one.beside)} | ${seen[0]?.note ?? ''} |`,
      );
    }
  } finally {
    await given.controlPlane?.stop();
  }
} finally {
  await endAll();
}
