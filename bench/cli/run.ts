/**
 * Start of the command line beside kubectl, each run a fresh process, in turn.
 *
 *   node bench/cli/run.ts [--rounds 15]
 */
import { cpSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { binary } from '../../lab/src/parts.ts';
import { bundle, endAll, loadAverage, median, print, runFolder } from '../gateway/children.ts';
import { timed } from '../gateway/real-hub.ts';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '15' } } });
const kubectl = binary('kubectl', '1.37.2');

try {
  const main = bundle();
  const ours = [process.execPath, main] as const;
  const commands: readonly (readonly [what: string, command: string, ...args: string[]])[] = [
    ['polyanthus --version', ...ours, '--version'],
    ['polyanthus fleet list --help', ...ours, 'fleet', 'list', '--help'],
    ['node alone (-e 0)', process.execPath, '-e', '0'],
    ...(kubectl === undefined
      ? []
      : ([
          ['kubectl version --client', kubectl, 'version', '--client'],
          ['kubectl get --help', kubectl, 'get', '--help'],
        ] as const)),
  ];
  // Files that no process has read yet from there: as close to cold as it goes without emptying the page cache.
  const fresh = join(runFolder, 'fresh');
  cpSync(dirname(main), fresh, { recursive: true });
  const coldMs = await timed(process.execPath, [join(fresh, 'main.mjs'), '--version']);
  const times = new Map<string, number[]>();
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [what, command, ...args] of commands)
      times.set(what, [...(times.get(what) ?? []), await timed(command, args)]);
  }
  print(
    `\nMedians of ${values.rounds} rounds; load average ${loadAverage()}; first start from a fresh copy ${coldMs.toFixed(0)} ms\n`,
  );
  print('| command | median ms | fastest ms |\n|---|---|---|');
  for (const [what, all] of times) print(`| ${what} | ${median(all).toFixed(0)} | ${Math.min(...all).toFixed(0)} |`);
} finally {
  await endAll();
}
