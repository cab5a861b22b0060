/** Rules of the house that are about text: each is data with a message that says how to mend it. */

import { publicExports, type PublicExports } from './public-exports.ts';

/** A rule over one file; answers the lines that break it (1-based), or nothing. */
export interface TidyRule {
  readonly name: string;
  readonly mend: string;
  readonly applies: (path: string) => boolean;
  readonly find: (text: string, path: string, tree: Tree) => readonly number[];
}

/** What a rule may know of the whole tree. */
interface Tree {
  readonly publicExports: PublicExports;
}

const isCode = (path: string): boolean => /^(ground|kube|engine|domains|apps)\/.*\.ts$/.test(path);
const isTest = (path: string): boolean =>
  /\.test\.ts$|\/testing(\/|\.ts$)|\/soak\/|\/conformance[\w-]*\.ts$/.test(path);
const isRoom = (path: string): boolean => isCode(path) && !isTest(path) && !path.startsWith('apps/');

function linesWith(pattern: RegExp): TidyRule['find'] {
  return (text) =>
    text
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) && !/^\s*(\*|\/\/|\/\*)/.test(line) ? [index + 1] : []));
}

/** Time, randomness and I/O are passed in: the only files that touch the real ones. */
const adapters = new Set(['ground/base/src/clock.ts', 'ground/base/src/random.ts']);

const exported = /^export (?:async )?(?:function\*?|class|interface|type|const|abstract class) (\w+)/;

/** Lines of exports that other rooms import and that have no doc comment right above. */
function undocumentedExports(text: string, path: string, tree: Tree): readonly number[] {
  const names = tree.publicExports.get(path);
  if (names === undefined) return [];
  const lines = text.split('\n');
  return lines.flatMap((line, index) => {
    const name = exported.exec(line)?.[1];
    if (name === undefined || !names.has(name)) return [];
    let above = index - 1;
    while (above >= 0 && /^\s*$/.test(lines[above] ?? '')) above--;
    return /\*\/\s*$/.test(lines[above] ?? '') ? [] : [index + 1];
  });
}

/** A test of the real or hosts tier that can skip, but asks none of the lab's gates, which name the reason. */
function skipsWithoutReason(text: string): readonly number[] {
  const gated = /\bwhyNot/.test(text);
  return gated ? [] : [1];
}

/** All rules. */
export const tidyRules: readonly TidyRule[] = [
  {
    name: 'passed-in-time-and-chance',
    mend: 'Take a Clock or Random from the context or the options instead.',
    applies: (path) => isRoom(path) && !adapters.has(path),
    find: linesWith(
      /\b(Date\.now\(|new Date\(\)|(?<![.\w])setTimeout\(|setInterval\(|Math\.random\(|performance\.now\()/,
    ),
  },
  {
    name: 'no-console',
    mend: 'Log through ctx.log, print through Io.',
    applies: (path) => isCode(path) && !isTest(path),
    find: linesWith(/\bconsole\.\w+\(/),
  },
  {
    name: 'no-process-env',
    mend: 'Only mains read the environment; take the value as an option.',
    applies: isRoom,
    find: linesWith(/\bprocess\.env\b/),
  },
  {
    name: 'file-length',
    mend: 'Split the file by noun; 400 lines at most.',
    applies: (path) => isCode(path) && !isTest(path) && !path.endsWith('.test.ts'),
    find: (text) => (text.split('\n').length > 401 ? [401] : []),
  },
  {
    name: 'documented-exports',
    mend: 'Write a doc comment above the export: what it is, units, errors, source of the rule.',
    applies: (path) => isCode(path) && !/(\.test|\/core|\/errors)\.ts$/.test(path),
    find: undocumentedExports,
  },
  {
    name: 'skips-say-why',
    mend: 'Gate the tests by whyNotReal, whyNotProgram (lab/src/parts.ts), whyNotHosts or whyNotRoot (lab/src/hosts.ts).',
    applies: (path) => /\.(real|hosts)\.test\.ts$/.test(path),
    find: skipsWithoutReason,
  },
  {
    name: 'whole-tests',
    mend: 'No test is left out, singled out, tried again or mocked.',
    applies: (path) => path.endsWith('.test.ts') && !path.startsWith('checks/'),
    find: linesWith(/\b(it|test|describe)\.(skip|only|todo|fails)\b|\bvi\.(mock|useFakeTimers)\b|\bretry: ?\d/),
  },
  {
    name: 'no-sleeps',
    mend: 'A hermetic test waits for an event or a virtual clock, never for time.',
    applies: (path) => path.endsWith('.test.ts') && !/\.(real|hosts)\.test\.ts$|^checks\//.test(path),
    find: linesWith(/(?<![.\w])setTimeout\(|timers\/promises/),
  },
  {
    name: 'no-machine-paths',
    mend: 'Name no path of a machine and no registry host.',
    applies: (path) =>
      /\.(ts|md|sh|json|yaml)$/.test(path) &&
      !path.startsWith('checks/') &&
      path !== 'package-lock.json' &&
      !path.startsWith('lab/parts/'),
    find: linesWith(/\/work\/|\/root\/(\.cache|go)\b|registry\.npmjs|proxy\.golang|deb\.debian/),
  },
  {
    name: 'readme-length',
    mend: 'A room README has 60 lines at most.',
    applies: (path) => /^(ground|kube|engine|domains|apps)\/[^/]+\/README\.md$/.test(path),
    find: (text) => (text.split('\n').length > 61 ? [61] : []),
  },
];

/** `path:line: rule. how to mend` for every finding. */
export function tidy(files: readonly string[], read: (path: string) => string): readonly string[] {
  const tree: Tree = { publicExports: publicExports(files, read) };
  return files.flatMap((path) =>
    tidyRules
      .filter((rule) => rule.applies(path))
      .flatMap((rule) =>
        rule.find(read(path), path, tree).map((line) => `${path}:${line}: ${rule.name}. ${rule.mend}`),
      ),
  );
}
