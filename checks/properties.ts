/** `npm run soak:properties`: runs every test with the report on and writes evidence/properties.md. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';

const root = join(import.meta.dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'polyanthus-properties-'));
const report = join(folder, 'runs.jsonl');

try {
  const run = spawnSync('vitest', ['run', '--project', 'pure', '--project', 'server'], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, POLYANTHUS_PROPERTY_REPORT: report },
  });
  const lines = readFileSync(report, 'utf8')
    .trim()
    .split('\n')
    .map(
      (line) =>
        JSON.parse(line) as {
          readonly file: string;
          readonly test: string;
          readonly runs: number;
          readonly failed: boolean;
        },
    );
  const byTest = new Map<string, { file: string; test: string; runs: number }>();
  for (const line of lines) {
    const key = `${line.file}\n${line.test}`;
    const one = byTest.get(key) ?? { file: relative(root, line.file), test: line.test, runs: 0 };
    one.runs += line.runs;
    byTest.set(key, one);
  }
  const rows = [...byTest.values()].sort((one, other) =>
    `${one.file}${one.test}` < `${other.file}${other.test}` ? -1 : 1,
  );
  const total = rows.reduce((sum, row) => sum + row.runs, 0);
  const table = rows.map((row) => `| ${row.file} | ${row.test.replaceAll('|', '\\|')} | ${row.runs} |`);
  writeFileSync(
    join(root, 'evidence/properties.md'),
    `# Properties and fuzzed parsers\nEvery property of the hermetic tests and how many cases one run of \`npm run soak:properties\` tried (2 s each at most).\n\n${total} cases in ${rows.length} properties, ${lines.filter((line) => line.failed).length} failed.\n\n| file | property | cases |\n|---|---|---|\n${table.join('\n')}\n`,
  );
  process.exitCode = run.status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
