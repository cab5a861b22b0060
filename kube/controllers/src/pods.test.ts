import { expect, it } from 'vitest';
import type { Pod } from '@polyanthus/kube-kinds/core';
import { availableInMs, byDeletionPreference } from './pods.ts';

const pod = (
  name: string,
  more: { node?: string; phase?: 'Pending' | 'Running'; readyAt?: string; cost?: string },
): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name,
    ...(more.cost === undefined ? {} : { annotations: { 'controller.kubernetes.io/pod-deletion-cost': more.cost } }),
  },
  spec: { containers: [], ...(more.node === undefined ? {} : { nodeName: more.node }) },
  status: {
    phase: more.phase ?? 'Running',
    conditions: more.readyAt === undefined ? [] : [{ type: 'Ready', status: 'True', lastTransitionTime: more.readyAt }],
  },
});

it('deletes the least useful pods first', () => {
  const old = pod('old', { node: 'n1', readyAt: '2026-01-01T00:00:00Z' });
  const young = pod('young', { node: 'n2', readyAt: '2026-01-02T00:00:00Z' });
  const cheap = pod('cheap', { node: 'n3', readyAt: '2026-01-01T00:00:00Z', cost: '-5' });
  const unready = pod('unready', { node: 'n4' });
  const pending = pod('pending', { node: 'n5', phase: 'Pending' });
  const unplaced = pod('unplaced', { phase: 'Pending' });
  const order = byDeletionPreference([old, young, cheap, unready, pending, unplaced]).map((each) => each.metadata.name);
  expect(order).toEqual(['unplaced', 'pending', 'unready', 'cheap', 'young', 'old']);
});

it('counts a ready pod as available after minReadySeconds', () => {
  const ready = pod('a', { readyAt: '1970-01-01T00:00:10Z' });
  expect(availableInMs(ready, 0, 10_000)).toBe(0);
  expect(availableInMs(ready, 5, 12_000)).toBe(3000);
  expect(availableInMs(pod('b', {}), 0, 0)).toBeUndefined();
});
