/**
 * Measures all ways to a target side by side and prints a table of medians with ratios.
 *
 *   node bench/gateway/run.ts [--target bare|kube] [--rounds 3] [--seconds 3] [--only REGEX] [--ways direct,hub]
 */
import { parseArgs } from 'node:util';
import { endAll, loadAverage, median, print } from './children.ts';
import { measures, type TargetPaths } from './measures.ts';
import { bareWays, kubeWays, type Way, type Ways } from './ways.ts';
import { goProgram } from '../go-program.ts';

const { values } = parseArgs({
  options: {
    target: { type: 'string', default: 'bare' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '3' },
    only: { type: 'string', default: '.' },
    ways: { type: 'string', default: 'direct,bare,hub,remotedialer' },
    'hub-flags': { type: 'string', default: '' },
  },
});

const paths: TargetPaths =
  values.target === 'bare'
    ? { get: '/api/v1/namespaces/default/configmaps/b', stream: '/stream', watch: '/watch?watch=1' }
    : { get: '/api/v1/namespaces/default/configmaps/b' };

/** Figures by row, then by way. */
const table = new Map<string, Map<string, number[]>>();

async function round(ways: readonly Way[]): Promise<void> {
  for (const measure of measures.filter((one) => new RegExp(values.only).test(one.name))) {
    for (const way of ways) {
      for (const [row, value] of Object.entries(await measure.run(way, paths, Number(values.seconds)))) {
        const columns = table.get(row) ?? new Map<string, number[]>();
        table.set(row, columns);
        columns.set(way.name, [...(columns.get(way.name) ?? []), value]);
      }
    }
  }
}

const figure = (value: number): string =>
  Number.isNaN(value) ? '' : value >= 100 ? value.toFixed(0) : value.toPrecision(3);

function report(given: Ways, ways: readonly Way[], loads: readonly string[]): void {
  const names = ways.map((way) => way.name);
  const peers = names.includes('hub') && names.includes('remotedialer');
  print(`\nTarget: ${given.target}; medians of ${values.rounds} rounds; load average ${loads.join(', ')}\n`);
  print(`| | ${names.join(' | ')} |${peers ? ' hub / remotedialer |' : ''}`);
  print(`|---|${names.map(() => '---').join('|')}|${peers ? '---|' : ''}`);
  for (const [row, columns] of table) {
    const of = (name: string): number => median(columns.get(name) ?? []);
    const ratio = peers ? ` ${figure(of('hub') / of('remotedialer'))} |` : '';
    print(`| ${row} | ${names.map((name) => figure(of(name))).join(' | ')} |${ratio}`);
  }
}

try {
  goProgram('gateway/load');
  const given =
    values.target === 'bare' ? await bareWays(values['hub-flags'].split(' ').filter(Boolean)) : await kubeWays();
  const ways = given.ways.filter((way) => values.ways.split(',').includes(way.name));
  const loads: string[] = [];
  try {
    for (let index = 0; index < Number(values.rounds); index++) {
      await round(ways);
      loads.push(loadAverage());
    }
    report(given, ways, loads);
  } finally {
    await given.controlPlane?.stop();
  }
} finally {
  await endAll();
}
