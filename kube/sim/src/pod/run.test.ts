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
const start: PodRun = { phase: 'starting', sinceMs: 0, restarts: 0 };

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
    ['cannot be pulled', pod(), { imagePullFails: true }, ['0 starting 0', '1000 unpullable 0']],
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
    const behaviour = { runs: [{ durationMs: 700, exitCode: 1 }] };
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20_000 }), { maxLength: 20 }), (steps) => {
        let nowMs = 0;
        let often: PodRun = start;
        for (const step of steps) {
          nowMs += step;
          often = advance(often, pod(), behaviour, nowMs).run;
        }
        expect(advance(start, pod(), behaviour, nowMs).run).toEqual(often);
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
