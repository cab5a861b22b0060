import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

interface KnipReport {
  readonly issues: readonly {
    readonly file: string;
    readonly files: readonly unknown[];
    readonly exports: readonly { readonly name: string }[];
    readonly types: readonly { readonly name: string }[];
  }[];
}

const canary = 'checks/canaries/dead/used-by-nobody.ts: usedByNobody';

describe('dead code', () => {
  it('is only the canary: every file is reached and every export is imported', () => {
    const run = spawnSync('knip', ['--no-progress', '--reporter', 'json'], {
      cwd: join(import.meta.dirname, '..'),
      encoding: 'utf8',
      maxBuffer: 16 << 20,
    });
    const { issues } = JSON.parse(run.stdout) as KnipReport;
    const found = issues.flatMap(({ file, files, exports, types }) => [
      ...files.map(() => `${file} is reached by nothing`),
      ...[...exports, ...types].map(({ name }) => `${file}: ${name}`),
    ]);
    expect(found, 'remove what nobody uses, or no longer export it (rules: knip.json)').toEqual([canary]);
  }, 120_000);
});
