import { background } from '@polyanthus/ground-base/context';
import { readBody } from '@polyanthus/ground-http/body';
import { headerAll } from '@polyanthus/ground-http/headers';
import type { Body, Handler, HttpRequest, HttpResponse } from '@polyanthus/ground-http/message';
import { afterEach, describe, expect, it } from 'vitest';
import { defaultAdmission } from './admission.ts';
import {
  asAlice,
  startTestAgent,
  startTestHub,
  testAgents,
  testMember,
  tunnelOf,
  until,
  type TestAgent,
  type TestHub,
} from './testing.ts';

const ctx = background();
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function startHub(options: Parameters<typeof startTestHub>[0] = {}): Promise<TestHub> {
  const hub = await startTestHub(options);
  closing.push(() => hub.close());
  return hub;
}

function startAgent(...args: Parameters<typeof startTestAgent>): TestAgent {
  const agent = startTestAgent(...args);
  closing.push(() => agent.stop());
  return agent;
}

async function connected(
  member: Handler,
  options: Parameters<typeof startTestHub>[0] = {},
): Promise<{
  readonly hub: TestHub;
  readonly agent: TestAgent;
  ask: (url: string, more?: Partial<HttpRequest>) => Promise<HttpResponse>;
}> {
  const hub = await startHub(options);
  const agent = startAgent(hub, member);
  await tunnelOf(ctx, hub);
  const ask = (url: string, more: Partial<HttpRequest> = {}): Promise<HttpResponse> =>
    hub.hub.transportTo('uid-1').request(ctx, { method: 'GET', url, headers: asAlice, body: null, ...more });
  return { hub, agent, ask };
}

const text = async (body: Body): Promise<string> => Buffer.from(await readBody(body, 1e9)).toString();
const reader = (body: Body): AsyncIterator<Uint8Array> => (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
const stopAll = async (readers: readonly AsyncIterator<Uint8Array>[]): Promise<void> => {
  for (const one of readers) await one.return?.();
};
const ok: Handler = async () => ({ status: 200, headers: {}, body: Buffer.from('ok') });
const never = (): Promise<never> => new Promise(() => undefined);
const megabyte = Buffer.alloc(1_048_576, 7);

describe('a tunnel', () => {
  it('carries a request to the member and its answer back', async () => {
    const { ask } = await connected(async (_ctx, request) => ({
      status: 201,
      headers: { 'x-seen': `${request.method} ${request.url}`, warning: ['299 - "a"', '299 - "b"'] },
      body: Buffer.from(`${headerAll(request.headers, 'impersonate-group').join('|')} ${await text(request.body)}`),
    }));
    const answer = await ask('/api/v1/namespaces/a%2Fb/pods?x=1', {
      method: 'POST',
      headers: {
        ...asAlice,
        'impersonate-group': ['one, two', 'three'],
        connection: 'x-gone',
        'x-gone': '1',
        constructor: 'odd',
        __proto__: 'odd',
      },
      body: Buffer.from('sent'),
    });
    expect(answer.status).toBe(201);
    expect(answer.headers['x-seen']).toBe('POST /api/v1/namespaces/a%2Fb/pods?x=1');
    expect(headerAll(answer.headers, 'warning')).toEqual(['299 - "a"', '299 - "b"']);
    expect(await text(answer.body)).toBe('one, two|three sent');
  });

  it('passes each piece on as it comes, and tells the member when the reader stops', async () => {
    const step = Promise.withResolvers<void>();
    const stopped = Promise.withResolvers<void>();
    const { ask } = await connected(async (inner) => {
      inner.signal.addEventListener('abort', () => stopped.resolve());
      return {
        status: 200,
        headers: {},
        body: (async function* () {
          yield Buffer.from('first');
          await step.promise;
          yield Buffer.from('second');
          await never();
        })(),
      };
    });
    const body = reader((await ask('/api/v1/pods?watch=true')).body);
    expect(String((await body.next()).value)).toBe('first');
    step.resolve();
    expect(String((await body.next()).value)).toBe('second');
    await body.return?.();
    await stopped.promise;
  });

  it('breaks a body that the member broke, and a request that the caller broke', async () => {
    const seen = Promise.withResolvers<unknown>();
    const { ask } = await connected(async (_ctx, request) => {
      if (request.method === 'PUT') await readBody(request.body, 1e6).then(() => seen.resolve('whole'), seen.resolve);
      return {
        status: 200,
        headers: {},
        body: (async function* () {
          yield Buffer.from('part');
          throw new Error('the API server died');
        })(),
      };
    });
    const body = reader((await ask('/api')).body);
    await body.next();
    await expect(body.next()).rejects.toMatchObject({ code: 'ConnectionBroken' });
    const broken = (async function* () {
      yield Buffer.from('{"half":');
      throw new Error('the caller went away');
    })();
    await expect(ask('/api', { method: 'PUT', body: broken })).rejects.toMatchObject({ code: 'ConnectionBroken' });
    expect(await seen.promise).toMatchObject({
      code: expect.stringMatching(/^(ConnectionBroken|Cancelled)$/) as unknown,
    });
  });

  it.each(['agent', 'hub'] as const)(
    'breaks answers under way when the %s dies, and is TunnelAway after it',
    async (side) => {
      const { hub, agent, ask } = await connected(async () => ({
        status: 200,
        headers: {},
        body: (async function* () {
          yield Buffer.from('part');
          await never();
        })(),
      }));
      const body = reader((await ask('/api')).body);
      await body.next();
      const waiting = expect(body.next()).rejects.toMatchObject({ code: 'ConnectionBroken' });
      await (side === 'agent' ? agent.stop() : hub.hub.localTunnel('uid-1')?.close());
      await waiting;
      if (side === 'hub') await agent.stop();
      await until(ctx, () => hub.hub.localTunnel('uid-1') === undefined);
      await expect(ask('/api')).rejects.toMatchObject({ code: 'TunnelAway' });
    },
  );

  it('answers early without waiting for the rest of the request', async () => {
    const { ask } = await connected(async () => ({ status: 413, headers: {}, body: Buffer.from('too large') }));
    const endless = (async function* () {
      for (;;) yield megabyte;
    })();
    const answer = await ask('/api', { method: 'POST', body: endless });
    expect([answer.status, await text(answer.body)]).toEqual([413, 'too large']);
  });

  it('survives heads that lie about their body, in both directions', async () => {
    const { hub, ask } = await connected(async (_ctx, request) => ({
      status: 200,
      headers: { 'content-length': request.url.slice(1) },
      body:
        request.method === 'POST'
          ? Buffer.from(await text(request.body))
          : request.url === '/7'
            ? null
            : Buffer.from('12345'),
    }));
    const tunnel = await tunnelOf(ctx, hub);
    expect(await text((await ask('/7')).body)).toBe('');
    for (const length of ['4', '6']) {
      await expect(ask(`/${length}`).then((answer) => text(answer.body))).rejects.toMatchObject({
        code: 'ConnectionBroken',
      });
      const post = ask('/5', {
        method: 'POST',
        headers: { ...asAlice, 'content-length': length },
        body: Buffer.from('12345'),
      });
      await expect(post.then((answer) => text(answer.body))).rejects.toMatchObject({ code: 'ConnectionBroken' });
    }
    expect(await text((await ask('/5')).body)).toBe('12345');
    expect(hub.hub.localTunnel('uid-1')).toBe(tunnel);
  });

  it('gives answers without a body as such', async () => {
    const { ask } = await connected(async (_ctx, request) => ({
      status: request.url === '/none' ? 204 : 200,
      headers: { 'content-length': '5' },
      body: Buffer.from('12345'),
    }));
    for (const [url, method, length] of [
      ['/none', 'GET', undefined],
      ['/head', 'HEAD', '5'],
    ] as const) {
      const answer = await ask(url, { method });
      expect(await text(answer.body)).toBe('');
      expect(answer.headers['content-length']).toBe(length);
    }
    expect(await text((await ask('/still-alive')).body)).toBe('12345');
  });
});

describe('many streams', () => {
  it('21 stalled answers of 64 MiB do not hold up a short call', async () => {
    const { ask } = await connected(async (_ctx, request) =>
      request.url === '/short'
        ? { status: 200, headers: {}, body: Buffer.from('ok') }
        : {
            status: 200,
            headers: {},
            body: (async function* () {
              for (let sent = 0; sent < 64; sent++) yield megabyte;
            })(),
          },
    );
    const stalled = await Promise.all(Array.from({ length: 21 }, () => ask('/large')));
    const readers = stalled.map((answer) => reader(answer.body));
    await Promise.all(readers.map((one) => one.next()));
    expect(await text((await ask('/short')).body)).toBe('ok');
    await stopAll(readers);
    expect(await text((await ask('/short')).body)).toBe('ok');
  });

  it('1,000 open watches and a short call beside them', async () => {
    const { hub, ask } = await connected(async (_ctx, request) =>
      request.url === '/short'
        ? { status: 200, headers: {}, body: Buffer.from('ok') }
        : {
            status: 200,
            headers: {},
            body: (async function* () {
              yield Buffer.from('event');
              await never();
            })(),
          },
    );
    const watches = await Promise.all(Array.from({ length: 1_000 }, () => ask('/api/v1/pods?watch=true')));
    const readers = watches.map((answer) => reader(answer.body));
    await Promise.all(readers.map((one) => one.next()));
    expect(hub.hub.localTunnel('uid-1')?.counts).toEqual({ short: 0, long: 1_000, waiting: 0 });
    expect(await text((await ask('/short')).body)).toBe('ok');
    await stopAll(readers);
    await until(ctx, () => hub.hub.localTunnel('uid-1')?.counts.long === 0);
  });

  it('above the limit short calls wait, and long ones are TunnelBusy', async () => {
    const gate = Promise.withResolvers<void>();
    const { hub, ask } = await connected(
      async () => {
        await gate.promise;
        return { status: 200, headers: {}, body: Buffer.from('ok') };
      },
      { admission: { ...defaultAdmission, shortMax: 2, longMax: 1, queueMax: 1, shortHoldMs: 60_000 } },
    );
    const calls = [ask('/a'), ask('/b'), ask('/c')];
    void ask('/w?watch=1');
    await until(ctx, () => hub.hub.localTunnel('uid-1')?.counts.waiting === 1);
    await expect(ask('/d')).rejects.toMatchObject({ code: 'TunnelBusy' });
    await expect(ask('/w?watch=1')).rejects.toMatchObject({ code: 'TunnelBusy' });
    gate.resolve();
    expect(await Promise.all(calls.map(async (call) => text((await call).body)))).toEqual(['ok', 'ok', 'ok']);
  });
});

describe('who may open a tunnel', () => {
  const refusal = async (
    options: Parameters<typeof startTestAgent>[2],
    hubOptions: Parameters<typeof startTestHub>[0] = {},
  ): Promise<string> => {
    const lines: unknown[] = [];
    const hub = await startHub(hubOptions);
    const told = Promise.withResolvers<string>();
    const log = {
      ...ctx.log,
      warn: (message: string, fields?: Readonly<Record<string, unknown>>) => (
        lines.push(message),
        told.resolve(String((fields?.['error'] as Error | undefined)?.message))
      ),
    };
    startAgent(hub, ok, { ...options, log: { ...log, with: () => log } });
    const why = await told.promise;
    expect(hub.hub.tunnels()).toEqual([]);
    return why;
  };

  it('not a key of a foreign CA', async () =>
    expect(await refusal({ credentials: async () => testAgents.foreign })).toContain('not trusted'));
  it('not a certificate that ran out', async () =>
    expect(await refusal({ credentials: async () => testAgents.expired })).toContain('expired'));
  it('not a key of no membership', async () =>
    expect(await refusal({ credentials: async () => testAgents.second })).toContain('no membership'));
  it('not a certificate without its key', async () =>
    expect(
      await refusal({
        credentials: async () => ({
          certificatePem: testAgents.first.certificatePem,
          privateKey: testAgents.second.privateKey,
        }),
      }),
    ).toContain('signature'));
  it('not an agent that means another hub', async () =>
    expect(await refusal({ hubId: 'another-hub' })).toContain('signature'));
  it('not an agent that claims another membership', async () =>
    expect(await refusal({ membership: 'fleet-a/member-2' })).toContain('another membership'));
  it('not an agent of a version that the hub does not speak', async () =>
    expect(await refusal({ versions: [7, 8] })).toContain('speaks tunnel versions 7, 8'));

  it('picks the highest version that both speak', async () => {
    const hub = await startHub({ versions: [1, 2, 3] });
    startAgent(hub, ok, { versions: [2, 3, 4] });
    expect((await tunnelOf(ctx, hub)).identity.version).toBe(3);
  });
});

describe('a tunnel that moves', () => {
  const slow = (): { readonly member: Handler; readonly finish: () => void } => {
    const gate = Promise.withResolvers<void>();
    return {
      finish: gate.resolve,
      member: async (_ctx, request) => ({
        status: 200,
        headers: {},
        body:
          request.url === '/short'
            ? Buffer.from('ok')
            : (async function* () {
                yield Buffer.from('begin ');
                await gate.promise;
                yield Buffer.from('end');
              })(),
      }),
    };
  };

  it('drains without losing a request: a second one opens first, the old one ends with its last answer', async () => {
    const { member, finish } = slow();
    const { hub, ask } = await connected(member);
    const first = await tunnelOf(ctx, hub);
    const answer = await ask('/slow');
    hub.hub.drain('a new version', { membershipUid: 'uid-1' });
    const second = await until(ctx, () => hub.hub.tunnels().find((tunnel) => tunnel !== first));
    expect(second.identity.epoch).toBe(first.identity.epoch + 1);
    await until(ctx, () => hub.hub.localTunnel('uid-1') === second);
    expect(await text((await ask('/short')).body)).toBe('ok');
    finish();
    expect(await text(answer.body)).toBe('begin end');
    await first.closed;
    expect(hub.hub.tunnels()).toEqual([second]);
  });

  it('comes back after it was cut', async () => {
    const { hub, ask } = await connected(ok);
    const first = await tunnelOf(ctx, hub);
    await first.close();
    await until(ctx, () => hub.hub.localTunnel('uid-1') !== undefined);
    expect(await text((await ask('/short')).body)).toBe('ok');
  });

  it('is replaced by a newer one of the same key, whose agent takes over', async () => {
    const { hub } = await connected(ok);
    const first = await tunnelOf(ctx, hub);
    startAgent(hub, async () => ({ status: 200, headers: {}, body: Buffer.from('second agent') }));
    await first.closed;
    const answer = await hub.hub
      .transportTo('uid-1')
      .request(ctx, { method: 'GET', url: '/', headers: asAlice, body: null });
    expect(await text(answer.body)).toBe('second agent');
  });

  it('is closed when its key is no longer that of the membership', async () => {
    const { hub } = await connected(ok);
    const tunnel = await tunnelOf(ctx, hub);
    expect(await hub.hub.recheck(ctx)).toBe(0);
    hub.store.keys.clear();
    expect(await hub.hub.recheck(ctx)).toBe(1);
    await tunnel.closed;
  });

  it('comes back when a refused agent enrols again', async () => {
    const hub = await startHub();
    hub.store.keys.clear();
    let refusals = 0;
    startAgent(hub, ok, {
      onRefused: async () => {
        refusals += 1;
        if (refusals === 1) throw new Error('the hub is not ready for it');
        hub.store.keys.set(testAgents.first.keyHash, testMember);
      },
    });
    await tunnelOf(ctx, hub);
    expect(refusals).toBe(2);
  });

  it('renews the certificate of its agent', async () => {
    const stored = Promise.withResolvers<string>();
    const hub = await startHub();
    startAgent(hub, ok, {
      renewal: { csr: async () => 'a request', store: async (pem) => stored.resolve(pem), beforeMs: 1e15 },
    });
    expect(await stored.promise).toBe('certificate for a request');
  });
});

describe('the agent', () => {
  it.each([
    ['without a user', {}],
    ['with two users', { 'impersonate-user': ['alice', 'root'] }],
    ['with an empty user', { 'impersonate-user': '' }],
    ['as a cluster admin group', { 'impersonate-user': 'alice', 'impersonate-group': 'system:masters' }],
    ['as a ServiceAccount of the member', { 'impersonate-user': 'system:serviceaccount:kube-system:x' }],
    ['with an extra of the identity', { 'impersonate-user': 'alice', 'impersonate-extra-scopes': 'all' }],
    ['as a kubeadm admin', { 'impersonate-user': 'alice', 'impersonate-group': ['devs', 'kubeadm:cluster-admins'] }],
    ['that passes itself off as a probe', { 'polyanthus-probe': '1' }],
  ])('refuses a request %s', async (_name, headers) => {
    let asked = 0;
    const { ask } = await connected(async () => (asked++, { status: 200, headers: {}, body: null }));
    const answer = await ask('/api', { headers });
    expect([answer.status, asked]).toEqual([403, 0]);
    expect(JSON.parse(await text(answer.body))).toMatchObject({ kind: 'Status', reason: 'Forbidden' });
  });

  it('refuses a HEAD too', async () => {
    const { ask } = await connected(ok);
    const answer = await ask('/api', { method: 'HEAD', headers: {} });
    expect([answer.status, await text(answer.body)]).toEqual([403, '']);
    expect(await text((await ask('/api')).body)).toBe('ok');
  });

  it('answers the probes of the hub itself, and only those', async () => {
    const { hub } = await connected(async (_ctx, request) => ({
      status: 200,
      headers: {},
      body: Buffer.from(JSON.stringify([request.url, Object.keys(request.headers)])),
    }));
    const tunnel = await tunnelOf(ctx, hub);
    expect(JSON.parse(await text((await tunnel.probe(ctx, '/readyz')).body))).toEqual(['/readyz', ['accept']]);
    expect((await tunnel.probe(ctx, '/api/v1/secrets')).status).toBe(403);
  });

  it('says 503 when its kube-apiserver does not answer', async () => {
    const { createTransport } = await import('@polyanthus/ground-http/node-client');
    const hub = await startHub();
    startAgent(hub, createTransport({ baseUrl: 'http://127.0.0.1:1' }));
    await tunnelOf(ctx, hub);
    const answer = await hub.hub
      .transportTo('uid-1')
      .request(ctx, { method: 'GET', url: '/api', headers: asAlice, body: null });
    expect([answer.status, JSON.parse(await text(answer.body))]).toMatchObject([
      503,
      { message: expect.stringContaining('cannot reach the kube-apiserver') as unknown },
    ]);
  });
});
