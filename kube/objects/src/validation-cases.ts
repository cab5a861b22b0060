/** One CRD schema and objects of it that are not as they should be, for validate.test.ts and validate.real.test.ts. */
import type { JsonObject, JsonValue } from './meta.ts';

const text = { type: 'string' };

/** openAPIV3Schema of the custom kind. */
export const crdSchema: JsonObject = {
  type: 'object',
  required: ['spec'],
  properties: {
    spec: {
      type: 'object',
      required: ['kind'],
      properties: {
        kind: { type: 'string', enum: ['A', 'B'] },
        replicas: { type: 'integer', format: 'int32', minimum: 1, maximum: 9 },
        count: { type: 'integer' },
        ratio: { type: 'number', exclusiveMinimum: true, minimum: 0, multipleOf: 0.5 },
        name: { type: 'string', minLength: 2, maxLength: 4, pattern: '^[a-z]+$' },
        address: { type: 'string', format: 'ipv4' },
        port: { 'x-kubernetes-int-or-string': true },
        flag: { type: 'boolean' },
        maybe: { type: 'string', nullable: true },
        labels: { type: 'object', additionalProperties: text, maxProperties: 2 },
        words: { type: 'array', items: text, minItems: 1, maxItems: 3, 'x-kubernetes-list-type': 'set' },
        items: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['name', 'proto'],
          items: {
            type: 'object',
            required: ['name'],
            properties: { name: text, proto: { type: 'string', default: 'TCP' }, value: { type: 'integer' } },
          },
        },
        choice: {
          type: 'object',
          properties: { a: text, b: text },
          oneOf: [{ required: ['a'] }, { required: ['b'] }],
        },
        any: {
          type: 'object',
          properties: { x: text },
          anyOf: [{ required: ['x'] }, { properties: { x: { enum: ['q'] } }, required: ['y'] }],
        },
        never: { type: 'object', properties: { x: text }, not: { required: ['x'] } },
        both: {
          type: 'object',
          properties: { x: { type: 'integer' } },
          allOf: [{ properties: { x: { minimum: 2 } } }, { properties: { x: { maximum: 5 } } }],
        },
        level: { type: 'integer', default: 3 },
        nested: { type: 'object', default: {}, properties: { deep: { type: 'string', default: 'x' } } },
        free: {
          type: 'object',
          'x-kubernetes-preserve-unknown-fields': true,
          properties: { known: { type: 'object', properties: { a: text } } },
        },
        embedded: {
          type: 'object',
          'x-kubernetes-embedded-resource': true,
          'x-kubernetes-preserve-unknown-fields': true,
        },
      },
    },
  },
};

/** Specs with one fault or more each. */
export const badSpecs: Readonly<Record<string, JsonValue>> = {
  'is no object': 'x',
  'lacks a field': {},
  'has a value that is not in the enum': { kind: 'C' },
  'has a text for an integer': { kind: 'A', replicas: 'three' },
  'has a fraction for an integer': { kind: 'A', replicas: 1.5, count: 2.5 },
  'has a boolean for an integer': { kind: 'A', replicas: true, count: false },
  'has a map for an integer': { kind: 'A', replicas: {}, count: [] },
  'is out of bounds': { kind: 'A', replicas: 0, ratio: 0 },
  'is out of bounds above': { kind: 'A', replicas: 10, ratio: 0.7 },
  'is beyond 32 bits': { kind: 'A', replicas: 3000000000 },
  'has a text too short': { kind: 'A', name: 'a' },
  'has a text too long': { kind: 'A', name: 'abcde' },
  'has a text that does not match': { kind: 'A', name: 'AB' },
  'has a number for a text': { kind: 'A', name: 5, address: 5 },
  'has no address': { kind: 'A', address: '1.2.3.400' },
  'has neither integer nor text': { kind: 'A', port: true },
  'has a text for a flag': { kind: 'A', flag: 'yes' },
  'has a null in a list': { kind: 'A', words: ['a', null] },
  'has a number in a map': { kind: 'A', labels: { a: 1 } },
  'has too many entries': { kind: 'A', labels: { a: '1', b: '2', c: '3' } },
  'has an empty list': { kind: 'A', words: [] },
  'has too many items': { kind: 'A', words: ['a', 'b', 'c', 'd'] },
  'repeats an item': { kind: 'A', words: ['a', 'a', 'a'] },
  'repeats a key': { kind: 'A', items: [{ name: 'a' }, { name: 'a', proto: 'TCP' }] },
  'lacks a key in an item': { kind: 'A', items: [{ value: 'x' }] },
  'chooses both': { kind: 'A', choice: { a: '1', b: '2' } },
  'chooses none': { kind: 'A', choice: {} },
  'fits none of some': { kind: 'A', any: {} },
  'is what it must not be': { kind: 'A', never: { x: '1' } },
  'fails one of all': { kind: 'A', both: { x: 1 } },
};

/** Specs that are good, as sent and as stored. */
export const goodSpecs: readonly (readonly [title: string, sent: JsonObject, stored: JsonObject])[] = [
  ['defaults', { kind: 'A' }, { kind: 'A', level: 3, nested: { deep: 'x' } }],
  [
    'nulls',
    { kind: 'A', level: null, maybe: null, name: null },
    { kind: 'A', level: 3, maybe: null, nested: { deep: 'x' } },
  ],
  [
    'defaults in items',
    { kind: 'A', items: [{ name: 'a' }] },
    { kind: 'A', items: [{ name: 'a', proto: 'TCP' }], level: 3, nested: { deep: 'x' } },
  ],
  [
    'unknown fields',
    { kind: 'A', zzz: 1, nested: { y: 1, deep: 'q' } },
    { kind: 'A', level: 3, nested: { deep: 'q' } },
  ],
  [
    'kept unknown fields',
    { kind: 'A', free: { z: 1, known: { a: 'b', c: 1 } } },
    { kind: 'A', free: { z: 1, known: { a: 'b' } }, level: 3, nested: { deep: 'x' } },
  ],
  [
    'embedded resources',
    { kind: 'A', embedded: { apiVersion: 'v1', kind: 'X', metadata: { name: 'n', zzz: 1 }, q: 1 } },
    {
      kind: 'A',
      embedded: { apiVersion: 'v1', kind: 'X', metadata: { name: 'n' }, q: 1 },
      level: 3,
      nested: { deep: 'x' },
    },
  ],
];
