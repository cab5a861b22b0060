import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addQuantities, compareQuantities, formatQuantity, parseQuantity, subtractQuantities } from './quantity.ts';

const canonical = (text: string | number): string => formatQuantity(parseQuantity(text));

describe('a quantity', () => {
  test.each([
    ['0', '0'],
    ['1024Mi', '1Gi'],
    ['1.5', '1500m'],
    ['0.5', '500m'],
    ['1000m', '1'],
    ['1e3', '1e3'],
    ['1000', '1k'],
    ['1500Mi', '1500Mi'],
    ['0.5Gi', '512Mi'],
    ['100Ki', '100Ki'],
    ['1.5Ki', '1536'],
    ['0.1Ki', '102400m'],
    ['1Ei', '1Ei'],
    ['12E', '9223372036854775807'],
    ['-2k', '-2k'],
    ['+3', '3'],
    ['.5', '500m'],
    ['5.', '5'],
    ['1n', '1n'],
    ['0.0000000001', '1n'],
    ['2E', '2E'],
    ['2E2', '200'],
    ['1u', '1u'],
  ])('%s is %s', (text, expected) => {
    expect(canonical(text)).toBe(expected);
  });

  test.each(['', '.', 'x', '1x', '1 Gi', '--1', '1e', '1KiB', 'Gi'])('%j is none', (text) => {
    expect(() => parseQuantity(text)).toThrow(/quantities must match the regular expression/);
  });

  test('adds, subtracts and compares exactly', () => {
    const [a, b] = [parseQuantity('1Gi'), parseQuantity('100m')];
    expect(formatQuantity(addQuantities(b, b))).toBe('200m');
    expect(formatQuantity(subtractQuantities(a, parseQuantity('512Mi')))).toBe('512Mi');
    expect([compareQuantities(a, b) > 0, compareQuantities(parseQuantity('1000m'), parseQuantity('1'))]).toEqual([
      true,
      0,
    ]);
  });

  test('reads what it writes', () => {
    const suffix = fc.constantFrom('n', 'u', 'm', '', 'k', 'M', 'G', 'Ki', 'Mi', 'Gi', 'e3', 'e-2');
    fc.assert(
      fc.property(fc.integer({ min: -100_000, max: 100_000 }), suffix, (value, unit) => {
        const quantity = parseQuantity(`${value}${unit}`);
        expect(parseQuantity(formatQuantity(quantity)).nano).toBe(quantity.nano);
        expect(canonical(formatQuantity(quantity))).toBe(formatQuantity(quantity));
      }),
      { numRuns: 300 },
    );
  });
});
