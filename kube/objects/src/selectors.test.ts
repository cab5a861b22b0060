import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { labelSelectorMatcher, parseFieldSelector, parseLabelSelector } from './selectors.ts';

describe('a label selector', () => {
  test.each([
    ['', {}, true],
    ['a=b', { a: 'b' }, true],
    ['a==b', { a: 'c' }, false],
    ['a!=b', {}, true],
    ['a', { a: '' }, true],
    ['!a', { a: '' }, false],
    ['a in (b, c)', { a: 'c' }, true],
    ['a in (b)', {}, false],
    ['a notin (b)', {}, true],
    ['a notin (b,)', { a: '' }, false],
    ['a in (,b)', { a: '' }, true],
    ['a in ()', { a: '' }, true],
    ['a=', { a: '' }, true],
    ['a>5', { a: '10' }, true],
    ['a<5', { a: '10' }, false],
    ['a>5', { a: 'x' }, false],
    ['in in (in,notin)', { in: 'notin' }, true],
    ['x.io/a=b,c', { 'x.io/a': 'b', c: 'd' }, true],
    ['constructor', {}, false],
  ] as const)('%s on %j is %s', (text, labels, expected) => {
    expect(parseLabelSelector(text).matches(labels)).toBe(expected);
  });

  test.each([
    ['a in (x', "unable to parse requirement: found '', expected: ',' or ')'"],
    ['a b', "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"],
    ['=x', "found '=', expected: !, identifier, or 'end of string'"],
    ['!a=b', "found '=', expected: ',' or 'end of string'"],
    [
      'a>x',
      "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer",
    ],
    ['a,,b', "found ',', expected: identifier after ','"],
    ['a in x', "unable to parse requirement: found 'x' expected: '('"],
  ])('%s is refused in the words of kube-apiserver', (text, message) => {
    expect(() => parseLabelSelector(text)).toThrow(expect.objectContaining({ message, code: 'BadRequest' }));
  });

  test('prints sorted, and reads what it prints', () => {
    const text = parseLabelSelector('c notin (z,a), b,!a,d==e').toString();
    expect(text).toBe('!a,b,c notin (a,z),d=e');
    expect(parseLabelSelector(text).toString()).toBe(text);
  });

  test('of an object matches nothing when absent, everything when empty', () => {
    expect(labelSelectorMatcher(undefined).matches({ a: 'b' })).toBe(false);
    expect(labelSelectorMatcher({}).matches({ a: 'b' })).toBe(true);
    const selector = labelSelectorMatcher({
      matchLabels: { a: 'b' },
      matchExpressions: [{ key: 'c', operator: 'DoesNotExist' }],
    });
    expect(selector.toString()).toBe('a=b,!c');
    expect([selector.matches({ a: 'b' }), selector.matches({ a: 'b', c: '' })]).toEqual([true, false]);
    expect(() => labelSelectorMatcher({ matchExpressions: [{ key: 'c', operator: 'Near' }] })).toThrow(
      /"Near" is not a valid label selector operator/,
    );
  });

  test('of any text parses or is a bad request', () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom('a', 'b', '=', '!', '(', ')', ',', ' ', '>', '<', 'in ', 'notin '),
          maxLength: 14,
        }),
        (text) => {
          try {
            const selector = parseLabelSelector(text);
            expect(parseLabelSelector(selector.toString()).toString()).toBe(selector.toString());
          } catch (error) {
            expect(error).toMatchObject({ code: 'BadRequest' });
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('a field selector', () => {
  test('compares texts, absent ones as empty', () => {
    const selector = parseFieldSelector('spec.nodeName=,status.phase!=Running');
    expect([selector.matches({}), selector.matches({ 'status.phase': 'Running' })]).toEqual([true, false]);
    expect(selector.requirements).toEqual([
      { field: 'spec.nodeName', operator: '=', value: '' },
      { field: 'status.phase', operator: '!=', value: 'Running' },
    ]);
  });

  test.each([
    ['a', "invalid selector: 'a'; can't understand 'a'"],
    ['metadata.name=a=b', 'invalid field selector: unescaped character in value: 61'],
    ['a=b\\', 'invalid field selector: invalid escape sequence: \\'],
  ])('%s is refused', (text, message) => {
    expect(() => parseFieldSelector(text)).toThrow(expect.objectContaining({ message }));
  });

  test('escapes what it prints', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', ',', '=', '\\') }), (value) => {
        const text = `f=${value.replaceAll(/[\\,=]/g, (mark) => `\\${mark}`)}`;
        const selector = parseFieldSelector(text);
        expect(selector.requirements).toEqual([{ field: 'f', operator: '=', value }]);
        expect(selector.toString()).toBe(text);
      }),
      { numRuns: 200 },
    );
  });
});
