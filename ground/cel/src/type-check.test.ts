import { describe, expect, it } from 'vitest';
import { checkTypes, type CelType } from './type-check.ts';

const fields: Readonly<Record<string, CelType>> = {
  name: { kind: 'string' },
  count: { kind: 'int' },
  on: { kind: 'bool' },
  free: { kind: 'dyn' },
  list: { kind: 'list', of: { kind: 'int' } },
  map: { kind: 'map', of: { kind: 'string' } },
};
const self: CelType = { kind: 'object', name: 'object', field: (name) => fields[name] };
const why = (text: string, wanted: 'bool' | 'string' = 'bool'): string => {
  try {
    checkTypes(text, { self }, wanted);
    return '';
  } catch (error) {
    return (error as Error).message;
  }
};

describe('types', () => {
  it.each([
    'self.count > 1 && self.on',
    'self.free.anything.goes == 1',
    'self.list.all(x, x > 1)',
    'self.map.all(k, k.startsWith("a") && self.map[k] == "b")',
    'has(self.name) ? self.name == "a" : self.on',
    'self.name == null',
    '[1, "a"].exists(x, x == 1)',
    'self.free + 1 == 2',
  ])('that are right, or not known, are let pass: %s', (text) => {
    expect(why(text)).toBe('');
  });

  it.each([
    ['self.none', "undefined field 'none'"],
    ['self.list.all(x, x == "a")', "applied to '(int, string)'"],
    ['self.count + self.name == 1', "'_+_' applied to '(int, string)'"],
    ['self.name.size.a == 1', "type 'string' does not support field selection"],
    ['self.count && true', "expected type 'bool' but found 'int'"],
    ['self.count', 'must evaluate to a bool'],
  ])('that cannot be right are refused: %s', (text, words) => {
    expect(why(text)).toContain(words);
  });

  it('of a message are text', () => {
    expect(why('"is " + self.name', 'string')).toBe('');
    expect(why('self.on', 'string')).toContain('must evaluate to a string');
  });
});
