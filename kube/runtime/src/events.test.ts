import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { background, withCancel } from '@polyanthus/ground-base/context';
import { createClient } from '@polyanthus/kube-client/rest';
import { events } from '@polyanthus/kube-kinds/core';
import { startTestCluster, type TestCluster } from '@polyanthus/kube-server/testing';
import { createEventRecorder } from './events.ts';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import { createTestClock } from './testing.ts';

const clock = createTestClock();
let server: TestCluster;
beforeAll(async () => {
  server = await startTestCluster({ clock, random: createSeededRandom(1) });
});
afterAll(() => server.close());

describe('the event recorder', () => {
  const subject = (name: string) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'default', name, uid: `uid-${name}` },
  });

  async function recordedOf(name: string, record: (say: (reason: string, message: string) => void) => void) {
    const client = createClient(server.transport);
    const { ctx, cancel } = withCancel(background({ clock }));
    const recorder = createEventRecorder({ client, clock, component: 'tester' });
    record((reason, message) => recorder.record(subject(name), 'Warning', reason, message));
    const running = recorder.run(ctx);
    await clock.advance(1000);
    cancel();
    await running;
    const list = await client.list(server.ctx, events, { namespace: 'default' });
    return list.items
      .filter((event) => event.involvedObject.name === name)
      .map(({ reason, message, count, source }) => ({ reason, message, count, component: source?.component }));
  }

  it('counts the same event instead of writing it again', async () => {
    const found = await recordedOf('same', (say) => {
      for (let time = 0; time < 3; time++) say('Failed', 'no luck');
    });
    expect(found).toEqual([{ reason: 'Failed', message: 'no luck', count: 3, component: 'tester' }]);
  });

  it('combines many that are alike', async () => {
    const found = await recordedOf('alike', (say) => {
      for (let time = 0; time < 15; time++) say('Failed', `attempt ${time}`);
    });
    expect(found).toHaveLength(11);
    expect(found.find((event) => event.message?.startsWith('(combined from similar events): '))?.count).toBe(5);
  });

  it('writes no more than a burst of one object', async () => {
    const found = await recordedOf('noisy', (say) => {
      for (let time = 0; time < 100; time++) say(`Reason${time}`, 'x');
    });
    expect(found).toHaveLength(25);
  });
});
