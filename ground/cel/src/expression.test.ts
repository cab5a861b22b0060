import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileExpression, type Outcome } from './expression.ts';
import { listValue, mapValue, timestampValue, type ExpressionValue } from './values.ts';

const object = (fields: Readonly<Record<string, ExpressionValue>>): ExpressionValue =>
  mapValue(new Map(Object.entries(fields)));
const self = object({ name: 'web', ports: listValue([80n, 443n]), labels: object({ app: 'web' }), ratio: 0.5 });
const evaluate = (text: string, variables: Readonly<Record<string, ExpressionValue>> = { self }): Outcome =>
  compileExpression(text, ['self', 'oldSelf']).evaluate(variables, { left: 10_000 });
const fails = (text: string): string => {
  try {
    compileExpression(text, ['self', 'oldSelf']);
  } catch (error) {
    return (error as Error).message;
  }
  return '';
};

describe('an expression', () => {
  it.each([
    ['has(self.name) != has(self.missing)', true],
    ['self.ports.all(port, port > 0 && port < 65536)', true],
    ['self.ports.exists(port, port == 22)', false],
    ['size(self.ports) == 2 && self.ports[1] == 443', true],
    ["self.labels.app.matches('^[a-z]+$') && 'app' in self.labels", true],
    ["self.name == 'web' ? self.ratio < 1.0 : false", true],
    ['self.ports.map(port, port + 1) == [81, 444]', true],
    ["'a,b'.split(',').size() == 2 && 'ABC'.lowerAscii() == 'abc'", true],
    ["'äöü😀x'.indexOf('x') == 4 && 'äöü😀x'.substring(3, 4) == '😀' && 'a.b.c'.lastIndexOf('.') == 3", true],
    ["'a-b-c'.replace('-', '+', 1) == 'a+b-c' && ['a', 'b'].join('/') == 'a/b' && ' x '.trim() == 'x'", true],
    ["'a,b,c'.split(',', 2) == ['a', 'b,c'] && 'abc'.charAt(1) == 'b' && 'ab'.upperAscii() == 'AB'", true],
    ['self.ports.sum() == 523 && self.ports.max() == 443 && self.ports.isSorted()', true],
    ['self.ports.indexOf(443) == 1', true],
    ["type(self.name) == string && int('5') == 5", true],
  ])('%s', (text, wanted) => {
    expect(evaluate(text)).toEqual({ kind: 'value', value: wanted });
  });

  it('knows moments', () => {
    const at = { self: timestampValue(Date.UTC(2026, 0, 2)) };
    expect(evaluate("self > timestamp('2026-01-01T00:00:00Z')", at)).toEqual({ kind: 'value', value: true });
  });

  it.each([
    ['self.nothing == 1', 'no such key: nothing'],
    ['self.ports[7] == 1', 'index out of bounds: 7'],
    ['1 / 0 == 1', 'division by zero'],
    ['self.name + 1 == 2', 'no such overload'],
    ['9223372036854775807 + 1 > 0', 'integer overflow'],
  ])('fails in the words of cel-go: %s', (text, message) => {
    expect(evaluate(text)).toEqual({ kind: 'failed', message });
  });

  it.each([
    ['self.name ==', /^compilation failed: ERROR: <input>:1:\d+: Syntax error: /],
    [
      'nobody == 1',
      "compilation failed: ERROR: <input>:1:1: undeclared reference to 'nobody' (in container '')\n | nobody == 1\n | ^",
    ],
    ['self.name.frobnicate()', /undeclared reference to 'frobnicate'/],
    ['step__of__a__loop()', /undeclared reference to 'step__of__a__loop'/],
    ['('.repeat(300) + '1' + ')'.repeat(300), /nest deeper/],
  ])('is refused: %s', (text, message) => {
    const said = fails(text);
    if (typeof message === 'string') expect(said).toBe(message);
    else expect(said).toMatch(message);
  });

  it.each(["self.?name.orValue('') == ''", "quantity('1').isGreaterThan(quantity('2'))", 'cel.bind(x, 1, x == 1)'])(
    'says what it lacks: %s',
    (text) => {
      const expression = compileExpression(text, ['self', 'oldSelf']);
      expect(expression.lacks).not.toBeUndefined();
      expect(expression.evaluate({ self }, { left: 100 }).kind).toBe('failed');
    },
  );

  it('tells which variables it names', () => {
    const expression = compileExpression('self.name == oldSelf.name', ['self', 'oldSelf']);
    expect([expression.uses('self'), expression.uses('oldSelf'), expression.uses('other')]).toEqual([
      true,
      true,
      false,
    ]);
  });

  it('ends where its budget does, however its loops nest', () => {
    const many = { self: listValue(Array.from({ length: 1000 }, (_, index) => BigInt(index))) };
    const nested = compileExpression('self.all(a, self.all(b, self.all(c, a + b + c >= 0)))', ['self']);
    expect(nested.evaluate(many, { left: 20_000 })).toEqual({ kind: 'costly' });
    const hidden = compileExpression('self.exists(a, self.map(b, b)[0] == 1) || true', ['self']);
    expect(hidden.evaluate(many, { left: 20_000 })).toEqual({ kind: 'costly' });
    const budget = { left: 20_000 };
    const once = compileExpression('self.all(a, a >= 0)', ['self']);
    expect(once.evaluate(many, budget)).toEqual({ kind: 'value', value: true });
    expect(budget.left).toBeGreaterThan(18_000);
  });

  it.each([
    ["self.list.all(a, self.text.matches('^(a+)+$'))"],
    ["self.list.all(a, size(self.text.split('a')) > 0)"],
    ['self.list.all(a, self.list == self.list)'],
    ['self.list.all(a, !(-1 in self.list))'],
    ['self.list.all(a, (self.list + self.list).size() > 0)'],
  ])('costs as much as what it looks at is large: %s', (text) => {
    const large = object({
      text: 'a'.repeat(200_000),
      list: listValue(Array.from({ length: 1000 }, (_, index) => BigInt(index))),
    });
    const budget = { left: 20_000 };
    expect(compileExpression(text, ['self']).evaluate({ self: large }, budget)).toEqual({ kind: 'costly' });
    // No further than the one function that no longer fits.
    expect(-budget.left).toBeLessThan(100_000);
  });

  it('of any text compiles or is refused by code, and evaluates without throwing', () => {
    const words = [
      'self',
      'oldSelf',
      'has(',
      ')',
      '.name',
      '==',
      '1',
      '"a"',
      '[',
      ']',
      '.all(x,',
      'x',
      '?',
      ':',
      '&&',
      '!',
    ];
    const texts = fc.oneof(
      fc.string({ maxLength: 30 }),
      fc.array(fc.constantFrom(...words), { maxLength: 12 }).map((some) => some.join(' ')),
    );
    fc.assert(
      fc.property(texts, (text) => {
        try {
          compileExpression(text, ['self', 'oldSelf']).evaluate({ self, oldSelf: self }, { left: 1000 });
        } catch (error) {
          expect(error).toMatchObject({ code: 'ExpressionInvalid' });
        }
      }),
      { interruptAfterTimeLimit: 2000 },
    );
  });
});
