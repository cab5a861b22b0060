/** What every API server with our Job controller must do. */
import { beforeAll, describe, expect, it } from 'vitest';
import { events, pods, type Pod } from '@polyanthus/kube-kinds/core';
import { jobs, type Job } from '@polyanthus/kube-kinds/workloads';
import { find, freshNamespace, podSpec, untilGone, type World, suiteTimeoutMs } from '../testing.ts';
import { isTracked } from './job-state.ts';

type JobSpec = Partial<Job['spec']> & { readonly restartPolicy?: 'Never' | 'OnFailure' };

/** A Job of pods labelled `app: <name>`. */
export function jobOf(namespace: string, name: string, image: string, { restartPolicy, ...spec }: JobSpec = {}): Job {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { namespace, name },
    spec: {
      template: {
        metadata: { labels: { app: name } },
        spec: { ...podSpec(image), restartPolicy: restartPolicy ?? 'Never' },
      },
      ...spec,
    },
  };
}

/** Declares the suite; `open` gives the world once. */
export function jobSuite(name: string, open: () => Promise<World>): void {
  describe(`jobs on ${name}`, { timeout: suiteTimeoutMs }, () => {
    let world: World;
    let namespace: string;
    beforeAll(async () => {
      world = await open();
      namespace = await freshNamespace(world);
    });

    const create = (job: string, image: string, spec: JobSpec = {}): Promise<Job> =>
      world.client.create(world.ctx, jobs, jobOf(namespace, job, image, spec));
    const get = (job: string): Promise<Job> => world.client.get(world.ctx, jobs, { namespace, name: job });
    const change = (job: string, spec: unknown): Promise<Job> =>
      world.client.patch(world.ctx, jobs, { namespace, name: job }, { type: 'merge', body: { spec } });
    const podsOf = async (job: string): Promise<readonly Pod[]> =>
      (await world.client.list(world.ctx, pods, { namespace, labelSelector: `app=${job}` })).items;
    const condition = async (job: string, type: string) =>
      (await get(job)).status?.conditions?.find((one) => one.type === type && one.status === 'True');
    const until = (job: string, type: string): Promise<void> =>
      world.until(async () => (await condition(job, type)) !== undefined, `${job} to be ${type}`);

    it('runs as many pods at once as it may until enough have succeeded, and lets go of them', async () => {
      await create('three', 'once', { completions: 3, parallelism: 2 });
      let most = 0;
      await world.until(async () => {
        const running = (await podsOf('three')).filter(({ status }) => status?.phase !== 'Succeeded');
        most = Math.max(most, running.length);
        return (await condition('three', 'Complete')) !== undefined;
      }, 'three to be Complete');
      expect(most).toBe(2);
      const { status } = await get('three');
      expect(status).toMatchObject({ succeeded: 3, ready: 0, terminating: 0, uncountedTerminatedPods: {} });
      expect(status).not.toHaveProperty('failed');
      expect(status?.completionTime).toBeDefined();
      expect(status?.conditions?.map(({ type, reason }) => [type, reason])).toEqual([
        ['SuccessCriteriaMet', 'CompletionsReached'],
        ['Complete', 'CompletionsReached'],
      ]);
      const all = await podsOf('three');
      expect(all).toHaveLength(3);
      expect(all.some(isTracked)).toBe(false);
      await world.until(async () => {
        const list = await world.client.list(world.ctx, events, { namespace });
        return list.items.some(({ reason, message }) => reason === 'Completed' && message === 'Job completed');
      }, 'the event');
    });

    it('gives up after backoffLimit failures, waiting longer each time', async () => {
      await create('bad', 'exit-42', { backoffLimit: 1 });
      await until('bad', 'Failed');
      const { status } = await get('bad');
      expect(status).toMatchObject({ failed: 2, uncountedTerminatedPods: {} });
      expect(await condition('bad', 'Failed')).toMatchObject({
        reason: 'BackoffLimitExceeded',
        message: 'Job has reached the specified backoff limit',
      });
      const starts = (await podsOf('bad')).map(({ metadata }) => Date.parse(metadata.creationTimestamp ?? ''));
      expect(Math.max(...starts) - Math.min(...starts)).toBeGreaterThanOrEqual(9000);
    });

    it('counts restarts in place against the limit', async () => {
      await create('again', 'crash', { backoffLimit: 1, restartPolicy: 'OnFailure' });
      await until('again', 'Failed');
      expect((await condition('again', 'Failed'))?.reason).toBe('BackoffLimitExceeded');
      await world.until(async () => (await podsOf('again')).length === 0, 'the pod to go');
    });

    it('gives each place of an Indexed Job one success', async () => {
      await create('places', 'once', { completions: 4, parallelism: 4, completionMode: 'Indexed' });
      await world.until(async () => (await podsOf('places')).length === 4, 'four pods');
      const [pod] = await podsOf('places');
      const index = pod?.metadata.labels?.['batch.kubernetes.io/job-completion-index'] ?? '';
      expect(pod?.metadata.name).toMatch(new RegExp(`^places-${index}-`));
      expect(pod?.spec['hostname']).toBe(`places-${index}`);
      expect(pod?.spec.containers[0]?.env?.[0]?.name).toBe('JOB_COMPLETION_INDEX');
      await until('places', 'Complete');
      expect((await get('places')).status).toMatchObject({ succeeded: 4, completedIndexes: '0-3' });
      const indexes = (await podsOf('places')).map(
        ({ metadata }) => metadata.annotations?.['batch.kubernetes.io/job-completion-index'],
      );
      expect(new Set(indexes)).toEqual(new Set(['0', '1', '2', '3']));
    });

    it('fails a place of an Indexed Job by itself, and the Job only when the others have ended', async () => {
      const pairs = { completions: 3, parallelism: 3, completionMode: 'Indexed' as const };
      await create('apart', 'odd-one-fails', { ...pairs, backoffLimitPerIndex: 1 });
      await until('apart', 'Failed');
      const { status } = await get('apart');
      expect(status).toMatchObject({ succeeded: 2, failed: 2, completedIndexes: '0,2', failedIndexes: '1' });
      expect(await condition('apart', 'Failed')).toMatchObject({
        reason: 'FailedIndexes',
        message: 'Job has failed indexes',
      });
      const failures = (await podsOf('apart'))
        .filter(({ metadata }) => metadata.labels?.['batch.kubernetes.io/job-completion-index'] === '1')
        .map(({ metadata }) => metadata.annotations?.['batch.kubernetes.io/job-index-failure-count']);
      expect(new Set(failures)).toEqual(new Set(['0', '1']));
      expect((await podsOf('apart')).some(isTracked)).toBe(false);
    });

    it('gives up when more places have failed than may', async () => {
      const many = { completions: 3, parallelism: 3, completionMode: 'Indexed' as const };
      await create('too-many', 'exit-42', { ...many, backoffLimitPerIndex: 0, maxFailedIndexes: 1 });
      await until('too-many', 'Failed');
      expect(await condition('too-many', 'Failed')).toMatchObject({
        reason: 'MaxFailedIndexesExceeded',
        message: 'Job has exceeded the specified maximal number of failed indexes',
      });
    });

    it('has succeeded when the places that count have, and ends the others', async () => {
      const places = { completions: 3, parallelism: 3, completionMode: 'Indexed' as const };
      await create('enough', 'first-one-ends', {
        ...places,
        successPolicy: { rules: [{ succeededCount: 3 }, { succeededIndexes: '0-1', succeededCount: 1 }] },
      });
      await until('enough', 'Complete');
      // Those that are told to end may end well.
      expect((await get('enough')).status).toMatchObject({
        completedIndexes: expect.stringMatching(/^0/),
        terminating: 0,
      });
      expect((await get('enough')).status?.conditions).toMatchObject([
        { type: 'SuccessCriteriaMet', reason: 'SuccessPolicy', message: 'Matched rules at index 1' },
        { type: 'Complete', reason: 'SuccessPolicy' },
      ]);
      await world.until(async () => (await podsOf('enough')).length === 1, 'the others to go');
    });

    it('ends what runs longer than its deadline', async () => {
      await create('late', 'v1', { activeDeadlineSeconds: 2 });
      await until('late', 'Failed');
      expect(await condition('late', 'Failed')).toMatchObject({
        reason: 'DeadlineExceeded',
        message: 'Job was active longer than specified deadline',
      });
      await world.until(async () => (await podsOf('late')).length === 0, 'its pod to go');
      expect((await get('late')).status?.failed).toBe(1);
    });

    it('stops when suspended and goes on when resumed', async () => {
      await create('nap', 'v1', { suspend: true });
      await until('nap', 'Suspended');
      expect(await podsOf('nap')).toEqual([]);
      expect((await get('nap')).status?.startTime).toBeUndefined();
      await change('nap', { suspend: false });
      await world.until(async () => ((await get('nap')).status?.ready ?? 0) === 1, 'its pod to run');
      await change('nap', { suspend: true });
      await world.until(async () => (await podsOf('nap')).length === 0, 'its pod to go');
      await until('nap', 'Suspended');
      expect((await get('nap')).status?.active).toBeUndefined();
    });

    it('fails at once, or counts nothing, as the policy for failures says', async () => {
      const rule = (action: string, values: readonly number[]) => ({ action, onExitCodes: { operator: 'In', values } });
      await create('fatal', 'exit-42', { podFailurePolicy: { rules: [rule('FailJob', [42])] } });
      await until('fatal', 'Failed');
      const [pod] = await podsOf('fatal');
      expect(await condition('fatal', 'Failed')).toMatchObject({
        reason: 'PodFailurePolicy',
        message: `Container c for pod ${namespace}/${pod?.metadata.name} failed with exit code 42 matching FailJob rule at index 0`,
      });
      await create('shrug', 'exit-42', { backoffLimit: 0, podFailurePolicy: { rules: [rule('Ignore', [42])] } });
      await world.until(async () => (await podsOf('shrug')).length >= 3, 'further pods');
      expect((await get('shrug')).status).not.toHaveProperty('failed');
      await world.client.delete(world.ctx, jobs, { namespace, name: 'shrug' }, { propagationPolicy: 'Background' });
      await world.until(async () => (await podsOf('shrug')).length === 0, 'all of it to go');
    });

    it('replaces a pod that somebody deleted, and goes with all its pods', async () => {
      await create('kept', 'stubborn');
      await world.until(async () => ((await get('kept')).status?.ready ?? 0) === 1, 'its pod');
      const [victim] = await podsOf('kept');
      await world.client.delete(world.ctx, pods, { namespace, name: victim?.metadata.name ?? '' });
      await untilGone(world, pods, { namespace, name: victim?.metadata.name ?? '' });
      await world.until(async () => ((await get('kept')).status?.ready ?? 0) === 1, 'another pod');
      expect((await get('kept')).status?.failed).toBe(1);
      await world.client.delete(world.ctx, jobs, { namespace, name: 'kept' }, { propagationPolicy: 'Foreground' });
      await untilGone(world, jobs, { namespace, name: 'kept' });
      expect(await podsOf('kept')).toEqual([]);
    });

    it('leaves pods behind without holding them when it is told to', async () => {
      await create('left', 'v1');
      await world.until(async () => ((await get('left')).status?.ready ?? 0) === 1, 'its pod');
      await world.client.delete(world.ctx, jobs, { namespace, name: 'left' }, { propagationPolicy: 'Orphan' });
      await untilGone(world, jobs, { namespace, name: 'left' });
      await world.until(async () => !(await podsOf('left')).some(isTracked), 'the pod to be let go');
      expect(await podsOf('left')).toHaveLength(1);
    });

    it('is deleted some time after its end when it says so', async () => {
      await create('brief', 'once', { ttlSecondsAfterFinished: 2 });
      await until('brief', 'Complete');
      expect(await find(world, jobs, { namespace, name: 'brief' })).toBeDefined();
      await untilGone(world, jobs, { namespace, name: 'brief' });
      await world.until(async () => (await podsOf('brief')).length === 0, 'its pod to go');
    });
  });
}
