/**
 * Builds the real parts with the ordinary Go client, in order of need, into the cache.
 *
 *   node lab/build.ts [--need first|real|hosts] [--start-until SECONDS] [--list]
 *
 * `--need real` builds first and real. `--start-until` starts no build after that many seconds from now. What is there
 * already is not built again. Exit code 1 when a `first` part is missing at the end, 0 otherwise.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { binaryPath, moduleFolder, parts, type Part } from './src/parts.ts';

const needs = ['first', 'real', 'hosts'] as const;
const { values } = parseArgs({
  options: {
    need: { type: 'string', default: 'hosts' },
    'start-until': { type: 'string', default: '86400' },
    list: { type: 'boolean', default: false },
  },
});

const startedMs = Date.now();
const secondsSince = (fromMs: number): number => Math.round((Date.now() - fromMs) / 1000);
const print = (line: string): void => void process.stdout.write(`${line}\n`);

function linkerFlags(part: Part): string {
  if (part.kubernetes !== true) return `-s -w ${part.ldflags ?? ''}`.trim();
  const where = 'k8s.io/component-base/version';
  const minor = part.version.split('.')[1] ?? '0';
  const facts: Record<string, string> = {
    [`${where}.gitVersion`]: `v${part.version}`,
    [`${where}.gitMajor`]: '1',
    [`${where}.gitMinor`]: minor,
    [`${where}.gitTreeState`]: 'clean',
    [`${where}.gitCommit`]: '0'.repeat(40),
    [`${where}.buildDate`]: '2026-01-01T00:00:00Z',
    'k8s.io/client-go/pkg/version.gitVersion': `v${part.version}`,
  };
  return ['-s -w', ...Object.entries(facts).map(([name, value]) => `-X ${name}=${value}`)].join(' ');
}

/** Builds beside the final name and renames, so that a build that was stopped leaves nothing half. */
function build(part: Part): boolean {
  const target = binaryPath(part);
  const beginMs = Date.now();
  mkdirSync(dirname(target), { recursive: true });
  const tags = part.kubernetes === true ? ['-tags', 'providerless,selinux'] : [];
  const result = spawnSync(
    'nice',
    [
      '-n',
      '10',
      'go',
      'build',
      ...tags,
      '-trimpath',
      '-ldflags',
      linkerFlags(part),
      '-o',
      `${target}.part`,
      part.package,
    ],
    {
      cwd: moduleFolder(part),
      env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false -mod=readonly' },
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  );
  if (result.status !== 0) {
    print(`${part.name} ${part.version}: FAILED after ${secondsSince(beginMs)} s (is Go installed?)`);
    return false;
  }
  renameSync(`${target}.part`, target);
  print(`${part.name} ${part.version}: built in ${secondsSince(beginMs)} s`);
  return true;
}

const wanted = parts.filter((part) => needs.indexOf(part.need) <= needs.indexOf(values.need as 'first'));
for (const part of wanted) {
  if (existsSync(binaryPath(part))) {
    if (values.list) print(`${part.name} ${part.version}: ${binaryPath(part)}`);
    continue;
  }
  if (values.list) print(`${part.name} ${part.version}: not built`);
  else if (secondsSince(startedMs) >= Number(values['start-until']))
    print(`${part.name} ${part.version}: not begun, the time for builds is over`);
  else build(part);
}
const missing = parts.filter((part) => part.need === 'first' && !existsSync(binaryPath(part)));
if (missing.length > 0) {
  print(`missing: ${missing.map((part) => `${part.name} ${part.version}`).join(', ')}`);
  process.exitCode = 1;
}
