/** The real parts of lab/parts.json: where they are cached, and which are there. Tests skip by this, with a reason. */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** One program. `need` is the tier that cannot run without it; `first` parts are built on any machine before all else. */
export interface Part {
  readonly name: string;
  readonly version: string;
  readonly folder: string;
  readonly module: string;
  readonly package: string;
  readonly kubernetes?: boolean;
  readonly ldflags?: string;
  readonly need: 'first' | 'real' | 'hosts';
  readonly budgetSeconds: number;
}

const labFolder = join(import.meta.dirname, '..');

/** All parts, in order of need. */
export const parts: readonly Part[] = (
  JSON.parse(readFileSync(join(labFolder, 'parts.json'), 'utf8')) as { readonly parts: readonly Part[] }
).parts;

/** The folder that outlives checkouts. POLYANTHUS_LAB_CACHE overrides the user's cache folder. */
export const cacheFolder: string =
  process.env['POLYANTHUS_LAB_CACHE'] ??
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'polyanthus-lab');

/** Where a part's Go module (go.mod, go.sum, tools.go) is. */
export function moduleFolder(part: Part): string {
  return join(labFolder, 'parts', part.module);
}

/** The binary's path, whether it is there or not. */
export function binaryPath(part: Part): string {
  return join(cacheFolder, part.folder, part.name);
}

/** The binary's path, or undefined when it is not built yet. Unknown parts are a programmer error. */
export function binary(name: string, version: string): string | undefined {
  const part = parts.find((one) => one.name === name && one.version === version);
  if (part === undefined) throw new Error(`lab/parts.json has no ${name} ${version}`);
  return existsSync(binaryPath(part)) ? binaryPath(part) : undefined;
}

/** The paths of every built version of a part, newest of parts.json first; empty when none is built. */
export function binaries(name: string): readonly string[] {
  return parts
    .filter((part) => part.name === name)
    .map(binaryPath)
    .filter((path) => existsSync(path));
}

/** Why a test cannot run that needs a program of the system, as `whyNotReal` says it for parts of the lab. */
export function whyNotProgram(path: string): string | undefined {
  if (existsSync(path)) return undefined;
  if (process.env['REQUIRE_REAL'] === '1') throw new Error(`REQUIRE_REAL=1, but ${path} is not installed`);
  return `${path} is not installed`;
}

/**
 * Why a test of the real tier cannot run here, or undefined when it can. With REQUIRE_REAL=1 a missing part is an
 * error, so that a skip can never pass for green.
 */
export function whyNotReal(...wanted: readonly (readonly [name: string, version: string])[]): string | undefined {
  const missing = wanted.filter(([name, version]) => binary(name, version) === undefined).map((pair) => pair.join(' '));
  if (missing.length === 0) return undefined;
  const why = `not built yet: ${missing.join(', ')} (node lab/build.ts)`;
  if (process.env['REQUIRE_REAL'] === '1') throw new Error(`REQUIRE_REAL=1, but ${why}`);
  return why;
}
