import { describe, expect, it } from 'vitest';
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import type { Schema } from '@polyanthus/kube-objects/schema';
import { expressionFaults } from './patterns.ts';
import { ruleFaults } from './rules.ts';

const text = { type: 'string' } as const;
const schema: Schema = {
  type: 'object',
  properties: {
    metadata: { type: 'object', properties: { name: text } },
    spec: {
      type: 'object',
      properties: {
        user: text,
        group: text,
        size: { type: 'integer', validations: [{ rule: 'self >= oldSelf', message: 'must not shrink' }] },
        'my-field': text,
        ports: {
          type: 'array',
          listType: 'map',
          listMapKeys: ['name'],
          items: {
            type: 'object',
            properties: { name: text, port: { type: 'integer' } },
            validations: [
              { rule: 'self.port > 0', messageExpression: "'port ' + self.name + ' is ' + string(self.port)" },
              { rule: 'self.port == oldSelf.port', message: 'ports stay', fieldPath: '.port' },
            ],
          },
        },
        labels: { type: 'object', additionalProperties: { type: 'string', validations: [{ rule: "self != ''" }] } },
      },
      validations: [
        { rule: 'has(self.user) != has(self.group)', message: 'exactly one of user and group must be given' },
        { rule: "!has(self.my__dash__field) || self.my__dash__field == 'good'", reason: 'FieldValueForbidden' },
      ],
    },
  },
  validations: [{ rule: "self.metadata.name != 'bad'" }],
};
const check = (spec: JsonObject, before?: JsonObject, name = 'a'): readonly string[] =>
  ruleFaults(
    { metadata: { name }, spec },
    schema,
    before === undefined ? undefined : { metadata: { name }, spec: before },
    [],
  ).map(({ field = '', message }) => `${field}: ${message}`);

describe('rules of a custom kind', () => {
  it('hold or are named with their part', () => {
    expect(check({ user: 'ana' })).toEqual([]);
    expect(check({})).toEqual(['spec: Invalid value: exactly one of user and group must be given']);
    expect(check({ user: 'a', group: 'b' })).toHaveLength(1);
    expect(check({ user: 'a', 'my-field': 'x' })).toEqual([
      "spec: Forbidden: failed rule: !has(self.my__dash__field) || self.my__dash__field == 'good'",
    ]);
    expect(check({ user: 'a', labels: { one: '', two: 'x' } })).toEqual([
      `spec.labels[one]: Invalid value: "": failed rule: self != ''`,
    ]);
    expect(check({ user: 'a' }, undefined, 'bad')).toEqual([
      "<nil>: Invalid value: failed rule: self.metadata.name != 'bad'",
    ]);
  });

  it('look at what was there, by key in lists, and not at what is new', () => {
    expect(check({ user: 'a', size: 1 })).toEqual([]);
    expect(check({ user: 'a', size: 1 }, { user: 'a', size: 2 })).toEqual([
      'spec.size: Invalid value: 1: must not shrink',
    ]);
    const ports = (...some: readonly (readonly [string, number])[]): JsonObject => ({
      user: 'a',
      ports: some.map(([name, port]) => ({ name, port })),
    });
    expect(check(ports(['b', 2], ['a', 1]), ports(['a', 1]))).toEqual([]);
    expect(check(ports(['b', 2], ['a', 9]), ports(['a', 1]))).toEqual([
      'spec.ports[1].port: Invalid value: ports stay',
    ]);
    expect(check(ports(['a', 0]))).toEqual(['spec.ports[0]: Invalid value: port a is 0']);
  });

  it('forgive what did not change', () => {
    expect(check({ size: 1 }, { size: 1 })).toEqual([]);
    expect(check({ size: 2 }, { size: 1 })).toHaveLength(1);
    expect(check({ user: 'a', labels: { one: '' } }, { user: 'b', labels: { one: '' } })).toEqual([]);
  });

  it('say why they could not be evaluated, and end at their budget', () => {
    const one = (rule: string): Schema => ({
      type: 'object',
      properties: { list: { type: 'array', items: { type: 'integer' } } },
      validations: [{ rule }, { rule: 'false', message: 'not reached' }],
    });
    const say = (rule: string, value: JsonValue): readonly string[] =>
      ruleFaults(value, one(rule), undefined, []).map(({ message = '' }) => message);
    expect(say('self.gone == 1', {})).toEqual([
      'Invalid value: "object": no such key: gone evaluating rule: self.gone == 1',
      'Invalid value: not reached',
    ]);
    const list = Array.from({ length: 2000 }, (_, index) => index);
    const rule = 'self.list.all(a, self.list.all(b, a + b >= 0))';
    expect(say(rule, { list })).toEqual([
      `Invalid value: "object": 'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: ${rule}`,
    ]);
  });

  it('are not asked of what its schema refuses in its shape', () => {
    const faults = ruleFaults({}, schema, undefined, [{ reason: 'FieldValueRequired', message: '', field: 'spec' }]);
    expect(faults.map(({ message }) => message)).toEqual([
      'Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
    ]);
  });

  it('that are no expressions are refused with their kind', () => {
    const at = (rule: JsonObject): readonly string[] =>
      expressionFaults({ type: 'object', properties: { a: { 'x-kubernetes-validations': [rule] } } }, 'schema').map(
        ({ field = '', message = '' }) => `${field}: ${message.split('\n')[0] ?? ''}`,
      );
    expect(at({ rule: 'self == 1' })).toEqual([]);
    expect(at({ rule: ' ' })).toEqual([
      'schema.properties[a].x-kubernetes-validations[0].rule: Required value: rule is not specified',
    ]);
    expect(at({ rule: 'selv == 1' })[0]).toContain("undeclared reference to 'selv'");
    expect(at({ rule: 'self ==', messageExpression: '"' })).toHaveLength(2);
    expect(at({ rule: 'quantity(self).isGreaterThan(quantity("1"))' })[0]).toContain(
      'isGreaterThan is not evaluated by this API server, though kube-apiserver knows it',
    );
    expect(at({ rule: 'true', optionalOldSelf: true })[0]).toContain('optionalOldSelf is not evaluated');
  });

  it('whose types cannot be right are refused with their kind; those that the kind has already are left alone', () => {
    const at = (rule: string, known: readonly string[] = []): readonly string[] => {
      const properties = { name: { type: 'string' }, count: { type: 'integer' }, 'x-y': { type: 'boolean' } };
      const spec = { type: 'object', properties, 'x-kubernetes-validations': [{ rule }] };
      const whole = { type: 'object', properties: { spec } };
      return expressionFaults(whole, 'schema', new Set(known)).map(({ message = '' }) => message);
    };
    expect(at("self.name.startsWith('a') && self.count > 1 && self.x__dash__y")).toEqual([]);
    expect(at('self.nome == "a"')[0]).toContain("ERROR: <input>:1:5: undefined field 'nome'");
    expect(at('self.count == self.name')[0]).toContain("no matching overload for '_==_' applied to '(int, string)'");
    expect(at('self.count')[0]).toContain('must evaluate to a bool');
    expect(at('self.count', ['self.count'])).toEqual([]);
  });
});
