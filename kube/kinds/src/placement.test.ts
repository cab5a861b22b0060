import { describe, expect, it } from 'vitest';
import type { Node, PodSpec } from './core.ts';
import { selectsNode, toleratesTaint, untoleratedTaint } from './placement.ts';

const node: Node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n', labels: { zone: 'x', cores: '8' } } };
const affine = (...terms: readonly object[]): PodSpec => ({
  containers: [],
  affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } } },
});
const expression = (key: string, operator: string, ...values: readonly string[]): object => ({
  matchExpressions: [{ key, operator, values }],
});

describe('selectsNode', () => {
  it.each<readonly [string, PodSpec, boolean]>([
    ['nothing asked', { containers: [] }, true],
    ['a label', { containers: [], nodeSelector: { zone: 'x' } }, true],
    ['another label', { containers: [], nodeSelector: { zone: 'y' } }, false],
    ['one of two terms', affine(expression('zone', 'In', 'y'), expression('zone', 'In', 'x')), true],
    ['an empty term', affine({}), false],
    ['no term', affine(), false],
    ['NotIn of an absent label', affine(expression('disk', 'NotIn', 'ssd')), true],
    ['DoesNotExist', affine(expression('zone', 'DoesNotExist')), false],
    ['Gt', affine(expression('cores', 'Gt', '7')), true],
    ['Lt of a text', affine(expression('zone', 'Lt', '7')), false],
    ['a field', affine({ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n'] }] }), true],
    ['an unknown operator', affine(expression('zone', 'Like', 'x')), false],
  ])('%s', (_name, spec, expected) => {
    expect(selectsNode(spec, node)).toBe(expected);
  });
});

describe('taints', () => {
  const taint = { key: 'a', value: 'b', effect: 'NoSchedule' } as const;
  it.each([
    [{ key: 'a', value: 'b' }, true],
    [{ key: 'a', operator: 'Equal', value: 'c' }, false],
    [{ key: 'a', operator: 'Exists', effect: 'NoExecute' }, false],
    [{ operator: 'Exists' }, true],
    [{ key: 'a', operator: 'Exists' }, true],
    [{ key: 'a', operator: 'Gt', value: '1' }, false],
  ])('%o takes a=b:NoSchedule: %s', (toleration, expected) => {
    expect(toleratesTaint(toleration, taint)).toBe(expected);
  });

  it('names the first taint of the effects asked about that nothing takes', () => {
    const taints = [taint, { key: 'c', effect: 'NoExecute' }, { key: 'd', effect: 'PreferNoSchedule' }] as const;
    expect(untoleratedTaint(taints, [{ key: 'a', operator: 'Exists' }], ['NoSchedule', 'NoExecute'])?.key).toBe('c');
    expect(untoleratedTaint(taints, undefined, ['PreferNoSchedule'])?.key).toBe('d');
    expect(untoleratedTaint(undefined, undefined, ['NoExecute'])).toBeUndefined();
  });
});
