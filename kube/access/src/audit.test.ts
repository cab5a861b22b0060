import { background } from '@polyanthus/ground-base/context';
import { describe, expect, it } from 'vitest';
import { auditedUri, auditEvent } from './audit.ts';

const peer = { address: '192.0.2.1:4711', transport: 'tcp' } as never;

describe('an audit event', () => {
  it('says who asked for what as whom, and how it ended', () => {
    const caller = { username: 'ana', groups: ['system:authenticated'] };
    const user = { username: 'ben', groups: ['ops'] };
    const event = auditEvent(
      background(),
      {
        id: 'a-1',
        receivedMs: 0,
        request: {
          method: 'GET',
          url: '/api/v1/pods?token=hidden',
          headers: { authorization: 'Bearer hidden', 'user-agent': 'kubectl' },
          body: undefined as never,
          peer,
        } as never,
        verb: 'list',
        caller,
        user,
        attributes: {
          kind: 'resource',
          user,
          verb: 'list',
          group: '',
          version: 'v1',
          resource: 'pods',
          subresource: '',
          namespace: '',
          name: '',
        },
        decision: { allowed: false, reason: 'no rule' },
      },
      403,
    );
    expect(event).toMatchObject({
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level: 'Metadata',
      requestURI: '/api/v1/pods?token=…',
      user: { username: 'ana' },
      impersonatedUser: { username: 'ben', groups: ['ops'] },
      objectRef: { resource: 'pods', apiVersion: 'v1' },
      responseStatus: { code: 403 },
      sourceIPs: ['192.0.2.1'],
      requestReceivedTimestamp: '1970-01-01T00:00:00.000000Z',
    });
    expect(JSON.stringify(event)).not.toContain('hidden');
  });

  it.each([
    ['/a?access_token=x&b=1', '/a?access_token=…&b=1'],
    ['/a?b=1&TOKEN=x', '/a?b=1&TOKEN=…'],
    ['/a?tokens=x', '/a?tokens=x'],
  ])('writes %s as %s', (url, written) => expect(auditedUri(url)).toBe(written));
});
