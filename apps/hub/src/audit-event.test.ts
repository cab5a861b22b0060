import type { GatewayAudit } from '@polyanthus/engine-gateway/audit';
import { expect, it } from 'vitest';
import { auditEvent } from './audit-event.ts';

const line: GatewayAudit = {
  time: '2026-01-01T00:00:00.250Z',
  auditId: 'b3d4',
  user: 'ana',
  groups: ['devs'],
  sourceAddress: '10.0.0.7:51234',
  userAgent: 'kubectl/v1.37.2',
  membership: 'default/paris',
  verb: 'list',
  uri: '/v1/projects/default/locations/global/memberships/paris/api/v1/pods',
  allowed: true,
  reason: 'RBAC: allowed by RoleBinding',
  status: 200,
  durationMs: 12.3,
  end: 'complete',
};

it('is an event as kube-apiserver writes them, and loses nothing of the line', () => {
  expect(auditEvent(line)).toEqual({
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'Metadata',
    auditID: 'b3d4',
    stage: 'ResponseComplete',
    requestURI: '/v1/projects/default/locations/global/memberships/paris/api/v1/pods',
    verb: 'list',
    user: { username: 'ana', groups: ['devs'] },
    sourceIPs: ['10.0.0.7'],
    userAgent: 'kubectl/v1.37.2',
    responseStatus: { metadata: {}, code: 200 },
    requestReceivedTimestamp: '2026-01-01T00:00:00.250000Z',
    stageTimestamp: '2026-01-01T00:00:00.262300Z',
    annotations: {
      'authorization.k8s.io/decision': 'allow',
      'authorization.k8s.io/reason': 'RBAC: allowed by RoleBinding',
      'fleet.polyanthus.dev/membership': 'default/paris',
      'fleet.polyanthus.dev/source-address': '10.0.0.7:51234',
      'fleet.polyanthus.dev/end': 'complete',
    },
  });
});

it('of a refusal says so, of one who acted as another both, and of an IPv6 caller the address alone', () => {
  const { membership: _membership, userAgent: _agent, ...rest } = line;
  const refused = {
    ...rest,
    allowed: false,
    status: 403,
    impersonated: 'root',
    sourceAddress: '::1:999',
    durationMs: 0,
  };
  expect(auditEvent(refused)).toMatchObject({
    impersonatedUser: { username: 'root' },
    sourceIPs: ['::1'],
    responseStatus: { code: 403 },
    annotations: { 'authorization.k8s.io/decision': 'forbid' },
  });
});
