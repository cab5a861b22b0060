/**
 * Regular expressions of users: RE2 syntax, time linear in the text whatever the pattern (JavaScript's own can be made to
 * run for ever). Kubernetes' patterns are Go's, which are RE2 and unanchored.
 */
import { RE2JS } from '@bufbuild/re2';
import { celErrors } from './errors.ts';

/** Characters of a pattern, and compiled patterns that are kept. */
const patternLengthMax = 4096;
const keptMax = 1000;

const kept = new Map<string, RE2JS>();

/** Compiles, or gives what was compiled before. Throws PatternInvalid. */
export function compilePattern(pattern: string): { readonly test: (text: string) => boolean } {
  const known = kept.get(pattern);
  if (known !== undefined) return known;
  if (pattern.length > patternLengthMax) {
    throw celErrors.error('PatternInvalid', `the pattern is longer than ${patternLengthMax} characters`);
  }
  try {
    const compiled = new RE2JS(pattern);
    if (kept.size >= keptMax) kept.clear();
    kept.set(pattern, compiled);
    return compiled;
  } catch (cause) {
    throw celErrors.error('PatternInvalid', `the pattern ${JSON.stringify(pattern)} is no RE2 expression`, { cause });
  }
}

/** Whether the pattern matches anywhere in the text. Throws PatternInvalid. */
export function matchesPattern(pattern: string, text: string): boolean {
  return compilePattern(pattern).test(text);
}
