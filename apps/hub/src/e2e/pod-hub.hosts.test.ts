/** The hub as pods of a real cluster: from our image, by its manifests, joined through its Service, one pod deleted. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { whyNotHosts } from '../../../../lab/src/hosts.ts';
import { whyNotReal } from '../../../../lab/src/parts.ts';
import { livePath, readyPath } from '../probes.ts';
import { soonMs, until } from './fixture.ts';
import { hubSystem, PodHub } from './pod-hub.ts';

const why = whyNotHosts() ?? whyNotReal(['kubectl', '1.37.2']);

interface Pod {
  readonly metadata: { readonly name: string };
  readonly status: {
    readonly phase: string;
    readonly containerStatuses: readonly {
      readonly image: string;
      readonly ready: boolean;
      readonly restartCount: number;
    }[];
  };
}

/** What a call may end with while a pod goes away; everything else is a fault. */
const passing: ReadonlySet<string> = new Set(['503', 'ECONNRESET', 'ECONNREFUSED']);

describe.skipIf(why !== undefined)(`a hub as pods${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  let hub: PodHub;
  let ana: Awaited<ReturnType<PodHub['userKubeconfigs']>>;
  const selector = '--selector=app.kubernetes.io/name=polyanthus-hub';
  const pods = async (): Promise<readonly Pod[]> =>
    (JSON.parse(await hub.admin('get', 'pods', hubSystem, selector, '-o=json')) as { readonly items: readonly Pod[] })
      .items;
  const namesOf = (found: readonly Pod[]): readonly string[] => found.map((pod) => pod.metadata.name).sort();

  beforeAll(async () => {
    hub = await PodHub.start();
  }, 600_000);
  afterAll(() => hub?.stop(), 120_000);

  it('runs two replicas from our image, which answer probes, and of which one leads', async ({ annotate }) => {
    const started = performance.now();
    await hub.install(2);
    await annotate(`two replicas ready ${((performance.now() - started) / 1000).toFixed(1)} s after apply`);
    const found = await pods();
    const states = found.map(
      ({
        status: {
          phase,
          containerStatuses: [one],
        },
      }) => [phase, one?.ready, one?.image, one?.restartCount],
    );
    expect(states).toEqual([
      ['Running', true, hub.image.name, 0],
      ['Running', true, hub.image.name, 0],
    ]);
    // A pod that is ready is a moment later behind its Service's port too.
    for (const path of [readyPath, livePath])
      await until(soonMs, async () => (await hub.kubectl(hub.hubKubeconfig, ['get', '--raw', path])).out === 'ok\n');
    const leases = await until(soonMs, async () => {
      const names = (await hub.admin('get', 'leases', hubSystem, '-o=name')).trim().split('\n');
      return names.length > 2 && names;
    });
    const replicas = namesOf(found).map((name) => `lease.coordination.k8s.io/polyanthus-hub-${name}`);
    expect([...leases].sort()).toEqual(['lease.coordination.k8s.io/polyanthus-hub-controllers', ...replicas].sort());
    const lease = ['get', 'lease/polyanthus-hub-controllers', hubSystem, '-o=jsonpath={.spec.holderIdentity}'];
    const leader = await until(soonMs, async () => (await hub.admin(...lease)) || undefined);
    expect(namesOf(found)).toContain(leader.split('_')[0]);
  });

  it('is joined by an agent that dials its Service', async () => {
    const said = await hub.join();
    expect(said.out).toMatch(/h1 .*READY +True/);
  });

  it('lets a user of the cluster in by her certificate, to the member alone', async () => {
    ana = await hub.userKubeconfigs('ana@example.com');
    await hub.fleet('bindings', 'create', 'ana', '--membership=h1', '--user=ana@example.com', '--role=edit');
    await until(soonMs, async () => (await hub.kubectl(ana.member, ['get', 'pods', '-A'])).code === 0);
    // A replica that has turned her away believes that for two seconds: one that lets her in says nothing of the other.
    const whoami = ['auth', 'whoami', '-o=jsonpath={.status.userInfo}'];
    const answer = await until(soonMs, async () => {
      const { code, out } = await hub.kubectl(ana.member, whoami);
      return code === 0 && out;
    });
    expect(answer).toBe('{"groups":["system:authenticated"],"username":"ana@example.com"}');
    const atRoot = await hub.kubectl(ana.hub, ['get', 'memberships']);
    expect(atRoot.code).toBe(1);
    expect(atRoot.err).toContain('Use a token here');
  });

  it('goes on when the pod that holds the tunnel is deleted', async ({ annotate }) => {
    const holder = await hub.admin(
      'get',
      'memberships.fleet.polyanthus.dev/h1',
      '-o=jsonpath={.status.holder.replica}',
    );
    const calls = hub.calls('/api/v1/namespaces/default/configmaps', ana.certificate);
    const lines = (): readonly string[] => calls.said().split('\n').slice(0, -1);
    const goodInARow = (count: number, from = 0): boolean => {
      const last = lines().slice(from).slice(-count);
      return last.length === count && last.every((line) => line === '200');
    };
    try {
      await until(
        soonMs,
        () => goodInARow(20),
        () => calls.said(),
      );
      await hub.admin('delete', 'pod', holder, hubSystem, '--wait=true');
      const from = lines().length;
      await hub.admin('rollout', 'status', 'deployment/polyanthus-hub', hubSystem, '--timeout=90s');
      await until(
        soonMs,
        () => goodInARow(50, from),
        () => calls.said(),
      );
    } finally {
      await calls.stop();
    }
    const failed = lines().filter((line) => line !== '200');
    await annotate(`${lines().length} calls, of them failed: ${failed.length} (${[...new Set(failed)].join(', ')})`);
    expect(failed.filter((line) => !passing.has(line))).toEqual([]);
    expect(namesOf(await pods())).not.toContain(holder);
    expect(
      await hub.admin('get', 'memberships.fleet.polyanthus.dev/h1', '-o=jsonpath={.status.holder.replica}'),
    ).not.toBe(holder);
  });
});
