import { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import { withCancel } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { createAuthority } from '@polyanthus/ground-pki/authority';
import { createClient } from '@polyanthus/kube-client/rest';
import { configMaps } from '@polyanthus/kube-kinds/core';
import { createVirtualClock } from '@polyanthus/ground-testing/virtual-clock';
import { startTestCluster, type TestCluster } from '@polyanthus/kube-server/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { followUserCas, trustConfigMap } from './cluster-users.ts';

const pemOf = async (commonName: string): Promise<string> =>
  (await createAuthority({ commonName, nowMs: Date.now(), random: systemRandom })).certificatePem.trim();

describe('the CAs of a cluster’s users', () => {
  let cluster: TestCluster;
  beforeEach(async () => void (cluster = await startTestCluster()));
  afterEach(() => cluster.close());

  it('are followed through rotation, and what is no certificate is left out', async () => {
    const client = createClient(cluster.transport);
    const life = withCancel(cluster.ctx);
    const [old, next] = [await pemOf('old'), await pemOf('next')];
    const put = (bundle: string) =>
      client.patch(
        cluster.ctx,
        configMaps,
        trustConfigMap,
        {
          type: 'apply',
          body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: trustConfigMap, data: { 'client-ca-file': bundle } },
          force: true,
        },
        { fieldManager: 'kube-apiserver' },
      );
    await put(old);
    const cas = await followUserCas(life.ctx, client, new MetricsRegistry());
    expect(cas.pems()).toEqual([old]);
    const changed = vi.fn();
    cas.onChange(changed);
    const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----';
    await put(`${old}\n${broken}\n${next}\n`);
    await vi.waitFor(() => expect(cas.pems()).toEqual([old, next]), { timeout: 20_000 });
    expect(changed).toHaveBeenCalledOnce();
    await client.delete(cluster.ctx, configMaps, trustConfigMap);
    await vi.waitFor(() => expect(cas.pems()).toEqual([]), { timeout: 20_000 });
    life.cancel();
  });

  it('that may not be read leave a hub that serves all others', async () => {
    const clock = createVirtualClock();
    const life = withCancel({ ...cluster.ctx, clock });
    const nobody = createClient(cluster.transportAs({ username: 'hub', groups: [] }));
    const following = followUserCas(life.ctx, nobody, new MetricsRegistry());
    await clock.advance(5_001);
    expect((await following).pems()).toEqual([]);
    life.cancel();
  });
});
