/** Wakes pods that a budget refused as soon as it allows some of them to go: no sooner, and no more of them than it allows. */
import { Bell } from '@polyanthus/ground-base/bell';
import type { Context } from '@polyanthus/ground-base/context';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { follow, type Following } from '@polyanthus/kube-client/follow';
import type { Pod } from '@polyanthus/kube-kinds/core';
import { podDisruptionBudgets, type PodDisruptionBudget } from '@polyanthus/kube-kinds/disruption';
import { labelSelectorMatcher } from '@polyanthus/kube-objects/selectors';

interface Waiting {
  readonly pod: Pod;
  readonly bell: Bell;
}

/** Namespaces that are watched at once; pods of others wait as long as they were asked to. */
const followedMax = 8;

/** See the file's header. Where budgets may not be watched, waits are as long as they were asked for. */
export class BudgetBells {
  readonly #ctx: Context;
  readonly #client: KubeClient;
  /** By namespace. */
  readonly #followings = new Map<string, Following>();
  /** Those that have waited longest first. */
  readonly #waiting = new Set<Waiting>();

  constructor(ctx: Context, client: KubeClient) {
    this.#ctx = ctx;
    this.#client = client;
  }

  /** Waits until a budget of the pod allows an eviction, `delayMs` at most. */
  async wait(ctx: Context, pod: Pod, delayMs: number): Promise<void> {
    this.#follow(pod.metadata.namespace ?? '');
    const waiting = { pod, bell: new Bell() };
    this.#waiting.add(waiting);
    try {
      await waiting.bell.wait(ctx, delayMs);
    } finally {
      this.#waiting.delete(waiting);
    }
  }

  stop(): void {
    for (const following of this.#followings.values()) following.stop();
  }

  #follow(namespace: string): void {
    const known = this.#followings.get(namespace);
    if (known?.alive() === true || (known === undefined && this.#followings.size >= followedMax)) return;
    const following = follow(
      this.#ctx,
      (inner) => this.#client.watch(inner, podDisruptionBudgets, { namespace }),
      ({ type, object }) => (type === 'BOOKMARK' ? undefined : this.#changed(object, type === 'DELETED')),
    );
    this.#followings.set(namespace, following);
  }

  #changed({ metadata, spec, status }: PodDisruptionBudget, gone: boolean): void {
    let allowed = gone ? Infinity : (status?.disruptionsAllowed ?? 0);
    if (allowed <= 0) return;
    const selector = labelSelectorMatcher(spec?.selector);
    for (const { pod, bell } of this.#waiting) {
      if (pod.metadata.namespace !== metadata.namespace || !selector.matches(pod.metadata.labels ?? {})) continue;
      bell.ring();
      allowed -= 1;
      if (allowed <= 0) return;
    }
  }
}
