/**
 * One stream of 256 MiB over a link between agent and hub: a relay process that holds bytes for 10 ms each way and paces
 * them (the kernels of small virtual machines have no netem).
 *
 *   node bench/gateway/link.ts [--mbit 500] [--rounds 3]
 */
import { parseArgs } from 'node:util';
import { cpuSeconds, endAll, goProgram, load, loadAverage, median, print, start } from './children.ts';
import { linkedWays } from './ways.ts';

const { values } = parseArgs({
  options: { mbit: { type: 'string', default: '500' }, rounds: { type: 'string', default: '3' } },
});

try {
  const program = goProgram('load');
  const link = async (port: number): Promise<number> =>
    Number((await start(program, ['relay', `-url=127.0.0.1:${port}`, `-mbit=${values.mbit}`, '-delay=10ms'])).line);
  const { ways } = await linkedWays(link);
  const rates = new Map<string, number[]>();
  const cpus = new Map<string, number[]>();
  for (let index = 0; index < Number(values.rounds); index++) {
    for (const way of ways) {
      const before = cpuSeconds(way.pids);
      const figures = await load('stream', { url: `${way.url}/stream`, token: way.token });
      const cores = (cpuSeconds(way.pids) - before) / (figures['seconds'] ?? 1);
      rates.set(way.name, [...(rates.get(way.name) ?? []), figures['mbPerSecond'] ?? 0]);
      cpus.set(way.name, [...(cpus.get(way.name) ?? []), cores]);
    }
  }
  const full = Number(values.mbit) / 8;
  print(
    `\nLink of ${values.mbit} Mbit/s (${full} MB/s) and 20 ms; medians of ${values.rounds}; load average ${loadAverage()}\n`,
  );
  print('| way | MB/s | of the link | cores of hub and agent |\n|---|---|---|---|');
  for (const way of ways) {
    const rate = median(rates.get(way.name) ?? []);
    const cores = way.pids.length === 0 ? '' : median(cpus.get(way.name) ?? []).toFixed(2);
    print(`| ${way.name} | ${rate.toFixed(1)} | ${((rate / full) * 100).toFixed(0)} % | ${cores} |`);
  }
} finally {
  await endAll();
}
