import { describe, expect, it } from 'vitest';
import { didYouMean, nearest } from './suggest.ts';

const known = ['create', 'list', 'delete', 'snapshot', 'load', 'serve'];

describe('suggestions', () => {
  it.each([
    ['crate', ['create']],
    ['lst', ['list']],
    ['laod', ['load']],
    ['snap', ['snapshot']],
    ['xyz', []],
    ['', []],
  ])('for %j are %j', (word, expected) => {
    expect(nearest(word, known)).toEqual(expected);
  });

  it('say nothing where nothing is near, and look at a beginning of what is long', () => {
    expect(didYouMean('nothing-like-it', known)).toBe('');
    expect(didYouMean('lsit', known)).toBe(' (did you mean list?)');
    expect(nearest('a'.repeat(100_000), ['a'.repeat(100_000)])).toHaveLength(1);
  });
});
