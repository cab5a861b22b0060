import {
  array,
  assert,
  bigInt,
  boolean,
  constant,
  constantFrom,
  dictionary,
  double,
  integer,
  letrec,
  oneof,
  property,
  string,
} from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dumpYaml, dumpYamlDocuments } from './dump.ts';
import { openYaml } from './edit.ts';
import { parseYaml, parseYamlDocuments } from './parse.ts';
import type { YamlValue } from './value.ts';

const code = (fn: () => unknown): string => {
  try {
    fn();
  } catch (error) {
    return `${(error as { code?: string }).code ?? ''}: ${(error as Error).message}`;
  }
  return 'nothing was thrown';
};

describe('reading', () => {
  it('reads scalars as sigs.k8s.io/yaml does', () => {
    const text = [
      'yes: [y, Yes, on, TRUE]',
      'off: [n, No, off, "no"]',
      'octal: [0777, 0o17, 08, 0x1F, 0b101]',
      'long: [1_000, 1e3, +5, -7, .5, 1.]',
      'big: [9007199254740993, -9223372036854775808, 18446744073709551615]',
      'float: 18446744073709551616',
      'date: 2020-01-01',
      'base60: 1:30',
      'nothing: [~, null, ""]',
    ].join('\n');
    expect(parseYaml(text)).toEqual({
      true: [true, true, true, true],
      false: [false, false, false, 'no'],
      octal: [511, 15, 8, 31, 5],
      long: [1000, 1000, 5, -7, 0.5, 1],
      big: [9007199254740993n, -9223372036854775808n, 18446744073709551615n],
      float: 18446744073709552000,
      date: '2020-01-01',
      base60: '1:30',
      nothing: [null, null, ''],
    });
  });

  it('reads many documents, skips empty ones and knows their lines', () => {
    const found = parseYamlDocuments('# only a comment\n---\na: 1\n---\n---\nb: 2\n...\n');
    expect(found).toEqual([
      { value: { a: 1 }, line: 3 },
      { value: { b: 2 }, line: 6 },
    ]);
  });

  it('reads merge keys, aliases and tags', () => {
    const text = 'base: &b {x: 1, z: 2}\nc:\n  <<: *b\n  z: 3\nd: *b\ne: !!str 5\nf: !!int "6"\ng: !!binary aGk=\n';
    expect(parseYaml(text)).toEqual({
      base: { x: 1, z: 2 },
      c: { x: 1, z: 3 },
      d: { x: 1, z: 2 },
      e: '5',
      f: 6,
      g: 'hi',
    });
  });

  it('names line and column of what is wrong', () => {
    expect(code(() => parseYaml('a: 1\nb: [1, 2\n', { name: 'x.yaml' }))).toMatch(/^YamlInvalid: x\.yaml:\d+:\d+: /);
    expect(code(() => parseYaml('a: 1\nb: 2\na: 3\n', { name: 'x.yaml' }))).toBe(
      'YamlInvalid: x.yaml:3:1: the key "a" is there twice',
    );
    expect(code(() => parseYaml('a: *b\n'))).toContain('the alias *b has no anchor');
    expect(code(() => parseYaml('a: &b [*b]\n'))).toContain('the anchor &b contains itself');
    expect(code(() => parseYaml('a: .nan\n'))).toContain('YAML:1:4: .nan is not a JSON number');
    expect(code(() => parseYaml('? [a]\n: 1\n'))).toContain('a key must be a string');
    expect(code(() => parseYaml('a: 1\n---\nb: 1\n'))).toContain('YAML:3: one document is expected');
    expect(code(() => parseYaml('a: !!int x\n'))).toContain('"x" is not a int');
  });

  it('keeps a key named __proto__ as a key', () => {
    const value = parseYaml('__proto__: {polluted: yes}\n');
    expect(Object.keys(value as object)).toEqual(['__proto__']);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe('bounds', () => {
  it('refuses a billion laughs without writing them out', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
    for (let level = 1; level < 12; level++)
      lines.push(`a${level}: &a${level} [${Array.from({ length: 10 }, () => `*a${level - 1}`).join(', ')}]`);
    expect(code(() => parseYaml(lines.join('\n')))).toMatch(/^YamlTooLarge: .*aliases written out/);
  });

  it('refuses too deep, too many documents and too long', () => {
    expect(code(() => parseYaml('['.repeat(1000)))).toMatch(/^YamlTooLarge/);
    expect(code(() => parseYamlDocuments('---\na: 1\n'.repeat(4), { limits: { documentsMax: 3 } }))).toMatch(
      /^YamlTooLarge: YAML:8:1: more than 3 documents/,
    );
    expect(code(() => parseYaml('a: 1', { limits: { bytesMax: 3 } }))).toMatch(/^YamlTooLarge/);
  });
});

const value = letrec<{ value: YamlValue }>((tie) => ({
  value: oneof(
    { depthSize: 'small' },
    constant(null),
    boolean(),
    integer(),
    double({ noNaN: true, noDefaultInfinity: true }).map((one) => one + 0),
    bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
    string({ unit: 'grapheme' }),
    string({
      unit: constantFrom(
        'a',
        ' ',
        '\n',
        '\t',
        ':',
        '#',
        '-',
        "'",
        '"',
        '0',
        '1',
        '.',
        'e',
        '_',
        '\r',
        '\u2028',
        '\u0000',
        '\ufeff',
        '~',
        '|',
        '%',
      ),
    }),
    constantFrom(
      'yes',
      'no',
      'on',
      'y',
      'null',
      '~',
      '0777',
      '0o17',
      '1:30',
      '2020-01-01',
      '<<',
      '=',
      '.inf',
      '1e3',
      '- a',
      '? b',
      '--- c',
      '...',
    ),
    array(tie('value'), { maxLength: 4 }),
    dictionary(string(), tie('value'), { maxKeys: 4 }),
  ),
})).value;

describe('writing', () => {
  it('is read back as the same value', () => {
    assert(
      property(value, (one) => {
        expect(parseYaml(dumpYaml(one))).toEqual(one);
      }),
      { numRuns: 400, interruptAfterTimeLimit: 2000 },
    );
  });

  it.each([2 ** 53, -(2 ** 53), 1e20, 2 ** 53 - 1, 1e21, -0.5])('reads back the double %s', (double) => {
    expect(parseYaml(dumpYaml(double))).toBe(double);
  });

  it('looks as kubectl prints', () => {
    const text = dumpYaml({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'web', labels: {} },
      spec: { containers: [{ name: 'a', args: ['--x', 'yes'], ports: [] }], hosts: ['10.0.0.1'] },
      data: { script: 'echo a\necho b\n' },
    });
    expect(text).toBe(
      "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  labels: {}\nspec:\n  containers:\n  - name: a\n    args:\n    - '--x'\n    - 'yes'\n    ports: []\n  hosts:\n  - 10.0.0.1\ndata:\n  script: |\n    echo a\n    echo b\n",
    );
  });

  it('separates documents', () => {
    expect(parseYamlDocuments(dumpYamlDocuments([{ a: 1 }, [2], { c: 'x\n\n' }])).map((one) => one.value)).toEqual([
      { a: 1 },
      [2],
      { c: 'x\n\n' },
    ]);
  });
});

describe('arbitrary text', () => {
  const piece = constantFrom(
    'a',
    ': ',
    '\n',
    '  ',
    '- ',
    '&x ',
    '*x',
    '{',
    '}',
    '[',
    ']',
    ',',
    '"',
    "'",
    '|\n',
    '>',
    '!!str ',
    '---\n',
    '#',
    '?',
    '<<',
    '\t',
    '%',
    '1',
    '~',
  );
  it('gives a value or a coded error with a position', () => {
    assert(
      property(array(piece, { maxLength: 30 }), (pieces) => {
        const result = code(() => parseYamlDocuments(pieces.join('')));
        expect(result).toMatch(/^nothing was thrown$|^Yaml(Invalid|TooLarge): YAML:\d+/);
      }),
      { numRuns: 2000, interruptAfterTimeLimit: 2000 },
    );
  });
});

describe('editing', () => {
  it('keeps comments and order', () => {
    const file = openYaml('# head\na: 1 # one\nb:\n- x\nc: keep\n');
    file.set(['b', 0], 'y');
    file.set(['d', 'e'], 'new');
    expect(file.delete(['c'])).toBe(true);
    expect(file.get(['a'])).toBe(1);
    expect(file.toString()).toBe('# head\na: 1 # one\nb:\n- "y"\nd:\n  e: new\n');
  });
});
