/** Reads the tree for the checks: files of git's index and untracked ones that are not ignored. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

/** Paths relative to the repository, sorted; deleted ones left out. */
export function sourceFiles(): readonly string[] {
  const list = (args: readonly string[]): readonly string[] =>
    execFileSync('git', ['ls-files', '-z', ...args], { cwd: root, encoding: 'utf8', maxBuffer: 64 << 20 }).split('\0');
  const deleted = new Set(list(['--deleted']));
  return [...new Set([...list([]), ...list(['--others', '--exclude-standard'])])]
    .filter((path) => path !== '' && !deleted.has(path))
    .sort();
}

/** The text of a file of the repository. */
export function readSource(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}
