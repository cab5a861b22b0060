import { inProcessTransport } from '@polyanthus/ground-http/in-process';
import type { ServerRequest } from '@polyanthus/ground-http/message';
import { describe, expect, it } from 'vitest';
import { hubRequest, impersonatingApi } from './hub-api.ts';

const nobody = inProcessTransport(async () => ({ status: 204, headers: {}, body: null }));
const [bare, own] = [{ ...nobody }, { ...nobody }];
const route = impersonatingApi(bare, own);
const asked = (headers: Record<string, string>): ServerRequest => ({
  method: 'GET',
  url: '/api',
  headers,
  body: null,
  peer: { address: '127.0.0.1' } as ServerRequest['peer'],
});

describe('an API that knows the hub as an impersonator', () => {
  it("gets a caller's own token over the way that has no credentials of the hub", () => {
    const request = asked({ authorization: 'Bearer alice', 'x-remote-user': 'root', 'impersonate-user': 'bob' });
    const found = route(request, undefined);
    expect(found.transport).toBe(bare);
    expect(hubRequest(request, found.identity).headers).toEqual({
      authorization: 'Bearer alice',
      'impersonate-user': 'bob',
    });
  });

  it('gets the user of a certificate as the one to impersonate', () => {
    const user = { username: 'polyanthus:agent:1', groups: ['polyanthus:agents', 'system:authenticated'] };
    const found = route(asked({}), user);
    expect(found.transport).toBe(own);
    expect(found.identity).toEqual({
      'impersonate-user': 'polyanthus:agent:1',
      'impersonate-group': ['polyanthus:agents'],
    });
  });

  it('is not asked for another user of a certificate, who hears what to do instead', () => {
    const user = { username: 'eve', groups: ['devs', 'system:authenticated'] };
    const message = expect.stringMatching(/"eve" comes by a client certificate.*Use a token here/s) as string;
    expect(() => route(asked({}), user)).toThrow(expect.objectContaining({ code: 'Forbidden', message }) as Error);
  });

  it.each([
    [{ username: 'eve', groups: ['system:masters'] }, {}],
    [{ username: 'system:admin', groups: [] }, {}],
    [{ username: 'eve', groups: [] }, { 'impersonate-group': 'system:masters' }],
    [{ username: 'eve', groups: [] }, { 'impersonate-user': 'root' }],
    [{ username: 'polyanthus:agent:1', groups: ['polyanthus:agents'] }, { 'impersonate-user': 'root' }],
  ])(
    'is never asked as a reserved identity, nor by a certificate that impersonates itself (%j %j)',
    (user, headers) => {
      expect(() => route(asked(headers), user)).toThrow(expect.objectContaining({ code: 'Forbidden' }) as Error);
    },
  );
});
