/** What every API server with a CronJob controller must do. */
import { beforeAll, describe, expect, it } from 'vitest';
import { events } from '@polyanthus/kube-kinds/core';
import { cronJobs, jobs, type CronJob, type Job } from '@polyanthus/kube-kinds/workloads';
import { freshNamespace, podSpec, suiteTimeoutMs, untilGone, type World } from '../testing.ts';

/** A CronJob of pods with this image. */
export function cronJobOf(
  namespace: string,
  name: string,
  image: string,
  spec: Partial<CronJob['spec']> = {},
): CronJob {
  const template = { spec: { ...podSpec(image), restartPolicy: 'Never' as const } };
  return {
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { namespace, name },
    spec: {
      schedule: '* * * * *',
      jobTemplate: { metadata: { labels: { made: name } }, spec: { template } },
      ...spec,
    },
  };
}

/** Jobs of a CronJob, the oldest first. */
export async function jobsOf(world: World, namespace: string, name: string): Promise<readonly Job[]> {
  const { items } = await world.client.list(world.ctx, jobs, { namespace, labelSelector: `made=${name}` });
  return items.toSorted((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1));
}

/** Declares the suite; `open` gives the world once. */
export function cronJobSuite(name: string, open: () => Promise<World>): void {
  describe(`cron jobs on ${name}`, { timeout: 3 * suiteTimeoutMs }, () => {
    let world: World;
    let namespace: string;
    beforeAll(async () => {
      world = await open();
      namespace = await freshNamespace(world);
    });
    const create = (cronJob: string, image: string, spec: Partial<CronJob['spec']> = {}): Promise<CronJob> =>
      world.client.create(world.ctx, cronJobs, cronJobOf(namespace, cronJob, image, spec));
    const get = (cronJob: string): Promise<CronJob> =>
      world.client.get(world.ctx, cronJobs, { namespace, name: cronJob });
    const namesOf = async (cronJob: string): Promise<readonly string[]> =>
      (await jobsOf(world, namespace, cronJob)).map(({ metadata }) => metadata.name ?? '');
    const until = (condition: () => Promise<boolean>, what: string): Promise<void> => world.until(condition, what);

    it('start a Job at each time, as their policy about those that still run says, and forget old ones', async () => {
      await create('each', 'once', { successfulJobsHistoryLimit: 1 });
      await create('one', 'v1', { concurrencyPolicy: 'Forbid' });
      await create('newest', 'v1', { concurrencyPolicy: 'Replace' });
      await create('all', 'v1');
      await create('never', 'once', { suspend: true });
      const kinds = ['each', 'one', 'newest', 'all'];
      await until(
        async () => (await Promise.all(kinds.map(namesOf))).every((names) => names.length > 0),
        'the first of each',
      );
      const [first] = await jobsOf(world, namespace, 'one');
      const dueMs = Date.parse(first?.metadata.annotations?.['batch.kubernetes.io/cronjob-scheduled-timestamp'] ?? '');
      expect(dueMs % 60_000).toBe(0);
      expect(first?.metadata).toMatchObject({
        name: `one-${dueMs / 60_000}`,
        ownerReferences: [{ kind: 'CronJob', name: 'one', controller: true, blockOwnerDeletion: true }],
      });
      const [replaced = ''] = await namesOf('newest');
      await until(async () => (await get('one')).status?.active?.[0]?.name === first?.metadata.name, 'its status');
      expect((await get('one')).status?.lastScheduleTime).toBe(`${new Date(dueMs).toISOString().slice(0, 19)}Z`);
      await until(async () => (await get('each')).status?.lastSuccessfulTime !== undefined, 'the first success');
      await until(async () => (await namesOf('all')).length >= 2, 'the second of all');
      await untilGone(world, jobs, { namespace, name: replaced });
      await until(
        async () => (await namesOf('newest')).length === 1 && (await get('newest')).status?.active?.length === 1,
        'the one that replaced it',
      );
      await until(async () => {
        const there = await jobsOf(world, namespace, 'each');
        return there.length === 1 && Date.parse(there[0]?.status?.completionTime ?? '') >= dueMs + 60_000;
      }, 'the first success to be forgotten');
      expect(await namesOf('one')).toEqual([first?.metadata.name]);
      expect(await namesOf('never')).toEqual([]);
      const said = (await world.client.list(world.ctx, events, { namespace })).items.map(({ reason }) => reason);
      for (const reason of ['SuccessfulCreate', 'SawCompletedJob', 'SuccessfulDelete', 'JobAlreadyActive'])
        expect(said).toContain(reason);
      expect(said).not.toContain('MissingJob');
      for (const cronJob of [...kinds, 'never'])
        await world.client.delete(
          world.ctx,
          cronJobs,
          { namespace, name: cronJob },
          { propagationPolicy: 'Background' },
        );
    });
  });
}
