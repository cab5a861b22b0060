import { background, withCancel } from '@polyanthus/ground-base/context';
import { readBody } from '@polyanthus/ground-http/body';
import { headerAll } from '@polyanthus/ground-http/headers';
import type { Body, Handler, HttpResponse, Peer } from '@polyanthus/ground-http/message';
import type { UserInfo } from '@polyanthus/kube-access/user';
import type { Status } from '@polyanthus/kube-objects/status';
import { until } from '@polyanthus/engine-tunnel/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { atMember, memberUrl, startTestGateway, type TestGateway } from './testing.ts';

const ctx = background();
let open: TestGateway | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});
const start = async (...args: Parameters<typeof startTestGateway>): Promise<TestGateway> =>
  (open = await startTestGateway(...args));

const text = async (body: Body): Promise<string> => Buffer.from(await readBody(body, 1e9)).toString();
const status = async (response: HttpResponse): Promise<Status> => JSON.parse(await text(response.body)) as Status;
/** Answers with what it saw. */
const mirror: Handler = async (_ctx, request) => ({
  status: 200,
  headers: {},
  body: Buffer.from(
    JSON.stringify({
      method: request.method,
      url: request.url,
      headers: request.headers,
      body: await text(request.body),
    }),
  ),
});
interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string | string[]>;
  readonly body: string;
}
const seen = async (response: HttpResponse): Promise<Seen> => JSON.parse(await text(response.body)) as Seen;

describe('a request to a member', () => {
  it('arrives as the caller, without credentials and claims', async () => {
    const gateway = await start(mirror);
    const response = await gateway.client().request(
      ctx,
      atMember('/api/v1/namespaces/default/pods?limit=5', {
        method: 'POST',
        headers: {
          cookie: 'a=b',
          'x-remote-user': 'root',
          'x-forwarded-for': '1.2.3.4',
          'x-kept': 'yes',
          'polyanthus-probe': '1',
        },
        body: Buffer.from('{"kind":"Pod"}'),
      }),
    );
    const at = await seen(response);
    expect(at).toMatchObject({
      method: 'POST',
      url: '/api/v1/namespaces/default/pods?limit=5',
      body: '{"kind":"Pod"}',
    });
    expect(at.headers).toMatchObject({ 'impersonate-user': 'alice', 'impersonate-group': 'devs', 'x-kept': 'yes' });
    for (const name of ['authorization', 'cookie', 'x-remote-user', 'x-forwarded-for', 'polyanthus-probe'])
      expect(at.headers).not.toHaveProperty(name);
  });

  it('arrives under its own name, whatever the alphabet', async () => {
    const gateway = await start(mirror);
    const utf8 = (bytes: string | string[] | undefined): string =>
      Buffer.from(String(bytes), 'latin1').toString('utf8');
    // The second name is what the bytes of the first look like to who takes them for Latin-1.
    for (const [index, username] of ['éric', 'Ã©ric', '渡辺'].entries()) {
      gateway.access.users.set(`t${index}`, { username, groups: [`${username}-équipe`] });
      const asked = { headers: { authorization: `Bearer t${index}` } };
      const at = await seen(await gateway.client().request(ctx, atMember('/api', asked)));
      expect(utf8(at.headers['impersonate-user'])).toBe(username);
      expect(utf8(at.headers['impersonate-group'])).toBe(`${username}-équipe`);
    }
  });

  it('carries 600 groups, and answers 431 as a Status above the limits', async () => {
    const gateway = await start(mirror);
    const groups = Array.from({ length: 600 }, (_, index) => `group-${index}-of-the-directory`);
    gateway.access.users.set('many', { username: 'many', groups });
    gateway.access.users.set('more', { username: 'more', groups: [...groups, ...groups] });
    for (const protocol of ['http/1.1', 'h2'] as const) {
      const client = gateway.client(protocol);
      const at = await seen(await client.request(ctx, atMember('/api', { headers: { authorization: 'Bearer many' } })));
      expect(at.headers['impersonate-group']).toEqual(groups);
      const refused = await client.request(ctx, atMember('/api', { headers: { authorization: 'Bearer more' } }));
      expect(refused.status).toBe(431);
      expect(await status(refused)).toMatchObject({
        kind: 'Status',
        code: 431,
        message: expect.stringContaining('groups') as unknown,
      });
    }
  });
});

describe('who may', () => {
  it('asks for the verb on memberships/gateway, and create on memberships/stream for exec by any method', async () => {
    const gateway = await start(mirror);
    const rights: string[] = [];
    gateway.access.allowed = (right) => {
      if (right.kind === 'resource')
        rights.push(`${right.verb} ${right.resource}/${right.subresource} ${right.namespace}/${right.name}`);
      return true;
    };
    const client = gateway.client();
    for (const [method, path] of [
      ['GET', '/api/v1/pods'],
      ['GET', '/api/v1/namespaces/a/pods/b'],
      ['GET', '/api/v1/pods?watch=true'],
      ['DELETE', '/api/v1/namespaces/a/pods'],
      ['GET', '/version'],
      ['GET', '/api/v1/namespaces/a/pods/b/exec'],
      ['POST', '/api/v1/namespaces/a/pods/b/portforward'],
      ['GET', '/api/v1/nodes/n/proxy/run'],
    ] as const) {
      await text((await client.request(ctx, atMember(path, { method }))).body);
    }
    const on = (what: string): string => `${what} fleet-a/member-1`;
    expect(rights).toEqual([
      on('list memberships/gateway'),
      on('get memberships/gateway'),
      on('watch memberships/gateway'),
      on('deletecollection memberships/gateway'),
      on('get memberships/gateway'),
      on('create memberships/stream'),
      on('create memberships/stream'),
      on('create memberships/stream'),
    ]);
  });

  it('says 403 before it says whether a membership exists', async () => {
    const gateway = await start(mirror);
    gateway.access.allowed = () => false;
    const answer = await gateway
      .client()
      .request(ctx, { ...atMember(''), url: memberUrl.replace('member-1', 'no-such') + '/api' });
    expect(answer.status).toBe(403);
    expect((await status(answer)).message).toBe(
      'memberships.fleet.polyanthus.dev "no-such" is forbidden: User "alice" cannot get resource "memberships/gateway" in API group "fleet.polyanthus.dev" in the namespace "fleet-a"',
    );
    // Of discovery kubectl prints no Status.
    expect(headerAll(answer.headers, 'warning')).toHaveLength(1);
    const list = await gateway.client().request(ctx, atMember('/api/v1/pods'));
    expect([list.status, headerAll(list.headers, 'warning')]).toEqual([403, []]);
    gateway.access.allowed = () => true;
    const unknown = await gateway
      .client()
      .request(ctx, { ...atMember(''), url: memberUrl.replace('member-1', 'no-such') + '/api' });
    expect(unknown.status).toBe(404);
    expect(headerAll(unknown.headers, 'warning')).toEqual([
      '299 - "memberships.fleet.polyanthus.dev \\"no-such\\" not found"',
    ]);
  });

  it('refuses bad credentials with 401', async () => {
    const gateway = await start(mirror);
    const answer = await gateway
      .client()
      .request(ctx, atMember('/api', { headers: { authorization: 'Bearer nobody' } }));
    expect([answer.status, (await status(answer)).reason]).toEqual([401, 'Unauthorized']);
  });

  it.each([
    ['system:masters', { username: 'admin', groups: ['system:masters'] }, 403],
    ['a node', { username: 'system:node:n1', groups: ['system:nodes'] }, 403],
    [
      'an account of the hub',
      {
        username: 'system:serviceaccount:ns:app',
        groups: ['system:serviceaccounts', 'system:serviceaccounts:ns', 'system:authenticated'],
      },
      200,
    ],
  ])('meets %s', async (_name, user, code) => {
    const gateway = await start(mirror);
    gateway.access.users.set('other', user);
    const answer = await gateway
      .client()
      .request(ctx, atMember('/api', { headers: { authorization: 'Bearer other' } }));
    expect(answer.status).toBe(code);
    if (code === 200)
      expect((await seen(answer)).headers).toMatchObject({
        'impersonate-user': 'hub:serviceaccount:ns:app',
        'impersonate-group': ['hub:serviceaccounts', 'hub:serviceaccounts:ns'],
      });
  });

  it('passes an impersonation on only with the right to it at the hub', async () => {
    const gateway = await start(mirror);
    const ask = { headers: { 'impersonate-user': 'bob', 'impersonate-group': ['system:masters'] } };
    gateway.access.allowed = (right) => right.verb !== 'impersonate';
    const refused = await gateway.client().request(ctx, atMember('/api', ask));
    expect(refused.status).toBe(403);
    gateway.access.allowed = () => true;
    const masters = await gateway.client().request(ctx, atMember('/api', ask));
    expect([masters.status, (await status(masters)).message]).toEqual([403, expect.stringContaining('system:masters')]);
    const granted = await gateway.client().request(ctx, atMember('/api', { headers: { 'impersonate-user': 'bob' } }));
    expect((await seen(granted)).headers['impersonate-user']).toBe('bob');
    for (const name of ['impersonate-uid', 'impersonate-extra-scopes']) {
      const odd = await gateway
        .client()
        .request(ctx, atMember('/api', { headers: { 'impersonate-user': 'bob', [name]: 'x' } }));
      expect(odd.status).toBe(403);
    }
  });

  it('holds a read-only membership to reading', async () => {
    const gateway = await start(mirror);
    gateway.member.current = { ...gateway.member.current, ceiling: 'readonly' };
    const codes: Record<string, number> = {};
    for (const [method, path] of [
      ['GET', '/api/v1/pods'],
      ['POST', '/api/v1/namespaces/a/pods'],
      ['GET', '/api/v1/namespaces/a/pods/b/exec'],
      ['GET', '/api/v1/namespaces/a/services/b/proxy/'],
      ['POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'],
    ] as const) {
      const answer = await gateway.client().request(ctx, atMember(path, { method }));
      codes[`${method} ${path}`] = answer.status;
      await text(answer.body);
    }
    expect(Object.values(codes)).toEqual([200, 403, 403, 403, 200]);
  });

  it('closes streams of a membership that became read-only or another one', async () => {
    const gateway = await start(async () => ({
      status: 101,
      headers: { upgrade: 'websocket' },
      body: null,
      upgrade: (socket) => void socket.on('error', () => undefined).resume(),
    }));
    for (const change of [
      { ceiling: 'readonly' as const },
      { uid: 'uid-1', ceiling: 'full' as const, name: 'renamed' },
    ]) {
      const exec = await gateway
        .client()
        .upgrade(
          ctx,
          atMember('/api/v1/namespaces/a/pods/b/exec', { headers: { connection: 'Upgrade', upgrade: 'websocket' } }),
        );
      if (exec.kind !== 'upgraded') throw new Error('refused');
      const closed = new Promise((resolve) =>
        exec.socket
          .on('error', () => undefined)
          .once('close', resolve)
          .resume(),
      );
      expect(await gateway.gateway.closeNoLongerAllowed(ctx)).toBe(0);
      const before = gateway.member.current;
      gateway.member.current = { ...before, ...change };
      expect(await gateway.gateway.closeNoLongerAllowed(ctx)).toBe(1);
      await closed;
      gateway.member.current = before;
    }
  });

  it('closes streams whose right is taken away, and no others', async () => {
    const gateway = await start(async () => ({
      status: 200,
      headers: {},
      body: (async function* () {
        yield Buffer.from('event');
        await new Promise(() => undefined);
      })(),
    }));
    gateway.access.users.set('bob', { username: 'bob', groups: [] });
    const watch = async (name: string): Promise<AsyncIterator<Uint8Array>> => {
      const answer = await gateway
        .client('h2')
        .request(ctx, atMember('/api/v1/pods?watch=1', { headers: { authorization: `Bearer ${name}` } }));
      const reader = (answer.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
      await reader.next();
      return reader;
    };
    const [alices, bobs] = [await watch('alice'), await watch('bob')];
    gateway.access.allowed = (right) => right.user.username === 'bob';
    expect(await gateway.gateway.closeNoLongerAllowed(ctx)).toBe(1);
    await expect(alices.next()).rejects.toMatchObject({ code: 'ConnectionBroken' });
    expect(gateway.gateway.open()).toBe(1);
    await bobs.return?.();
    await until(ctx, () => gateway.gateway.open() === 0);
    expect(new Set(gateway.audit.map((line) => `${line.user} ${line.end}`))).toEqual(
      new Set(['alice broken', 'bob broken']),
    );
  });
});

describe('limits', () => {
  it('are told as a 429 Status that names what is full', async () => {
    const gate = Promise.withResolvers<void>();
    const gateway = await start(
      async () => {
        await gate.promise;
        return { status: 200, headers: {}, body: Buffer.from('ok') };
      },
      { gateway: { limits: { inFlight: 100, inFlightPerMembership: 100, inFlightPerUser: 1 } } },
    );
    const first = gateway.client().request(ctx, atMember('/api'));
    await until(ctx, () => gateway.gateway.open() === 1);
    const second = await gateway.client().request(ctx, atMember('/api'));
    expect([second.status, second.headers['retry-after'], (await status(second)).message]).toEqual([
      429,
      '1',
      expect.stringContaining('user "alice" has 1 requests'),
    ]);
    gate.resolve();
    expect(await text((await first).body)).toBe('ok');
    expect(await text((await gateway.client().request(ctx, atMember('/api'))).body)).toBe('ok');
  });

  it("is counted at the hub's own API too", async () => {
    const gate = Promise.withResolvers<void>();
    const gateway = await start(mirror, {
      hubApi: async () => {
        await gate.promise;
        return { status: 200, headers: {}, body: null };
      },
      gateway: { limits: { inFlight: 100, inFlightPerMembership: 0, inFlightPerUser: 1 } },
    });
    const asked = { ...atMember(''), url: '/api/v1/pods?watch=1' };
    const answers = [gateway.client().request(ctx, asked), gateway.client().request(ctx, asked)];
    expect((await Promise.race(answers)).status).toBe(429);
    gate.resolve();
    expect((await Promise.all(answers)).map((answer) => answer.status)).toEqual(expect.arrayContaining([200, 429]));
  });
});

describe('audit', () => {
  it('names whom the token names when there is a client certificate too, as the API does', async () => {
    const certificates: unknown[] = [];
    const authenticate = async (_ctx: unknown, { peer }: { readonly peer: Peer }): Promise<UserInfo> => {
      certificates.push(peer.certificate);
      return { username: 'ana', groups: [] };
    };
    const gateway = await start(mirror, { gateway: { authenticate } });
    const peer = { address: 'test', certificate: new Uint8Array(1) };
    const asked = { method: 'GET', url: '/version', body: null, peer };
    await gateway.gateway.handler(ctx, { ...asked, headers: {} });
    await gateway.gateway.handler(ctx, { ...asked, headers: { authorization: 'Bearer x' } });
    expect(certificates).toEqual([peer.certificate, undefined]);
  });

  it('has one line for every request, refused ones too, without secrets', async () => {
    const gateway = await start(mirror);
    const client = gateway.client();
    await text(
      (
        await client.request(
          ctx,
          atMember('/api/v1/pods?access_token=secret&x=1', { headers: { 'user-agent': 'kubectl/1.37' } }),
        )
      ).body,
    );
    gateway.access.allowed = () => false;
    await text((await client.request(ctx, atMember('/api/v1/secrets', { method: 'DELETE' }))).body);
    await text((await client.request(ctx, { method: 'GET', url: '/api', headers: {}, body: null })).body);
    await until(ctx, () => gateway.audit.length === 3);
    expect(gateway.audit[0]).toMatchObject({
      user: 'alice',
      groups: ['devs', 'system:authenticated'],
      membership: 'fleet-a/member-1',
      verb: 'list',
      uri: `${memberUrl}/api/v1/pods?access_token=…&x=1`,
      userAgent: 'kubectl/1.37',
      allowed: true,
      status: 200,
      end: 'complete',
    });
    expect(gateway.audit[1]).toMatchObject({
      user: 'alice',
      verb: 'deletecollection',
      allowed: false,
      reason: 'by the test',
      status: 403,
    });
    expect(gateway.audit[2]).toMatchObject({ user: '', allowed: false, status: 401 });
    expect(JSON.stringify(gateway.audit)).not.toMatch(/Bearer|secret&/);
  });
});

it('a caller who goes before the answer is a 499 in the audit, and the member is told', async () => {
  const told = Promise.withResolvers<void>();
  const gateway = await start(async (inner) => {
    inner.signal.addEventListener('abort', () => told.resolve());
    return new Promise(() => undefined);
  });
  const scope = withCancel(ctx);
  const asked = gateway.client().request(scope.ctx, atMember('/api/v1/pods'));
  await until(ctx, () => gateway.gateway.open() === 1);
  scope.cancel();
  await expect(asked).rejects.toMatchObject({ code: 'Cancelled' });
  await told.promise;
  await until(ctx, () => gateway.audit.length === 1);
  expect(gateway.audit[0]).toMatchObject({ status: 499, verb: 'list' });
  expect(gateway.gateway.open()).toBe(0);
});

describe('when the agent is away', () => {
  it('answers 503 as a Status with a warning and without Retry-After, on discovery too', async () => {
    const gateway = await start(mirror);
    await gateway.agent.stop();
    await until(ctx, () => gateway.hub.hub.localTunnel('uid-1') === undefined);
    for (const path of ['/api', '/api/v1/pods']) {
      const answer = await gateway.client().request(ctx, atMember(path));
      const body = await status(answer);
      expect([answer.status, body.reason]).toEqual([503, 'ServiceUnavailable']);
      expect(body.message).toMatch(
        /^membership fleet-a\/member-1 cannot be reached: the agent has no connection to the hub\. Look at/,
      );
      expect(headerAll(answer.headers, 'warning')).toEqual([`299 - "${body.message}"`]);
      expect(answer.headers).not.toHaveProperty('retry-after');
    }
  });

  it.each(['http/1.1', 'h2'] as const)(
    'breaks an answer under way, so that nobody takes it as whole (%s)',
    async (protocol) => {
      const gateway = await start(async () => ({
        status: 200,
        headers: { 'content-type': 'application/json' },
        body: (async function* () {
          yield Buffer.from('{"items":[');
          await new Promise(() => undefined);
        })(),
      }));
      const answer = await gateway.client(protocol).request(ctx, atMember('/api/v1/pods'));
      const reader = (answer.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
      await reader.next();
      void gateway.agent.stop();
      await expect(reader.next()).rejects.toMatchObject({ code: 'ConnectionBroken' });
    },
  );
});

describe('odd requests', () => {
  it.each([
    '/api/v1/namespaces/a/pods/b%2Fexec',
    '/api/v1/../../secrets',
    '/api/v1/%2e%2e/secrets',
    '/api//v1/pods',
    '/api\\v1',
    '/%61pi/v1/pods',
    '/api/v1/pods/%00',
    '/api/v1/pods/%zz',
  ])('are refused: %s', async (path) => {
    const gateway = await start(mirror);
    const answer = await gateway.client().request(ctx, atMember(path));
    expect([answer.status, (await status(answer)).reason]).toEqual([400, 'BadRequest']);
  });
});

describe("the hub's own API", () => {
  it('is served at the root with the credentials of the caller', async () => {
    const gateway = await start(mirror, { hubApi: mirror });
    const answer = await gateway.client().request(ctx, {
      method: 'PATCH',
      url: '/api/v1/namespaces/a?x=%2F',
      headers: { authorization: 'Bearer alice', 'x-remote-user': 'root', 'impersonate-user': 'bob' },
      body: Buffer.from('{}'),
    });
    const at = await seen(answer);
    expect(at).toMatchObject({ method: 'PATCH', url: '/api/v1/namespaces/a?x=%2F', body: '{}' });
    expect(at.headers).toMatchObject({ authorization: 'Bearer alice', 'impersonate-user': 'bob' });
    expect(at.headers).not.toHaveProperty('x-remote-user');
  });
});
