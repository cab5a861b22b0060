/** What a kubelet does for its node: registers it once, renews its Lease, reports its status now and then. */
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { Random } from '@polyanthus/ground-base/random';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { leases, namespaces, nodes, type Lease, type Node } from '@polyanthus/kube-kinds/core';
import { commit } from '@polyanthus/kube-runtime/committer';
import type { ReconcileResult } from '@polyanthus/kube-runtime/controller';
import { kubeMicroTime } from '@polyanthus/kube-runtime/times';
import { nodeObject, nodeStatus } from './node.ts';
import type { NodeRegistry, RunningNode } from './registry.ts';

const leaseNamespace = 'kube-node-lease';
const leaseDurationSeconds = 40;
/** A quarter of the lease, as kubelets do. */
const renewMs = 10_000;
/** kubelet's nodeStatusReportFrequency. */
const statusMs = 300_000;

/** Heartbeats of all simulated nodes; `reconcile` takes a node's name. */
export class NodeAgent {
  readonly #client: KubeClient;
  readonly #registry: NodeRegistry;
  readonly #random: Random;
  /** For whom the rest is known: a node that was taken away and given again is another one. */
  readonly #running = new Map<string, RunningNode>();
  readonly #registered = new Map<string, Node>();
  readonly #leases = new Map<string, Lease>();
  readonly #reportedMs = new Map<string, number>();

  constructor(client: KubeClient, registry: NodeRegistry, random: Random) {
    this.#client = client;
    this.#registry = registry;
    this.#random = random;
  }

  /** One heartbeat. A Node that somebody deleted is not registered again, as no kubelet does. */
  async reconcile(ctx: Context, name: string): Promise<ReconcileResult | void> {
    const running = this.#registry.get(name);
    if (running === undefined) {
      this.#forget(name);
      return undefined;
    }
    const nowMs = ctx.clock.now();
    const outageEndsMs = running.silentUntilMs(nowMs);
    if (outageEndsMs !== undefined) {
      // Back again it reports at once, as a kubelet does that was started again.
      this.#reportedMs.delete(name);
      return outageEndsMs === Infinity ? undefined : { requeueAfterMs: outageEndsMs - nowMs };
    }
    if (this.#running.get(name) !== running) this.#forget(name);
    this.#running.set(name, running);
    const node = this.#registered.get(name) ?? (await this.#register(ctx, running));
    if (
      nowMs - (this.#reportedMs.get(name) ?? -Infinity) >= statusMs &&
      !(await this.#report(ctx, running, node, nowMs))
    ) {
      ctx.log.warn('the Node of a simulated kubelet was deleted; it stops', { node: name });
      this.#registry.remove(name);
      this.#forget(name);
      return undefined;
    }
    await this.#renew(ctx, node, nowMs);
    return { requeueAfterMs: renewMs * (1 - 0.04 * this.#random.float()) };
  }

  async #register(ctx: Context, running: RunningNode): Promise<Node> {
    const wanted = nodeObject(running.node, running.podCidr);
    let node: Node;
    try {
      if (running.node.copied === undefined) node = await this.#client.create(ctx, nodes, wanted);
      else node = await this.#client.get(ctx, nodes, { name: running.node.name });
    } catch (error) {
      if (!hasCode(error, 'AlreadyExists')) throw error;
      node = await this.#client.get(ctx, nodes, { name: running.node.name });
    }
    this.#registered.set(running.node.name, node);
    return node;
  }

  /** False when the Node is gone. */
  async #report(ctx: Context, { node }: RunningNode, registered: Node, nowMs: number): Promise<boolean> {
    try {
      const before = await this.#client.get(ctx, nodes, { name: node.name });
      if (before.metadata.uid !== registered.metadata.uid) return false;
      const status = nodeStatus(node, before.status, nowMs);
      const reported = await commit(ctx, this.#client, nodes, { before, after: { ...before, status } });
      if (node.copied === undefined) await this.#admit(ctx, reported);
    } catch (error) {
      if (hasCode(error, 'NotFound')) return false;
      throw error;
    }
    this.#reportedMs.set(node.name, nowMs);
    return true;
  }

  /** Admission taints every new Node; the node lifecycle controller, where one runs, takes the taint off just so. */
  async #admit(ctx: Context, node: Node): Promise<void> {
    const taints = node.spec?.taints ?? [];
    const others = taints.filter((taint) => taint.key !== 'node.kubernetes.io/not-ready');
    if (others.length === taints.length) return;
    const { taints: _before, ...spec } = node.spec ?? {};
    const after = { ...node, spec: others.length === 0 ? spec : { ...spec, taints: others } };
    await commit(ctx, this.#client, nodes, { before: node, after });
  }

  async #renew(ctx: Context, node: Node, nowMs: number): Promise<void> {
    const name = node.metadata.name ?? '';
    const renewTime = kubeMicroTime(nowMs);
    const known = this.#leases.get(name);
    if (known === undefined) {
      this.#leases.set(name, await this.#firstLease(ctx, node, renewTime));
      return;
    }
    try {
      this.#leases.set(name, await this.#client.update(ctx, leases, { ...known, spec: { ...known.spec, renewTime } }));
    } catch (error) {
      this.#leases.delete(name);
      if (!hasCode(error, 'NotFound') && !hasCode(error, 'Conflict')) throw error;
    }
  }

  async #firstLease(ctx: Context, node: Node, renewTime: string): Promise<Lease> {
    const { name = '', uid = '' } = node.metadata;
    const wanted: Lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { namespace: leaseNamespace, name, ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid }] },
      spec: { holderIdentity: name, leaseDurationSeconds, renewTime },
    };
    try {
      return await this.#client.create(ctx, leases, wanted);
    } catch (error) {
      if (hasCode(error, 'AlreadyExists')) return this.#client.get(ctx, leases, { namespace: leaseNamespace, name });
      if (!hasCode(error, 'NotFound')) throw error;
      await this.#ensureNamespace(ctx);
      return this.#client.create(ctx, leases, wanted);
    }
  }

  async #ensureNamespace(ctx: Context): Promise<void> {
    try {
      await this.#client.create(ctx, namespaces, {
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name: leaseNamespace },
      });
    } catch (error) {
      if (!hasCode(error, 'AlreadyExists')) throw error;
    }
  }

  #forget(name: string): void {
    this.#running.delete(name);
    this.#registered.delete(name);
    this.#leases.delete(name);
    this.#reportedMs.delete(name);
  }
}
