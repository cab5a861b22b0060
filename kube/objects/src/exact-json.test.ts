import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { scanJson } from './byte-scan.ts';
import { encodeJson, parseJson } from './exact-json.ts';
import type { JsonValue } from './meta.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: JsonValue): string => new TextDecoder().decode(encodeJson(value));

describe('integers', () => {
  test('beyond 2^53 survive a round trip', () => {
    const body = '{"a":9007199254740993,"b":[-9223372036854775808,9007199254740991],"c":1.5}';
    const value = parseJson(bytes(body));
    expect(value).toEqual({ a: 9007199254740993n, b: [-9223372036854775808n, 9007199254740991], c: 1.5 });
    expect(text(value)).toBe(body);
  });

  test('beyond 64 bits are doubles, as in Go', () => {
    expect(parseJson(bytes('[9223372036854775808]'))).toEqual([9223372036854775808]);
  });

  test('with a fraction or an exponent are no integers', () => {
    expect(parseJson(bytes('[90071992547409930.0,9007199254740993e0]'))).toEqual([
      Number('90071992547409930'),
      2 ** 53,
    ]);
  });

  test('in texts and keys are not looked at', () => {
    expect(
      scanJson(bytes('{"9007199254740993":"9007199254740993 \\" 9007199254740993"}'), { maxDepth: 9 }).bigIntegers,
    ).toBe(false);
  });
});

describe('a body', () => {
  test('deeper than allowed is refused', () => {
    expect(() => parseJson(bytes('[[[]]]'), { maxDepth: 2 })).toThrow(/nested deeper than the 2 levels/);
    expect(scanJson(bytes('{"a":[{}]}'), { maxDepth: 3 }).depth).toBe(3);
  });

  test('of bad syntax is a bad request', () => {
    for (const bad of ['', '{', '{"a":}', '-', 'nul', '\uFEFF{}', '{"a":1}x']) {
      expect(() => parseJson(bytes(bad)), bad).toThrow(expect.objectContaining({ code: 'BadRequest' }));
    }
  });

  test('may have a key named __proto__', () => {
    const value = parseJson(bytes('{"__proto__":9007199254740993}'));
    expect(Object.keys(value as object)).toEqual(['__proto__']);
    expect(text(value)).toBe('{"__proto__":9007199254740993}');
  });

  test('names its repeated keys by path', () => {
    const body = '{"a":1,"spec":{"x":1,"x":2,"list":[{"n":1},{"n":1,"\\u006e":2,"m":{"q":1,"q":1}}]},"a":2}';
    const { duplicateKeys } = scanJson(bytes(body), { maxDepth: 9, duplicates: true });
    expect(duplicateKeys).toEqual(['spec.x', 'spec.list[1].n', 'spec.list[1].m.q', 'a']);
  });
});

test('any JSON value reads as JSON.parse reads it', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 5 }), (body) => {
      const { bigIntegers } = scanJson(bytes(body), { maxDepth: 99 });
      if (!bigIntegers) expect(parseJson(bytes(body))).toEqual(JSON.parse(body));
      expect(scanJson(bytes(body), { maxDepth: 99, duplicates: true }).duplicateKeys).toEqual([]);
    }),
    { numRuns: 300 },
  );
});

test('any integer of 64 bits survives, anywhere', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.string(), (integer, key) => {
      const body = `{${JSON.stringify(key)}:[ ${integer}\n,{"x":${integer}}]}`;
      expect(text(parseJson(bytes(body)))).toBe(`{${JSON.stringify(key)}:[${integer},{"x":${integer}}]}`);
    }),
    { numRuns: 300 },
  );
});

test('any bytes are a value or a bad request', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (raw) => {
      try {
        parseJson(raw);
      } catch (error) {
        expect(error).toMatchObject({ code: 'BadRequest' });
      }
      expect(scanJson(raw, { maxDepth: 99, duplicates: true }).depth).toBeGreaterThanOrEqual(0);
    }),
    { numRuns: 500 },
  );
});
