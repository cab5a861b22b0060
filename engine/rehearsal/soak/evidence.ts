/** Writes the table of seeded problems: `node engine/rehearsal/soak/evidence.ts > evidence/rehearsal.md`. */
import { countOver, problemCases, soundCases, type SeededCase } from '../src/seeded-clusters.ts';
import { problemNames, rehearseFixture } from '../src/testing.ts';

const cases = [...problemCases, ...soundCases];
const { found, wanted, right } = countOver(cases);
const row = ({ name, cluster, parameters, targetMinor, problems }: SeededCase): string => {
  const names = problemNames(rehearseFixture(cluster, parameters, { targetMinor }).findings);
  const list = (all: readonly string[]): string => (all.length === 0 ? 'none' : all.join(', '));
  return `| ${name} | ${list(problems)} | ${list(names)} |`;
};
process.stdout.write(
  [
    '# Rehearsal, seeded problems',
    '`node engine/rehearsal/soak/evidence.ts`: 15 clusters with a seeded problem and 5 sound ones, as data in',
    '`engine/rehearsal/src/seeded-clusters.ts`. A problem is an error or a warning with the right object; `npm test` asserts the same.',
    '',
    '| | |',
    '|---|---|',
    `| problems seeded, found, found rightly | ${wanted}, ${found}, ${right} |`,
    `| precision | ${(right / found).toFixed(2)} |`,
    `| recall | ${(right / wanted).toFixed(2)} |`,
    '',
    '| cluster | seeded | found |',
    '|---|---|---|',
    ...cases.map(row),
    '',
  ].join('\n'),
);
