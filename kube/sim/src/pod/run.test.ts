import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Pod } from '@polyanthus/kube-kinds/core';
import type { PodBehaviour } from '../behaviour.ts';
import { advance, isReady, resumeRun, shutdownOf, type PodRun } from './run.ts';
import { podStatus } from './status.ts';

const pod = (restartPolicy: 'Always' | 'OnFailure' | 'Never' = 'Always', metadata: Pod['metadata'] = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'n', uid: 'u', ...metadata },
  spec: { restartPolicy, containers: [{ name: 'c', image: 'i' }] },
});
const start: PodRun = { phase: 'starting', sinceMs: 0, restarts: 0, pulls: 0 };

function history(target: Pod, behaviour: PodBehaviour, untilMs: number): string[] {
  const seen: string[] = [];
  let run: PodRun = start;
  let next: number | undefined = 0;
  while (next !== undefined && next <= untilMs) {
    const nowMs: number = next;
    const advanced = advance(run, target, behaviour, nowMs);
    run = advanced.run;
    const ready = isReady(run, behaviour, nowMs) ? '+' : '';
    seen.push(`${nowMs} ${run.phase}${ready} ${run.restarts}`);
    next = advanced.nextAtMs;
  }
  return seen;
}

describe('the life of a pod', () => {
  it.each([
    ['runs and becomes ready', pod(), {}, ['0 starting 0', '1000 running 0', '1500 running+ 0']],
    ['never becomes ready', pod(), { readyDelayMs: 'never' }, ['0 starting 0', '1000 running 0']],
    [
      'ends well once',
      pod('OnFailure'),
      { readyDelayMs: 'never', runs: [{ durationMs: 100, exitCode: 0 }] },
      ['0 starting 0', '1000 running 0', '1100 ended 0'],
    ],
    [
      'fails for good',
      pod('Never'),
      { readyDelayMs: 'never', runs: [{ durationMs: 100, exitCode: 3 }] },
      ['0 starting 0', '1000 running 0', '1100 ended 0'],
    ],
  ] as const)('%s', (_name, target, behaviour, expected) => {
    expect(history(target, behaviour, 60_000)).toEqual(expected);
  });

  const withInit = (restartPolicy: 'Always' | 'Never' = 'Always'): Pod => {
    const plain = pod(restartPolicy);
    return { ...plain, spec: { ...plain.spec, initContainers: [{ name: 'i', image: 'i' }] } };
  };
  const states = (target: Pod, behaviour: PodBehaviour, times: readonly number[]): readonly unknown[] =>
    times.map((nowMs) => {
      const { run } = advance(start, target, behaviour, nowMs);
      const status = podStatus({ pod: target, run, ready: false, hostIp: '1.1.1.1', podIp: undefined, nowMs });
      const inits = (status as { initContainerStatuses?: typeof status.containerStatuses }).initContainerStatuses ?? [];
      const [state] = [...inits, ...(status.containerStatuses ?? [])].map((one) => one.state);
      return [status.phase, state?.waiting?.reason ?? Object.keys(state ?? {})[0]];
    });

  it('fails to pull, backs off, and starts once the image is there', () => {
    const behaviour = { imagePullFails: 2 };
    expect(states(pod(), behaviour, [999, 1000, 2000, 11_000, 12_000, 31_000, 32_000])).toEqual([
      ['Pending', 'ContainerCreating'],
      ['Pending', 'ErrImagePull'],
      ['Pending', 'ImagePullBackOff'],
      ['Pending', 'ErrImagePull'],
      ['Pending', 'ImagePullBackOff'],
      ['Pending', 'ContainerCreating'],
      ['Running', 'running'],
    ]);
    expect(states(pod(), { imagePullFails: true }, [900_000, 9_000_000])).toEqual([
      ['Pending', 'ImagePullBackOff'],
      ['Pending', 'ImagePullBackOff'],
    ]);
  });

  it('waits for its init containers, which are tried again or end it', () => {
    const initRuns = [
      { durationMs: 500, exitCode: 1 },
      { durationMs: 500, exitCode: 1 },
      { durationMs: 500, exitCode: 0 },
    ];
    expect(states(withInit(), { initRuns }, [1000, 1600, 2000, 11_999, 12_000, 12_500])).toEqual([
      ['Pending', 'running'],
      ['Pending', 'running'],
      ['Pending', 'CrashLoopBackOff'],
      ['Pending', 'CrashLoopBackOff'],
      ['Pending', 'running'],
      ['Running', 'terminated'],
    ]);
    expect(states(withInit('Never'), { initRuns }, [1000, 1500, 99_000])).toEqual([
      ['Pending', 'running'],
      ['Failed', 'terminated'],
      ['Failed', 'terminated'],
    ]);
    expect(states(withInit(), {}, [1000])).toEqual([['Running', 'terminated']]);
  });

  it('crash-loops with a back-off that doubles to five minutes', () => {
    const behaviour = { readyDelayMs: 'never', runs: [{ durationMs: 100, exitCode: 1 }] } as const;
    const waits = history(pod(), behaviour, 2_000_000)
      .filter((line) => line.includes('waiting'))
      .slice(0, 3);
    expect(waits).toEqual(['1200 waiting 1', '11300 waiting 2', '31400 waiting 3']);
    const late = history(pod(), behaviour, 2_000_000)
      .filter((line) => line.includes('running'))
      .map((line) => Number(line.split(' ')[0]));
    expect((late.at(-1) ?? 0) - (late.at(-2) ?? 0)).toBe(300_100);
  });

  it('is the same whether looked at often or seldom', () => {
    const runs = [{ durationMs: 700, exitCode: 1 }];
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20_000 }), { maxLength: 20 }), fc.nat(3), (steps, pulls) => {
        const behaviour = {
          runs,
          imagePullFails: pulls,
          initRuns: [
            { durationMs: 40, exitCode: 2 },
            { durationMs: 40, exitCode: 0 },
          ],
        };
        let nowMs = 0;
        let often: PodRun = start;
        for (const step of steps) {
          nowMs += step;
          often = advance(often, withInit(), behaviour, nowMs).run;
        }
        expect(advance(start, withInit(), behaviour, nowMs).run).toEqual(often);
      }),
      { interruptAfterTimeLimit: 1500 },
    );
  });

  it('goes on from a status that was written before', () => {
    const run = advance(start, pod(), {}, 1000).run;
    const status = podStatus({ pod: pod(), run, ready: false, hostIp: '1.1.1.1', podIp: '10.0.0.2', nowMs: 1000 });
    expect(resumeRun({ ...pod(), status }, 9000)).toEqual(run);
  });
});

describe('shutdown', () => {
  const deleting = pod('Always', { deletionTimestamp: '1970-01-01T00:01:00Z', deletionGracePeriodSeconds: 30 });

  it('ends within the grace period, or is killed at its end', () => {
    expect(shutdownOf(deleting, { shutdownMs: 400 })).toEqual({ endsAtMs: 30_400, exitCode: 0 });
    expect(shutdownOf(deleting, { shutdownMs: 90_000 })).toEqual({ endsAtMs: 60_000, exitCode: 137 });
    expect(shutdownOf(pod(), {})).toBeUndefined();
  });
});
