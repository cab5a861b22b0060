import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { background } from '@polyanthus/ground-base/context';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { testCertificates } from '@polyanthus/ground-http/testing';
import { afterEach, expect, it } from 'vitest';
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

it('a tunnel that went silent is given up on both sides, and the agent dials again', async () => {
  const heartbeat = { everyMs: 20, deadAfterMs: 150 };
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
  const first = await tunnelOf(ctx, hub);
  way.swallow();
  await first.closed;
  await until(ctx, () => opened.includes(false));
  const second = await tunnelOf(ctx, hub);
  expect(second.identity.epoch).toBeGreaterThan(first.identity.epoch);
});
