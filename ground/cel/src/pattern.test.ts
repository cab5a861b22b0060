import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compilePattern, matchesPattern } from './pattern.ts';

describe('a pattern', () => {
  it('matches as Go does: anywhere, unless anchored', () => {
    expect(matchesPattern('b+', 'abba')).toBe(true);
    expect(matchesPattern('^b+$', 'abba')).toBe(false);
    expect(matchesPattern('^[a-z]([-a-z0-9]*[a-z0-9])?$', 'web-1')).toBe(true);
    expect(matchesPattern('(?i)^YES$', 'yes')).toBe(true);
    expect(matchesPattern('^\\p{L}+$', 'größe')).toBe(true);
  });

  it('refuses what RE2 has not', () => {
    for (const bad of ['(?=a)', '(a)\\1', '(', '[', 'a**', 'x'.repeat(5000)])
      expect(() => compilePattern(bad)).toThrow(/pattern/);
  });

  it('does not run for ever', () => {
    expect(matchesPattern('^(a+)+$', `${'a'.repeat(20_000)}b`)).toBe(false);
  });

  it('of any text compiles or is refused by code, and quoted texts match themselves', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), (text) => {
        try {
          compilePattern(text).test(text);
        } catch (error) {
          expect(error).toMatchObject({ code: 'PatternInvalid' });
        }
        expect(matchesPattern(`^${text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')}$`, text)).toBe(
          !text.includes('\n') || matchesPattern('(?s)^.*$', text),
        );
      }),
      { interruptAfterTimeLimit: 2000 },
    );
  });
});
