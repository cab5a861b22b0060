import type { Pod } from '@polyanthus/kube-kinds/core';
import { describe, expect, it } from 'vitest';
import { judgePods, refusalText, warningText, type DrainRules } from './filters.ts';

const nowMs = Date.UTC(2026, 0, 1);
const none: DrainRules = {
  force: false,
  ignoreDaemonSets: false,
  deleteEmptyDirData: false,
  skipWaitForDeleteTimeoutSeconds: 0,
};
const pod = (
  name: string,
  more: {
    readonly owner?: string;
    readonly emptyDir?: boolean;
    readonly phase?: 'Succeeded' | 'Running';
    readonly mirror?: boolean;
    readonly deletedSecondsAgo?: number;
  } = {},
): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name,
    namespace: 'ns',
    ...(more.owner === undefined
      ? {}
      : {
          ownerReferences: [
            { apiVersion: 'apps/v1', kind: more.owner, name: `${more.owner}-1`, uid: 'u', controller: true },
          ],
        }),
    ...(more.mirror === true ? { annotations: { 'kubernetes.io/config.mirror': 'x' } } : {}),
    ...(more.deletedSecondsAgo === undefined
      ? {}
      : { deletionTimestamp: new Date(nowMs - more.deletedSecondsAgo * 1000).toISOString() }),
  },
  spec: { containers: [], ...(more.emptyDir === true ? { volumes: [{ name: 'v', emptyDir: {} }] } : {}) },
  status: { phase: more.phase ?? 'Running' },
});
const judged = (one: Pod, allowed: Partial<DrainRules> = {}, daemonSetExists = true) => {
  const [verdict] = judgePods([one], {
    allowed: { ...none, ...allowed },
    daemonSetExists: () => daemonSetExists,
    nowMs,
  });
  return verdict === undefined ? undefined : [verdict.evict, verdict.severity, verdict.message];
};

describe('the rules of a drain', () => {
  it('let go what a controller brings back, and whatever has finished', () => {
    expect(judged(pod('a', { owner: 'ReplicaSet' }))).toEqual([true, 'none', '']);
    expect(judged(pod('a', { phase: 'Succeeded', emptyDir: true }))).toEqual([true, 'none', '']);
    expect(judged(pod('a', { phase: 'Succeeded', owner: 'DaemonSet' }))).toEqual([true, 'none', '']);
  });

  it('keep mirror pods and DaemonSet pods, the latter only when told to', () => {
    expect(judged(pod('a', { mirror: true, emptyDir: true }))).toEqual([false, 'none', '']);
    expect(judged(pod('a', { owner: 'DaemonSet' }))).toEqual([
      false,
      'fatal',
      'DaemonSet-managed Pods (use --ignore-daemonsets to ignore)',
    ]);
    expect(judged(pod('a', { owner: 'DaemonSet' }), { ignoreDaemonSets: true })).toEqual([
      false,
      'warning',
      'ignoring DaemonSet-managed Pods',
    ]);
    expect(judged(pod('a', { owner: 'DaemonSet' }), { ignoreDaemonSets: true }, false)).toEqual([
      false,
      'fatal',
      'daemonsets.apps "DaemonSet-1" not found',
    ]);
    expect(judged(pod('a', { owner: 'DaemonSet' }), { force: true }, false)).toEqual([
      true,
      'warning',
      'daemonsets.apps "DaemonSet-1" not found',
    ]);
  });

  it('forbid to lose local data or unmanaged pods unless told to', () => {
    expect(judged(pod('a', { owner: 'ReplicaSet', emptyDir: true }))).toEqual([
      false,
      'fatal',
      'Pods with local storage (use --delete-emptydir-data to override)',
    ]);
    expect(judged(pod('a', { emptyDir: true }), { deleteEmptyDirData: true })).toEqual([
      false,
      'fatal',
      'Pods that declare no controller (use --force to override)',
    ]);
    expect(judged(pod('a', { emptyDir: true }), { deleteEmptyDirData: true, force: true })).toEqual([
      true,
      'warning',
      'deleting Pods that declare no controller',
    ]);
  });

  it('do not wait for pods that have been going for too long', () => {
    expect(judged(pod('a', { deletedSecondsAgo: 61 }), { skipWaitForDeleteTimeoutSeconds: 60 })).toEqual([
      false,
      'none',
      '',
    ]);
    expect(
      judged(pod('a', { owner: 'ReplicaSet', deletedSecondsAgo: 60 }), { skipWaitForDeleteTimeoutSeconds: 60 }),
    ).toEqual([true, 'none', '']);
  });

  it('speak as kubectl does', () => {
    const verdicts = judgePods([pod('a'), pod('b'), pod('c', { owner: 'DaemonSet' })], {
      allowed: { ...none, ignoreDaemonSets: true },
      daemonSetExists: () => true,
      nowMs,
    });
    expect(refusalText(verdicts)).toBe(
      'cannot delete Pods that declare no controller (use --force to override): ns/a, ns/b',
    );
    expect(warningText(verdicts)).toBe('ignoring DaemonSet-managed Pods: ns/c');
  });
});
