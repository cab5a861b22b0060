/** What every API server that keeps bootstrap tokens must do. */
import { describe, expect, it } from 'vitest';
import { configMaps, namespaces, secrets } from '@polyanthus/kube-kinds/core';
import { find, suiteTimeoutMs, untilGone, type World } from '../testing.ts';
import { detachedSignature } from './controllers.ts';

const secret = '0123456789abcdef';
const kubeconfig = 'clusters: []';
const info = { namespace: 'kube-public', name: 'cluster-info' };

/** Declares the suite; `open` gives the world once. */
export function bootstrapTokenSuite(name: string, open: () => Promise<World>): void {
  describe(`bootstrap tokens on ${name}`, { timeout: suiteTimeoutMs }, () => {
    it('sign cluster-info as long as they live and may, and are deleted when they run out', async () => {
      const world = await open();
      const { ctx, client } = world;
      const token = (id: string, more: Readonly<Record<string, string>>): Promise<unknown> =>
        client.create(ctx, secrets, {
          apiVersion: 'v1',
          kind: 'Secret',
          metadata: { namespace: 'kube-system', name: `bootstrap-token-${id}` },
          type: 'bootstrap.kubernetes.io/token',
          stringData: { 'token-id': id, 'token-secret': secret, ...more },
        });
      const signing = { 'usage-bootstrap-signing': 'true' };
      const soon = `${new Date(ctx.clock.now() + 15_000).toISOString().slice(0, 19)}Z`;
      await world.until(
        async () => (await find(world, namespaces, { name: 'kube-public' })) !== undefined,
        'kube-public',
      );
      await token('aaaaaa', { ...signing, expiration: soon });
      await token('bbbbbb', signing);
      await token('cccccc', {});
      await token('dddddd', { ...signing, expiration: '2001-01-01T00:00:00Z' });
      await client.create(ctx, configMaps, {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: info,
        data: { kubeconfig, own: 'kept', 'jws-kubeconfig-zzzzzz': 'of nobody' },
      });
      const data = async () => (await client.get(ctx, configMaps, info)).data ?? {};
      const signatureOf = (id: string, text: string): string => detachedSignature(text, id, secret);
      const of = (...ids: readonly string[]): object =>
        Object.fromEntries(ids.map((id) => [`jws-kubeconfig-${id}`, signatureOf(id, kubeconfig)]));
      const signers = async (): Promise<string> =>
        Object.keys(await data())
          .filter((key) => key.startsWith('jws-'))
          .toSorted()
          .join(' ');
      await world.until(
        async () => (await signers()) === 'jws-kubeconfig-aaaaaa jws-kubeconfig-bbbbbb',
        'the signatures',
      );
      expect(await data()).toEqual({ kubeconfig, own: 'kept', ...of('aaaaaa', 'bbbbbb') });
      await untilGone(world, secrets, { namespace: 'kube-system', name: 'bootstrap-token-dddddd' });
      await untilGone(world, secrets, { namespace: 'kube-system', name: 'bootstrap-token-aaaaaa' });
      await world.until(async () => (await signers()) === 'jws-kubeconfig-bbbbbb', 'its signature to go');
      const body = { data: { kubeconfig: 'clusters: [1]' } };
      await client.patch(ctx, configMaps, info, { type: 'merge', body });
      await world.until(
        async () => (await data())['jws-kubeconfig-bbbbbb'] === signatureOf('bbbbbb', 'clusters: [1]'),
        'what is new to be signed',
      );
      const { items } = await client.list(ctx, secrets, {
        namespace: 'kube-system',
        fieldSelector: 'type=bootstrap.kubernetes.io/token',
      });
      expect(items.map(({ metadata }) => metadata.name)).toEqual(['bootstrap-token-bbbbbb', 'bootstrap-token-cccccc']);
    });
  });
}
