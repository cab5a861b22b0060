import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { background } from '@polyanthus/ground-base/context';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { testCertificates } from '@polyanthus/ground-http/testing';
import { afterEach, expect, it } from 'vitest';
import type { HeartbeatOptions } from './liveness.ts';
import { startTestAgent, startTestHub, tunnelOf, until } from './testing.ts';

const ctx = background();
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** A way to `port` that can swallow everything without closing anything, as a dead network does. */
async function blackHole(port: number): Promise<{ readonly port: number; readonly swallow: () => void }> {
  const pairs: (readonly [Socket, Socket])[] = [];
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const socket of [near, far]) socket.on('error', () => undefined);
    near.pipe(far).pipe(near);
    pairs.push([near, far]);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    for (const socket of pairs.flat()) socket.destroy();
    server.close();
  });
  const swallow = (): void => {
    for (const [near, far] of pairs) {
      near.unpipe(far).resume();
      far.unpipe(near).resume();
    }
  };
  return { port: (server.address() as AddressInfo).port, swallow };
}

async function hubAndAgent(heartbeat: HeartbeatOptions) {
  const hub = await startTestHub({ heartbeat });
  closing.push(() => hub.close());
  const way = await blackHole(hub.server.port);
  const opened: boolean[] = [];
  const agent = startTestAgent(hub, async () => ({ status: 200, headers: {}, body: null }), {
    hub: createTransport({ baseUrl: `https://localhost:${way.port}`, tls: { ca: testCertificates.ca } }),
    heartbeat,
    onTunnel: (_tunnel, open) => opened.push(open),
  });
  closing.push(() => agent.stop());
  return { hub, way, opened, first: await tunnelOf(ctx, hub) };
}

it('a tunnel that went silent is given up on both sides, and the agent dials again', async () => {
  const made = await hubAndAgent({ everyMs: 20, deadAfterMs: 150, answerWithinMs: 100_000 });
  const { hub, way, opened, first } = made;
  way.swallow();
  await first.closed;
  await until(ctx, () => opened.includes(false));
  const second = await tunnelOf(ctx, hub);
  expect(second.identity.epoch).toBeGreaterThan(first.identity.epoch);
});

it('a request into a silent tunnel fails long before the heartbeat would have noticed', async () => {
  const { way, first } = await hubAndAgent({ everyMs: 5, deadAfterMs: 1_000_000, answerWithinMs: 100 });
  way.swallow();
  // The beats ping into the void; only a request judges.
  const asked = first.request(ctx, { method: 'GET', url: '/', headers: { 'impersonate-user': 'alice' }, body: null });
  await expect(asked).rejects.toMatchObject({ code: 'ConnectionBroken' });
  await first.closed;
});

it('a request that takes long in a tunnel that answers pings is waited for', async () => {
  const hub = await startTestHub({ heartbeat: { everyMs: 10, deadAfterMs: 1_000_000, answerWithinMs: 1_000 } });
  closing.push(() => hub.close());
  const held = Promise.withResolvers<void>();
  const agent = startTestAgent(hub, async () => {
    await held.promise;
    return { status: 204, headers: {}, body: null };
  });
  closing.push(() => agent.stop());
  const tunnel = await tunnelOf(ctx, hub);
  const asked = tunnel.request(ctx, { method: 'GET', url: '/', headers: { 'impersonate-user': 'alice' }, body: null });
  const endMs = ctx.clock.monotonic() + 1_500;
  await until(ctx, () => ctx.clock.monotonic() > endMs);
  held.resolve();
  expect((await asked).status).toBe(204);
});
