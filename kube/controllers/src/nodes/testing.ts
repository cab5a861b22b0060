/** What every API server with a node lifecycle controller must do with nodes that no kubelet speaks for. */
import { beforeAll, describe, expect, it } from 'vitest';
import { leases, nodes, pods, type Node, type Pod } from '@polyanthus/kube-kinds/core';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { find, freshNamespace, podSpec, suiteTimeoutMs, untilGone, type World } from '../testing.ts';

type Status = 'True' | 'False' | 'Unknown';

const conditionTypes = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'] as const;

/** What a kubelet reports of itself, at the given time. */
function report(
  nowMs: number,
  statuses: Readonly<Partial<Record<(typeof conditionTypes)[number], Status>>> = {},
): object {
  const time = `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
  return {
    status: {
      conditions: conditionTypes.map((type) => ({
        type,
        status: statuses[type] ?? (type === 'Ready' ? 'True' : 'False'),
        reason: 'Kubelet',
        message: 'as it says',
        lastHeartbeatTime: time,
        lastTransitionTime: time,
      })),
    },
  };
}

/** Fixtures of one node that only the suite speaks for. */
class QuietNode {
  readonly #world: World;
  readonly name: string;
  #beats = 0;

  constructor(world: World, name: string) {
    this.#world = world;
    this.name = name;
  }

  get #client(): KubeClient {
    return this.#world.client;
  }

  /** No other suite's pod comes here: the taint is not one that controllers own. */
  async create(labels: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.#client.create(this.#world.ctx, nodes, {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: this.name, labels: { 'kubernetes.io/hostname': this.name, ...labels } },
      spec: { taints: [{ key: 'suite/own', effect: 'NoSchedule' }] },
    });
  }

  /** Each report is a second later than the one before, so that it is news on a clock of seconds. */
  async say(statuses: Parameters<typeof report>[1] = {}): Promise<void> {
    const body = report(this.#world.ctx.clock.now() + 1000 * ++this.#beats, statuses);
    await this.#client.patch(
      this.#world.ctx,
      nodes,
      { name: this.name },
      { type: 'merge', body },
      { subresource: 'status' },
    );
  }

  async change(body: unknown): Promise<void> {
    await this.#client.patch(this.#world.ctx, nodes, { name: this.name }, { type: 'merge', body });
  }

  get(): Promise<Node> {
    return this.#client.get(this.#world.ctx, nodes, { name: this.name });
  }

  /** `key:effect` of its taints, sorted; those of the suite and of Kubernetes without their prefix. */
  async taints(): Promise<string> {
    const { spec } = await this.get();
    return (spec?.taints ?? [])
      .map(({ key, effect }) => `${key.split('/')[1]}:${effect}`)
      .toSorted()
      .join(' ');
  }

  async untilTaints(expected: string): Promise<void> {
    await this.#world.until(
      async () => (await this.taints()) === expected,
      `the taints ${JSON.stringify(expected)} on ${this.name}`,
    );
  }
}

let counter = 0;

/** Declares the suite; `open` gives the world once. */
export function nodeSuite(name: string, open: () => Promise<World>): void {
  describe(`nodes on ${name}`, { timeout: 2 * suiteTimeoutMs }, () => {
    let world: World;
    let namespace: string;
    beforeAll(async () => {
      world = await open();
      namespace = await freshNamespace(world);
    });

    const withNode = async (run: (node: QuietNode) => Promise<void>): Promise<void> => {
      const node = new QuietNode(world, `quiet-${++counter}`);
      await node.create();
      try {
        await run(node);
      } finally {
        await world.client.delete(world.ctx, nodes, { name: node.name }).catch(() => undefined);
      }
    };
    const place = (pod: string, node: string, spec: Partial<Pod['spec']> = {}): Promise<Pod> =>
      world.client.create(world.ctx, pods, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { namespace, name: pod },
        spec: { ...podSpec('v1'), nodeName: node, terminationGracePeriodSeconds: 30, ...spec },
      });
    const podOf = (pod: string): Promise<Pod | undefined> => find(world, pods, { namespace, name: pod });
    const removePod = (pod: string): Promise<unknown> =>
      world.client.delete(world.ctx, pods, { namespace, name: pod }, { gracePeriodSeconds: 0 }).catch(() => undefined);
    const leaves = (pod: string): Promise<void> =>
      world.until(async () => {
        const found = await podOf(pod);
        return found === undefined || found.metadata.deletionTimestamp !== undefined;
      }, `${pod} to be told to go`);
    const tolerating = (key: string, seconds?: number): Partial<Pod['spec']> => ({
      tolerations: [
        {
          key,
          operator: 'Exists',
          effect: 'NoExecute',
          ...(seconds === undefined ? {} : { tolerationSeconds: seconds }),
        },
      ],
    });

    it('are given up in silence: every condition, their pods, their taints; and taken back by a sign of life', () =>
      withNode(async (node) => {
        await node.say();
        await place('silent', node.name, tolerating('node.kubernetes.io/unreachable', 2));
        await world.client.patch(
          world.ctx,
          pods,
          { namespace, name: 'silent' },
          {
            type: 'merge',
            body: { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } },
          },
          { subresource: 'status' },
        );
        await node.untilTaints('own:NoSchedule unreachable:NoExecute unreachable:NoSchedule');
        const { status } = await node.get();
        const shown = (status?.conditions ?? []).map(({ type, status: says, reason, message }) => [
          type,
          says,
          reason,
          message,
        ]);
        const given = ['Unknown', 'NodeStatusUnknown', 'Kubelet stopped posting node status.'];
        expect(shown).toEqual(conditionTypes.map((type) => [type, ...given]));
        await world.until(
          async () =>
            (await podOf('silent'))?.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'False',
          'its pod to be unready',
        );
        await leaves('silent');
        expect((await podOf('silent'))?.status?.conditions).toContainEqual(
          expect.objectContaining({ type: 'DisruptionTarget', status: 'True', reason: 'DeletionByTaintManager' }),
        );
        await node.say();
        await node.untilTaints('own:NoSchedule');
        await removePod('silent');
      }));

    it('that never spoke are Unknown after their time to start, from the beginning on', () =>
      withNode(async (node) => {
        await node.untilTaints('own:NoSchedule unreachable:NoExecute unreachable:NoSchedule');
        const { metadata, status } = await node.get();
        expect(status?.conditions).toHaveLength(4);
        for (const condition of status?.conditions ?? [])
          expect(condition).toMatchObject({
            status: 'Unknown',
            reason: 'NodeStatusNeverUpdated',
            message: 'Kubelet never posted node status.',
            lastHeartbeatTime: metadata.creationTimestamp,
          });
      }));

    it('have the taints of their conditions and of their cordon, and keep those of others', () =>
      withNode(async (node) => {
        await node.say({ MemoryPressure: 'True', DiskPressure: 'True', PIDPressure: 'True' });
        await node.untilTaints(
          'disk-pressure:NoSchedule memory-pressure:NoSchedule own:NoSchedule pid-pressure:NoSchedule',
        );
        await node.change({ spec: { unschedulable: true } });
        await node.say({ DiskPressure: 'True' });
        await node.untilTaints('disk-pressure:NoSchedule own:NoSchedule unschedulable:NoSchedule');
        await node.change({ spec: { unschedulable: null } });
        await node.say({ Ready: 'False' });
        await node.untilTaints('not-ready:NoExecute not-ready:NoSchedule own:NoSchedule');
        await node.say();
        await node.untilTaints('own:NoSchedule');
      }));

    it('have the labels of old clients', async () => {
      const node = new QuietNode(world, `quiet-${++counter}`);
      await node.create({ 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'arm64' });
      await node.say();
      await world.until(
        async () => (await node.get()).metadata.labels?.['beta.kubernetes.io/os'] === 'linux',
        'its labels',
      );
      expect((await node.get()).metadata.labels).toMatchObject({ 'beta.kubernetes.io/arch': 'arm64' });
      await world.client.delete(world.ctx, nodes, { name: node.name });
    });

    it('that their kubelet holds by a Lease alone are not given up', () =>
      withNode(async (node) => {
        await node.say();
        const other = new QuietNode(world, `quiet-${++counter}`);
        await other.create();
        await other.say();
        const namespaced = { namespace: 'kube-node-lease', name: node.name };
        const renewTime = (): string => `${new Date(world.ctx.clock.now()).toISOString().slice(0, 23)}000Z`;
        await world.client.create(world.ctx, leases, {
          apiVersion: 'coordination.k8s.io/v1',
          kind: 'Lease',
          metadata: namespaced,
          spec: { holderIdentity: node.name, leaseDurationSeconds: 40, renewTime: renewTime() },
        });
        // While the other is given up, this one renews.
        await world.until(async () => {
          await world.client.patch(world.ctx, leases, namespaced, {
            type: 'merge',
            body: { spec: { renewTime: renewTime() } },
          });
          return (await other.taints()).includes('unreachable:NoSchedule');
        }, 'the other to be given up');
        expect(await node.taints()).toBe('own:NoSchedule');
        await world.client.delete(world.ctx, nodes, { name: other.name });
        await world.client.delete(world.ctx, leases, namespaced);
      }));

    it('with a taint that pods do not bear lose them at once, those that bear it for a time later, cancelled in time', () =>
      withNode(async (node) => {
        await node.say();
        await place('impatient', node.name);
        await place('patient', node.name, tolerating('suite/evict', 8));
        await place('stoic', node.name, tolerating('suite/evict'));
        const own = { key: 'suite/own', effect: 'NoSchedule' };
        const evict = { key: 'suite/evict', value: 'x', effect: 'NoExecute' };
        await node.change({ spec: { taints: [own, evict] } });
        await leaves('impatient');
        expect((await podOf('impatient'))?.status?.conditions).toContainEqual(
          expect.objectContaining({
            type: 'DisruptionTarget',
            reason: 'DeletionByTaintManager',
            message: 'Taint manager: deleting due to NoExecute taint',
          }),
        );
        await node.change({ spec: { taints: [own] } });
        await node.say();
        await world.pass(10_000);
        expect((await podOf('patient'))?.metadata.deletionTimestamp).toBeUndefined();
        await node.say();
        await node.change({ spec: { taints: [own, evict] } });
        await leaves('patient');
        expect((await podOf('stoic'))?.metadata.deletionTimestamp).toBeUndefined();
        for (const pod of ['impatient', 'patient', 'stoic']) await removePod(pod);
      }));

    it('that are taken away take their pods along', async () => {
      const node = new QuietNode(world, `quiet-${++counter}`);
      await node.create();
      await node.say();
      await place('orphan', node.name);
      await world.client.delete(world.ctx, nodes, { name: node.name });
      await untilGone(world, pods, { namespace, name: 'orphan' });
    });
  });
}
