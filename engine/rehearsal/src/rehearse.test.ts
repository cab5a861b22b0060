import { describe, expect, it } from 'vitest';
import { countOver, problemCases, soundCases, type SeededCase } from './seeded-clusters.ts';
import { problemNames, rehearseFixture } from './testing.ts';

const problemsOf = ({ cluster, parameters, targetMinor }: SeededCase): readonly string[] =>
  problemNames(rehearseFixture(cluster, parameters, { targetMinor }).findings);

describe('a rehearsal', () => {
  it.each(problemCases.map((one) => [one.name, one] as const))('finds %s', (_name, seeded) => {
    expect(problemsOf(seeded)).toEqual(seeded.problems);
  });

  it.each(soundCases.map((one) => [one.name, one] as const))('is silent about %s', (_name, sound) => {
    const prediction = rehearseFixture(sound.cluster, sound.parameters, { targetMinor: sound.targetMinor });
    expect(problemNames(prediction.findings)).toEqual([]);
    expect(prediction.verdict).toBe('sound');
    expect(prediction.steps.map((step) => step.outcome)).not.toContain('fails');
  });

  it('has precision and recall 1 over all of them', () => {
    expect([problemCases.length, soundCases.length]).toEqual([15, 5]);
    const { found, wanted, right } = countOver([...problemCases, ...soundCases]);
    expect({ precision: right / found, recall: right / wanted }).toEqual({ precision: 1, recall: 1 });
  });
});
