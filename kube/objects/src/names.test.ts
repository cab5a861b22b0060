import { expect, test } from 'vitest';
import {
  configMapKey,
  dns1035Label,
  dns1123Label,
  dns1123Subdomain,
  labelValue,
  pathSegmentName,
  portName,
  qualifiedName,
  wildcardDns1123Subdomain,
} from './names.ts';

const label =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

test('good names have no faults', () => {
  expect(['a', 'a-1', '0', 'x'.repeat(63)].flatMap(dns1123Label)).toEqual([]);
  expect(['a.b', 'a-1.c', 'x'.repeat(253)].flatMap(dns1123Subdomain)).toEqual([]);
  expect(['a', 'A_b.c', 'example.com/A', `${'a'.repeat(253)}/b`].flatMap(qualifiedName)).toEqual([]);
  expect(['', 'a', 'A.b_c-d'].flatMap(labelValue)).toEqual([]);
  expect(['*.a.b'].flatMap(wildcardDns1123Subdomain)).toEqual([]);
  expect(['a', 'system:x'].flatMap(pathSegmentName)).toEqual([]);
  expect(['.a', 'A_b-c.d'].flatMap(configMapKey)).toEqual([]);
  expect(['http', 'a-1'].flatMap(portName)).toEqual([]);
});

test('faults are worded as apimachinery words them', () => {
  expect(dns1123Label('A')).toEqual([label]);
  expect(dns1123Label('a.b')).toEqual(['must not contain dots']);
  expect(dns1123Label('a'.repeat(64))).toEqual(['must be no more than 63 characters']);
  expect(labelValue('a'.repeat(64))).toEqual(['must be no more than 63 bytes']);
  expect(qualifiedName('/a')).toEqual(['prefix part must be non-empty']);
  expect(qualifiedName('a/')[0]).toBe('name part must be non-empty');
  expect(qualifiedName('a/b/c')[0]).toContain(
    "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
  );
  expect(dns1035Label('1a')[0]).toContain(
    "(e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
  );
  expect(configMapKey('..a')).toEqual(["must not start with '..'"]);
  expect(pathSegmentName('a/b%')).toEqual(["may not contain '/'", "may not contain '%'"]);
  expect(portName('1--')).toEqual([
    'must contain at least one letter (a-z)',
    'must not contain consecutive hyphens',
    'must not begin or end with a hyphen',
  ]);
});

test('a long bad name is judged in no time', () => {
  // The patterns have no nested repetition that backtracks on it.
  expect(dns1123Subdomain(`${'a-'.repeat(5_000)}!`)).toHaveLength(2);
});
