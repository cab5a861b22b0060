import { background } from '@polyanthus/ground-base/context';
import { readBody } from '@polyanthus/ground-http/body';
import { headerAll } from '@polyanthus/ground-http/headers';
import type { Handler } from '@polyanthus/ground-http/message';
import { afterEach, describe, expect, it } from 'vitest';
import { asAlice, startTestAgent, startTestHub, tunnelOf, type TestAgent, type TestHub } from './testing.ts';

const ctx = background();
const closing: { stop?: () => Promise<void>; close?: () => Promise<void> }[] = [];
afterEach(async () => {
  for (const one of closing.splice(0).toReversed()) await (one.stop ?? one.close)?.();
});

async function connected(
  member: Handler,
  options: Parameters<typeof startTestHub>[0] = {},
): Promise<{ hub: TestHub; agent: TestAgent }> {
  const hub = await startTestHub(options);
  const agent = startTestAgent(hub, member);
  closing.push(hub, agent);
  await tunnelOf(ctx, hub);
  return { hub, agent };
}

const text = async (body: Parameters<typeof readBody>[0]): Promise<string> =>
  Buffer.from(await readBody(body, 1e9)).toString();

describe('a tunnel', () => {
  it('carries a request to the member and its answer back', async () => {
    const { hub } = await connected(async (_ctx, request) => ({
      status: 201,
      headers: { 'x-seen': `${request.method} ${request.url}`, warning: ['299 - "a"', '299 - "b"'] },
      body: Buffer.from(`${headerAll(request.headers, 'impersonate-group').join('|')} ${await text(request.body)}`),
    }));
    const answer = await hub.hub.transportTo('uid-1').request(ctx, {
      method: 'POST',
      url: '/api/v1/namespaces/a%2Fb/pods?x=1',
      headers: { ...asAlice, 'impersonate-group': ['one, two', 'three'], connection: 'x-gone', 'x-gone': '1' },
      body: Buffer.from('sent'),
    });
    expect(answer.status).toBe(201);
    expect(answer.headers['x-seen']).toBe('POST /api/v1/namespaces/a%2Fb/pods?x=1');
    expect(headerAll(answer.headers, 'warning')).toEqual(['299 - "a"', '299 - "b"']);
    expect(await text(answer.body)).toBe('one, two|three sent');
  });
});
