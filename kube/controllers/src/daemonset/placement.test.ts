import { expect, it } from 'vitest';
import { createTestClock } from '@polyanthus/kube-runtime/testing';
import { FailedPods } from './failed-pods.ts';
import { targetNode, tolerationsOf } from './placement.ts';

it('replaces failed pods of a place at once, then after one second, doubling up to fifteen minutes', async () => {
  const clock = createTestClock();
  const failed = new FailedPods(clock);
  const delaysMs: number[] = [];
  for (let round = 0; round < 13; round++) {
    expect(failed.waitMs('here')).toBe(0);
    delaysMs.push(failed.waitMs('here'));
    await clock.advance(failed.waitMs('here'));
  }
  expect(delaysMs.slice(0, 4)).toEqual([1000, 2000, 4000, 8000]);
  expect(delaysMs.slice(-2)).toEqual([900_000, 900_000]);
  expect(failed.waitMs('elsewhere')).toBe(0);
});

it('lets no toleration of node troubles run out, and adds the network to hosts that use it', () => {
  const limited = { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' };
  const tolerations = tolerationsOf({
    containers: [],
    hostNetwork: true,
    tolerations: [{ ...limited, tolerationSeconds: 300 }, { key: 'own' }],
  });
  expect(tolerations).toContainEqual(limited);
  expect(tolerations.filter(({ key }) => key === limited.key)).toHaveLength(1);
  expect(tolerations).toContainEqual({ key: 'own' });
  expect(tolerations.map(({ key }) => key)).toContain('node.kubernetes.io/network-unavailable');
});

it('knows the node of a pod that is not bound yet by its affinity', () => {
  const pod = (spec: object) => ({ apiVersion: 'v1', kind: 'Pod', metadata: {}, spec: { containers: [], ...spec } });
  const terms = [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n1'] }] }];
  const affinity = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } } };
  expect(targetNode(pod({ affinity }))).toBe('n1');
  expect(targetNode(pod({ affinity, nodeName: 'n2' }))).toBe('n2');
  expect(targetNode(pod({}))).toBeUndefined();
});
