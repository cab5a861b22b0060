import { background, withCancel } from '@polyanthus/ground-base/context';
import { readBody } from '@polyanthus/ground-http/body';
import { headerAll } from '@polyanthus/ground-http/headers';
import type { Body, Handler, Transport } from '@polyanthus/ground-http/message';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { serve, type RunningServer } from '@polyanthus/ground-http/node-server';
import { testCertificates } from '@polyanthus/ground-http/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { MemoryDirectory } from './directory.ts';
import { createReplicaHandler } from './replica.ts';
import { asAlice, startTestAgent, startTestHub, tunnelOf, until, type TestAgent, type TestHub } from './testing.ts';

const ctx = background();
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const text = async (body: Body): Promise<string> => Buffer.from(await readBody(body, 1e8)).toString();
const at = (url: string) => ({ method: 'GET', url, headers: asAlice, body: null });

/** Two replicas of one hub; each knows the other's internal port. Certificates of the tests say `O=testers`. */
async function twoReplicas(): Promise<{
  readonly a: TestHub;
  readonly b: TestHub;
  readonly internalB: RunningServer;
  connect: (hub: TestHub, member: Handler) => TestAgent;
}> {
  const directory = new MemoryDirectory();
  const internal = new Map<string, Transport>();
  const start = (replica: string): Promise<TestHub> =>
    startTestHub({ replica, directory: directory.of(replica), replicaTransport: (name) => internal.get(name) });
  const scope = withCancel(ctx);
  const listen = async (name: string, hub: TestHub): Promise<RunningServer> => {
    const server = await serve(scope.ctx, {
      handler: createReplicaHandler(hub.hub, { organization: 'testers' }),
      listen: { host: '127.0.0.1', port: 0 },
      tls: { ...testCertificates.server, clientCas: [testCertificates.ca] },
    });
    const transport = createTransport({
      baseUrl: `https://localhost:${server.port}`,
      tls: { ca: testCertificates.ca, ...testCertificates.client },
    });
    internal.set(name, transport);
    closing.push(async () => {
      await transport.close();
      await server.close(0);
    });
    return server;
  };
  const [a, b] = [await start('a'), await start('b')];
  closing.push(
    () => a.close(),
    () => b.close(),
  );
  await listen('a', a);
  const internalB = await listen('b', b);
  return {
    a,
    b,
    internalB,
    connect: (hub, member) => {
      const agent = startTestAgent(hub, member);
      closing.push(() => agent.stop());
      return agent;
    },
  };
}

describe('a replica without the tunnel', () => {
  it('forwards to the one that has it: bodies, repeated headers, refusals and byte streams', async () => {
    const { a, b, connect } = await twoReplicas();
    connect(b, async (_ctx, request) =>
      request.headers['upgrade'] === undefined
        ? {
            status: 299,
            headers: {},
            body: Buffer.from(
              `${headerAll(request.headers, 'impersonate-group').join('|')} ${await text(request.body)}`,
            ),
          }
        : request.url === '/refuse'
          ? { status: 403, headers: { 'x-why': 'no' }, body: Buffer.from('refused') }
          : {
              status: 101,
              headers: { upgrade: 'websocket', 'x-accept': 'yes' },
              body: null,
              upgrade: (socket) => socket.pipe(socket),
            },
    );
    await tunnelOf(ctx, b);
    const member = a.hub.transportTo('uid-1');
    const answer = await member.request(ctx, {
      ...at('/api?x=1'),
      method: 'POST',
      headers: { ...asAlice, 'impersonate-group': ['a, b', 'c'] },
      body: Buffer.from('sent'),
    });
    expect([answer.status, await text(answer.body)]).toEqual([299, 'a, b|c sent']);
    const upgrade = { ...at('/exec'), headers: { ...asAlice, connection: 'Upgrade', upgrade: 'websocket' } };
    const refused = await member.upgrade(ctx, { ...upgrade, url: '/refuse' });
    if (refused.kind !== 'refused') throw new Error('not refused');
    expect([refused.response.status, refused.response.headers['x-why'], await text(refused.response.body)]).toEqual([
      403,
      'no',
      'refused',
    ]);
    const joined = await member.upgrade(ctx, upgrade);
    if (joined.kind !== 'upgraded') throw new Error('not upgraded');
    expect(joined.headers['x-accept']).toBe('yes');
    joined.socket.write('echo');
    for await (const piece of joined.socket as AsyncIterable<Uint8Array>) {
      expect(String(piece)).toBe('echo');
      break;
    }
  });

  it('breaks an answer under way when the tunnel at the other replica dies', async () => {
    const { a, b, connect } = await twoReplicas();
    const agent = connect(b, async () => ({
      status: 200,
      headers: {},
      body: (async function* () {
        yield Buffer.from('part');
        await new Promise(() => undefined);
      })(),
    }));
    await tunnelOf(ctx, b);
    const answer = await a.hub.transportTo('uid-1').request(ctx, at('/'));
    const body = (answer.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    await body.next();
    await agent.stop();
    await expect(body.next()).rejects.toMatchObject({ code: 'ConnectionBroken' });
  });

  it('is told of a broken connection when the tunnel at the other replica dies before the answer', async () => {
    const { a, b, connect } = await twoReplicas();
    const asked = Promise.withResolvers<void>();
    const agent = connect(b, async () => {
      asked.resolve();
      return new Promise(() => undefined);
    });
    await tunnelOf(ctx, b);
    const answer = a.hub.transportTo('uid-1').request(ctx, at('/'));
    const seen = expect(answer).rejects.toMatchObject({ code: 'ConnectionBroken' });
    await asked.promise;
    await agent.stop();
    await seen;
  });

  it('follows the tunnel when the agent arrives elsewhere', async () => {
    const { a, b, connect } = await twoReplicas();
    const agent = connect(b, async () => ({ status: 200, headers: {}, body: Buffer.from('by b') }));
    await tunnelOf(ctx, b);
    await agent.stop();
    await until(ctx, () => b.hub.localTunnel('uid-1') === undefined);
    await expect(b.hub.transportTo('uid-1').request(ctx, at('/'))).rejects.toMatchObject({ code: 'TunnelAway' });
    connect(a, async () => ({ status: 200, headers: {}, body: Buffer.from('by a') }));
    await tunnelOf(ctx, a);
    expect(await text((await b.hub.transportTo('uid-1').request(ctx, at('/'))).body)).toBe('by a');
  });

  it('holds a request while a drain that it announced moves the tunnel', async () => {
    const { a, b, connect } = await twoReplicas();
    const agent = connect(a, async () => ({ status: 200, headers: {}, body: Buffer.from('old') }));
    const tunnel = await tunnelOf(ctx, a);
    a.hub.drain('stopping', { stopAccepting: true });
    await agent.stop();
    await tunnel.closed;
    const held = a.hub.transportTo('uid-1').request(ctx, at('/'));
    connect(b, async () => ({ status: 200, headers: {}, body: Buffer.from('new') }));
    expect(await text((await held).body)).toBe('new');
  });
});

describe('the internal port', () => {
  it('refuses strangers, and a second hop', async () => {
    const { internalB } = await twoReplicas();
    const path = '/internal/v1/members/uid-1/api';
    const port = `https://localhost:${internalB.port}`;
    const ask = async (
      tls: { readonly cert?: string; readonly key?: string },
      headers: Record<string, string> = {},
    ): Promise<[number, unknown]> => {
      const transport = createTransport({ baseUrl: port, tls: { ca: testCertificates.ca, ...tls } });
      const answer = await transport.request(ctx, { ...at(path), headers: { ...asAlice, ...headers } });
      await text(answer.body);
      await transport.close();
      return [answer.status, answer.headers['polyanthus-error']];
    };
    expect(await ask({})).toEqual([403, 'Forbidden']);
    expect(await ask(testCertificates.stranger)).toEqual([403, 'Forbidden']);
    expect(await ask(testCertificates.client)).toEqual([503, 'TunnelAway']);
    expect(await ask(testCertificates.client, { 'polyanthus-hop': '1' })).toEqual([503, 'TunnelLoop']);
  });
});
