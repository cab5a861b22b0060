/**
 * One stream of 256 MiB over a link between agent and hub: two network namespaces joined by a veth pair that tbf paces, and
 * relays that hold every byte for 10 ms each way (the kernels of small virtual machines have no netem). Needs root.
 *
 *   node bench/gateway/link.ts [--mbit 500] [--rounds 3]
 */
import { parseArgs } from 'node:util';
import { cpuSeconds, endAll, load, loadAverage, median, print } from './children.ts';
import { enterLink, netLink } from './net-link.ts';
import { linkedWays } from './ways.ts';

const { values } = parseArgs({
  options: { mbit: { type: 'string', default: '500' }, rounds: { type: 'string', default: '3' } },
});

async function measure(): Promise<void> {
  const { ways } = await linkedWays(netLink());
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
}

const code = enterLink(Number(values.mbit));
if (code === undefined) {
  try {
    await measure();
  } finally {
    await endAll();
  }
} else process.exitCode = code;
