import { background } from '@polyanthus/ground-base/context';
import { readBody } from '@polyanthus/ground-http/body';
import type { HeaderValues } from '@polyanthus/ground-http/message';
import { afterEach, describe, expect, it } from 'vitest';
import { atMember, memberUrl, startTestGateway, type TestGateway } from './testing.ts';

const ctx = background();
let open: TestGateway | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

/** What a caller gets from a member that answers so. */
async function through(
  status: number,
  headers: HeaderValues,
): Promise<{ readonly status: number; readonly headers: HeaderValues }> {
  open ??= await startTestGateway(async (_ctx, request) => ({
    status: Number(request.headers['x-status']),
    headers: JSON.parse(String(request.headers['x-answer'])) as HeaderValues,
    body: Buffer.from('{}'),
  }));
  const asked = { headers: { 'x-status': String(status), 'x-answer': JSON.stringify(headers) } };
  const response = await open.client().request(ctx, atMember('/api', asked));
  await readBody(response.body, 1e6);
  return response;
}

describe('the answer of a hostile member', () => {
  it('leads the caller, who sends credentials along, nowhere else', async () => {
    const elsewhere = [
      'https://evil.example/',
      '//evil.example/',
      '/\\evil.example',
      'x/y',
      '/a/../../../b',
      '/a/..',
      '/%2e%2e/%2e%2e/b',
    ];
    for (const location of elsewhere) {
      const answer = await through(307, { location });
      expect([location, answer.status]).toEqual([location, 502]);
      expect(answer.headers).not.toHaveProperty('location');
    }
  });

  it('may send the caller to another path of the same member', async () => {
    const answer = await through(301, { location: '/api/v1/namespaces/a/services/b/proxy/?c=d' });
    expect(answer.status).toBe(301);
    expect(answer.headers['location']).toBe(`${memberUrl}/api/v1/namespaces/a/services/b/proxy/?c=d`);
  });

  it('says nothing for the origin of the hub', async () => {
    const answer = await through(401, {
      'set-cookie': ['a=b', 'c=d'],
      'www-authenticate': 'Basic realm="hub"',
      'clear-site-data': '"*"',
      'strict-transport-security': 'max-age=0',
      'alt-svc': 'h2="evil.example:443"',
      'x-kept': 'yes',
    });
    expect(answer.status).toBe(401);
    expect(answer.headers['x-kept']).toBe('yes');
    for (const name of ['set-cookie', 'www-authenticate', 'clear-site-data', 'strict-transport-security', 'alt-svc'])
      expect(answer.headers).not.toHaveProperty(name);
  });
});
