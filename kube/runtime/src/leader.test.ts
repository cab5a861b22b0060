import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { background, untilAborted, withCancel, type Context } from '@polyanthus/ground-base/context';
import { createLogger } from '@polyanthus/ground-base/log';
import { httpErrors } from '@polyanthus/ground-http/errors';
import type { Transport } from '@polyanthus/ground-http/message';
import { createClient } from '@polyanthus/kube-client/rest';
import { leases } from '@polyanthus/kube-kinds/core';
import { startTestCluster, type TestCluster } from '@polyanthus/kube-server/testing';
import { runWhenLeading } from './leader.ts';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import { createTestClock, skewedClock } from './testing.ts';

let clock: ReturnType<typeof createTestClock>;
let server: TestCluster;
/** Who leads at this moment; two at once is what must never be. */
let leading: Set<string>;
let history: string[];
let warnings: string[];

beforeEach(async () => {
  clock = createTestClock();
  server = await startTestCluster({ clock, random: createSeededRandom(1) });
  leading = new Set();
  history = [];
  warnings = [];
});
afterEach(() => server.close());

interface Candidate {
  /** Cuts it off from the API. */
  cut: boolean;
  readonly cancel: () => void;
  readonly ended: Promise<string>;
}

function candidate(
  identity: string,
  options: { readonly skewMs?: number; readonly lead?: (ctx: Context) => Promise<void> } = {},
): Candidate {
  const { ctx, cancel } = withCancel(
    background({
      clock: skewedClock(clock, options.skewMs ?? 0),
      log: createLogger(({ message }) => void warnings.push(message), 'warn'),
    }),
  );
  const state = { cut: false, cancel: () => cancel() };
  const transport: Transport = {
    ...server.transport,
    request: (inner, request) =>
      state.cut
        ? Promise.reject(httpErrors.error('ConnectionRefused', 'cut off'))
        : server.transport.request(inner, request),
  };
  const lead = async (inner: Context): Promise<void> => {
    expect(leading.size).toBe(0);
    leading.add(identity);
    history.push(identity);
    try {
      await (options.lead?.(inner) ?? untilAborted(inner, new Promise<void>(() => undefined)));
    } finally {
      leading.delete(identity);
    }
  };
  const ended = runWhenLeading(
    ctx,
    {
      client: createClient(transport),
      namespace: 'default',
      name: 'test',
      identity,
      random: createSeededRandom(identity.length),
    },
    lead,
  ).then(
    () => 'ended',
    (error: unknown) => String((error as { code?: unknown }).code ?? error),
  );
  return Object.assign(state, { ended });
}

const lease = async () =>
  (await createClient(server.transport).get(server.ctx, leases, { namespace: 'default', name: 'test' })).spec;

describe('runWhenLeading', () => {
  it('lets one of two lead, and the other at once when the first gives up', async () => {
    const first = candidate('one');
    await clock.until(() => leading.has('one'), 'the first leader');
    const second = candidate('two');
    await clock.advance(60_000);
    expect(history).toEqual(['one']);
    expect(await lease()).toMatchObject({ holderIdentity: 'one', leaseDurationSeconds: 15, leaseTransitions: 0 });
    first.cancel();
    await clock.until(() => leading.has('two'), 'the successor', 5000);
    expect(await first.ended).toBe('ended');
    expect((await lease())?.leaseTransitions).toBe(1);
    second.cancel();
    await second.ended;
    expect((await lease())?.holderIdentity ?? '').toBe('');
  });

  it('takes over from a leader that is cut off, after that one has stopped', async () => {
    const first = candidate('one');
    await clock.until(() => leading.has('one'), 'the first leader');
    const second = candidate('two');
    await clock.advance(5000);
    first.cut = true;
    await clock.until(() => leading.size === 0, 'the first to stop', 13_000);
    await clock.until(() => leading.has('two'), 'the second to lead', 20_000);
    expect(await first.ended).toBe('LeadershipLost');
    second.cancel();
    await second.ended;
  });

  it.each([3_600_000, -3_600_000])('does not care that clocks differ by %i ms', async (skewMs) => {
    const first = candidate('one');
    await clock.until(() => leading.has('one'), 'the first leader');
    const second = candidate('two', { skewMs });
    await clock.advance(120_000);
    expect(history).toEqual(['one']);
    first.cut = true;
    await clock.until(() => leading.has('two'), 'the second to lead', 40_000);
    second.cancel();
    await Promise.all([first.ended, second.ended]);
  });

  it('gives the Lease up only after the work has ended', async () => {
    const gate = Promise.withResolvers<void>();
    const first = candidate('one', { lead: () => gate.promise });
    await clock.until(() => leading.has('one'), 'the first leader');
    first.cancel();
    await clock.advance(3000);
    expect((await lease())?.holderIdentity).toBe('one');
    gate.resolve();
    expect(await first.ended).toBe('ended');
    expect((await lease())?.holderIdentity ?? '').toBe('');
  });

  it('says nothing of a Lease that is gone when it is given up', async () => {
    const first = candidate('one', {
      lead: async (ctx) =>
        void (await createClient(server.transport).delete(ctx, leases, { namespace: 'default', name: 'test' })),
    });
    expect(await first.ended).toBe('ended');
    expect(warnings).toEqual([]);
  });

  it('passes on what the work throws, and releases', async () => {
    const first = candidate('one', { lead: () => Promise.reject(new Error('broken work')) });
    expect(await first.ended).toContain('broken work');
    expect((await lease())?.holderIdentity ?? '').toBe('');
  });
});
