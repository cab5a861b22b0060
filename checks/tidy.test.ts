import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { productVersion } from '@polyanthus/ground-base/version';
import { describe, expect, it } from 'vitest';
import { declaredCodes, generatedFiles } from './generated.ts';
import { allRooms } from './house.ts';
import { readSource, sourceFiles } from './sources.ts';
import { tidy, tidyRules } from './tidy.ts';

const root = join(import.meta.dirname, '..');
const files = sourceFiles();
const manifest = JSON.parse(readSource('package.json')) as Record<
  'dependencies' | 'devDependencies' | 'optionalDependencies',
  Record<string, string>
> & { version: string };

describe('the sources', () => {
  it('keep every tidy rule', () => {
    expect(files.length).toBeGreaterThan(100);
    expect(tidy(files, readSource)).toEqual([]);
  });

  it('would be found out: each rule has a canary', () => {
    const importer = ['kube/y/src/b.ts', "import { a } from '@polyanthus/kube-x/a';"] as const;
    const canaries: Readonly<Record<string, readonly [path: string, text: string]>> = {
      'passed-in-time-and-chance': ['kube/x/src/a.ts', 'setTimeout(go, 1);'],
      'no-console': ['kube/x/src/a.ts', 'console.log(1);'],
      'no-process-env': ['kube/x/src/a.ts', "const a = process.env['X'];"],
      'file-length': ['kube/x/src/a.ts', '\n'.repeat(500)],
      'documented-exports': ['kube/x/src/a.ts', 'export const a = 1;'],
      'skips-say-why': ['kube/x/src/a.real.test.ts', "it.skipIf(absent)('works', check);"],
      'whole-tests': ['kube/x/src/a.test.ts', "it.skip('works', check);"],
      'no-sleeps': ['kube/x/src/a.test.ts', "import { setTimeout } from 'node:timers/promises';"],
      'no-machine-paths': ['docs/a.md', 'see /work/main'],
      'readme-length': ['kube/x/README.md', '\n'.repeat(90)],
    };
    expect(Object.keys(canaries).sort()).toEqual(tidyRules.map((rule) => rule.name).sort());
    for (const [name, [path, text]] of Object.entries(canaries)) {
      const texts = new Map([[path, text], importer]);
      expect(tidy([...texts.keys()], (one) => texts.get(one) ?? '').join('\n')).toContain(`${path}:`);
      expect(tidy([path, importer[0]], (one) => texts.get(one) ?? '').join('\n')).toContain(`: ${name}. `);
    }
  });

  it('have no canary that a sound file would trip', () => {
    const sound = ['/** One. */', 'export const a = 1;', 'socket.setTimeout(0);', '// console.log(1)'].join('\n');
    const texts = new Map([
      ['kube/x/src/a.ts', sound],
      ['kube/y/src/b.ts', "import { a } from '@polyanthus/kube-x/a';"],
    ]);
    expect(tidy([...texts.keys()], (one) => texts.get(one) ?? '')).toEqual([]);
  });

  it('give every room a README', () => {
    const rooms = allRooms();
    expect(rooms.length).toBeGreaterThan(15);
    expect(
      rooms.filter(
        (room) => existsSync(join(root, room, 'package.json')) && !existsSync(join(root, room, 'README.md')),
      ),
    ).toEqual([]);
  });

  it('carry one version', () => {
    expect(manifest.version).toBe(productVersion);
  });
});

describe('error codes', () => {
  it('are unique, and each is given somewhere', async () => {
    const codes = await declaredCodes();
    expect(codes.length).toBeGreaterThan(10);
    const names = codes.map((one) => one.code);
    expect(
      names.filter((name, index) => names.indexOf(name) !== index),
      'declared twice',
    ).toEqual([]);
    const code =
      files
        .filter((path) => /^(ground|kube|engine|domains|apps)\/.*\.ts$/.test(path) && !path.endsWith('/errors.ts'))
        .map(readSource)
        .join('\n') + readSource('ground/base/src/context.ts');
    expect(
      names.filter((name) => !code.includes(`'${name}'`)),
      'declared but never given: remove the entry or give the error',
    ).toEqual([]);
  });
});

describe('generated files', () => {
  it.each(generatedFiles.map((file) => [file.path, file] as const))(
    '%s is fresh',
    async (path, file) => {
      expect(existsSync(join(root, path)) ? readSource(path) : '', 'run npm run generate').toBe(await file.make());
    },
    60_000,
  );
});

describe('dependencies', () => {
  it('each have their line in docs/dependencies.md', () => {
    const page = readSource('docs/dependencies.md').split('## Programs')[0] ?? '';
    const names = [
      ...Object.keys(manifest.dependencies),
      ...Object.keys(manifest.devDependencies),
      ...Object.keys(manifest.optionalDependencies),
    ];
    expect(names.length).toBeGreaterThan(20);
    expect(
      names.filter((name) => !page.includes(`| \`${name}\``)),
      'add a line: what it replaces and why it is the best kept',
    ).toEqual([]);
    expect(
      [...page.matchAll(/^\| `([^`]+)`/gm)].map((match) => match[1]).filter((name) => !names.includes(name ?? '')),
      'no longer used',
    ).toEqual([]);
  });

  it('are pinned exactly', () => {
    const versions = Object.values({
      ...manifest.dependencies,
      ...manifest.devDependencies,
      ...manifest.optionalDependencies,
    });
    expect(versions.filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });
});

describe('the linter', () => {
  it('finds the canary: a floating promise and a switch that is not exhaustive', async () => {
    // The root's configuration ignores the canaries, and no option of oxlint undoes that: the same rules, nothing ignored.
    const folder = await mkdtemp(join(tmpdir(), 'lint-canary-'));
    const rules = { ...(JSON.parse(readSource('.oxlintrc.json')) as object), ignorePatterns: [] };
    await writeFile(join(folder, 'rules.json'), JSON.stringify(rules));
    const canary = join(root, 'checks/canaries/lint/floating.ts');
    const run = spawnSync('oxlint', ['--type-aware', '-c', join(folder, 'rules.json'), canary], {
      cwd: root,
      encoding: 'utf8',
    });
    await rm(folder, { recursive: true });
    expect(run.status).toBe(1);
    expect(run.stdout).toContain('no-floating-promises');
    expect(run.stdout).toContain('switch-exhaustiveness-check');
  }, 60_000);

  it('and the type checker look at every file, canaries and vendored parts left out', () => {
    const listed = spawnSync('tsc', ['-p', 'tsconfig.json', '--listFilesOnly'], {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 16 << 20,
    });
    const checked = new Set(listed.stdout.split('\n'));
    const wanted = files.filter((path) => path.endsWith('.ts') && !path.startsWith('checks/canaries/'));
    expect(wanted.length).toBeGreaterThan(500);
    expect(
      wanted.filter((path) => !checked.has(join(root, path))),
      'add its folder to tsconfig.json',
    ).toEqual([]);
  }, 60_000);
});
