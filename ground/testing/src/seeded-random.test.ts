import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSeededRandom } from './seeded-random.ts';

describe('seeded randomness', () => {
  it('is the same for the same seed and another for another', () => {
    const draw = (seed: number): unknown => {
      const random = createSeededRandom(seed);
      return [random.float(), [...random.bytes(8)], random.uuid()];
    };
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        expect(draw(seed)).toEqual(draw(seed));
        expect(draw(seed)).not.toEqual(draw(seed + 1));
      }),
      { interruptAfterTimeLimit: 2_000 },
    );
  });

  it('stays in range, fills the range, and repeats no uuid', () => {
    const random = createSeededRandom(1);
    const floats = Array.from({ length: 10_000 }, () => random.float());
    expect(floats.every((value) => value >= 0 && value < 1)).toBe(true);
    const mean = floats.reduce((sum, value) => sum + value, 0) / floats.length;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.02);
    expect(new Set(random.bytes(10_000)).size).toBe(256);
    const uuids = Array.from({ length: 1_000 }, () => random.uuid());
    expect(new Set(uuids).size).toBe(1_000);
    for (const uuid of uuids)
      expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });
});
