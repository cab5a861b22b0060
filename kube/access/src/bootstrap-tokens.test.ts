import { describe, expect, it } from 'vitest';
import { background } from '@polyanthus/ground-base/context';
import type { Secret } from '@polyanthus/kube-kinds/core';
import { createVirtualClock } from '@polyanthus/ground-testing/virtual-clock';
import { bootstrapTokenAuthenticator } from './bootstrap-tokens.ts';

const good = {
  'token-id': 'abcdef',
  'token-secret': '0123456789abcdef',
  'usage-bootstrap-authentication': 'true',
  'auth-extra-groups': 'system:bootstrappers:worker,system:bootstrappers:edge',
  expiration: '2026-01-02T00:00:00Z',
};
const secretOf = (data: Readonly<Record<string, string>>, type = 'bootstrap.kubernetes.io/token'): Secret => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'bootstrap-token-abcdef', namespace: 'kube-system' },
  type,
  data: Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')] as const),
  ),
});

const ask = async (secret: Secret | undefined, token = 'abcdef.0123456789abcdef') => {
  const clock = createVirtualClock();
  const authenticate = bootstrapTokenAuthenticator((name) => (name === 'bootstrap-token-abcdef' ? secret : undefined));
  return authenticate(background({ clock }), { headers: { authorization: `Bearer ${token}` }, peer: {} as never });
};

describe('a bootstrap token', () => {
  it('is a user of its own in the groups of bootstrappers', async () => {
    expect(await ask(secretOf(good))).toEqual({
      username: 'system:bootstrap:abcdef',
      groups: ['system:bootstrappers', 'system:bootstrappers:worker', 'system:bootstrappers:edge'],
    });
  });

  const bad: readonly (readonly [name: string, secret: Secret | undefined, token?: string])[] = [
    ['without a Secret', undefined],
    ['with another secret', secretOf(good), 'abcdef.0123456789abcdee'],
    ['of another shape', secretOf(good), 'abcdef-0123456789abcdef'],
    ['that is not for authentication', secretOf({ ...good, 'usage-bootstrap-authentication': 'yes' })],
    ['that has run out', secretOf({ ...good, expiration: '2026-01-01T00:00:00Z' })],
    ['whose end cannot be read', secretOf({ ...good, expiration: 'tomorrow' })],
    ['in a Secret of another type', secretOf(good, 'Opaque')],
    ['that names another id', secretOf({ ...good, 'token-id': 'abcdee' })],
    ['that would give another group', secretOf({ ...good, 'auth-extra-groups': 'system:masters' })],
    ['without a secret part', secretOf({ ...good, 'token-secret': '' })],
  ];
  it.for(bad)('%s is nobody', async ([, secret, token]) => {
    expect(await ask(secret, token)).toBeUndefined();
  });

  it('lives for ever when it has no end', async () => {
    const { expiration: _none, ...endless } = good;
    expect(await ask(secretOf(endless))).toBeDefined();
  });
});
