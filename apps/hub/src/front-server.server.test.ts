/** The front's listener on its own: what it shows, whom it asks for, and both while it runs. */
import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { background } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import type { RunningServer } from '@polyanthus/ground-http/node-server';
import { createAuthority, type Authority } from '@polyanthus/ground-pki/authority';
import { generateKey } from '@polyanthus/ground-pki/keys';
import { createVirtualClock, type VirtualClock } from '@polyanthus/ground-testing/virtual-clock';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { serveFront } from './front-server.ts';

const dayMs = 86_400_000;
let clock: VirtualClock;
let life: AbortController;
let serving: Authority;
let users: Authority;
let server: RunningServer;
let trusted: readonly string[];
let tell = (): void => undefined;

beforeEach(async () => {
  clock = createVirtualClock({ startMs: Date.now() });
  life = new AbortController();
  const ctx = { ...background({ clock }), signal: life.signal };
  const made = (commonName: string) => createAuthority({ commonName, nowMs: Date.now(), random: systemRandom });
  [serving, users] = await Promise.all([made('serving'), made('users')]);
  trusted = [];
  server = await serveFront(
    ctx,
    {
      listen: { host: '127.0.0.1', port: 0 },
      hostNames: [],
      authority: serving,
      callerCas: { pems: () => trusted, onChange: (fn) => void (tell = fn) },
    },
    {
      handler: async (_ctx, { peer }) => ({
        status: 200,
        headers: {},
        body: Buffer.from(peer.certificate === undefined ? 'nobody' : 'known'),
      }),
      onFault: () => undefined,
    },
  );
});
afterEach(async () => {
  life.abort();
  await server.close(0);
});

async function open(user?: { readonly cert: string; readonly key: string }): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port: server.port, rejectUnauthorized: false, ...user });
  await once(socket, 'secureConnect');
  return socket;
}

async function greeted(user: { readonly cert: string; readonly key: string }): Promise<string> {
  const socket = await open(user);
  socket.end('GET / HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n');
  let text = '';
  for await (const chunk of socket.setEncoding('utf8')) text += chunk as string;
  return text.split('\r\n\r\n')[1] ?? '';
}

it('shows a new certificate before the old one ends, asks for those of new CAs, and needs no restart for either', async () => {
  const shown = async (): Promise<{ readonly serial: string; readonly untilMs: number }> => {
    const socket = await open();
    const { serialNumber, valid_to: until } = socket.getPeerCertificate();
    socket.destroy();
    return { serial: serialNumber, untilMs: Date.parse(until) };
  };
  const first = await shown();
  await clock.advance(200 * dayMs);
  expect(await shown()).toEqual(first);
  await clock.advance(60 * dayMs);
  await expect.poll(async () => (await shown()).serial, { timeout: 20_000 }).not.toBe(first.serial);
  expect((await shown()).untilMs).toBeGreaterThan(first.untilMs + 200 * dayMs);
});

it('lets in by certificates of a CA from the moment that it is named', async () => {
  const keys = await generateKey();
  const wanted = { commonName: 'carol', organizations: [], publicKeyPem: keys.publicKeyPem, ttlMs: dayMs };
  const carol = { cert: await users.issueClient(Date.now(), wanted), key: keys.privateKeyPem };
  expect(await greeted(carol)).toContain('nobody');
  trusted = [users.certificatePem];
  tell();
  expect(await greeted(carol)).toContain('known');
  trusted = [];
  tell();
  expect(await greeted(carol)).toContain('nobody');
});
