/** The rules of every pod, worked out once for all pods that have the same ones. */
import type { Snapshot } from '@polyanthus/engine-sandbox/snapshot';
import type { Pod } from '@polyanthus/kube-kinds/core';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { BudgetState } from './budget.ts';
import { Counters } from './counters.ts';
import { allOf, Fits } from './fit.ts';
import type { NodeState } from './node.ts';
import {
  keyOf,
  objectsOf,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type PodAffinityTerm,
  type SpreadConstraint,
} from './objects.ts';
import type { PodRules } from './pod.ts';
import type { SelectorIndex } from './selector-index.ts';
import { SpreadGroups } from './spread.ts';

interface PodAffinity {
  readonly podAffinity?: { readonly requiredDuringSchedulingIgnoredDuringExecution?: readonly PodAffinityTerm[] };
  readonly podAntiAffinity?: { readonly requiredDuringSchedulingIgnoredDuringExecution?: readonly PodAffinityTerm[] };
}

/** See the file's header. */
export class RuleBook {
  readonly spreads: SpreadGroups;
  readonly #fits: Fits;
  readonly #counters: Counters;
  readonly #budgets: SelectorIndex<BudgetState>;
  readonly #claims: ReadonlyMap<string, PersistentVolumeClaim>;
  readonly #volumes: ReadonlyMap<string, PersistentVolume>;

  constructor(snapshot: Snapshot, nodes: readonly NodeState[], budgets: SelectorIndex<BudgetState>) {
    this.#fits = new Fits(nodes);
    this.spreads = new SpreadGroups(nodes);
    this.#budgets = budgets;
    const namespaces = objectsOf<KubeObject>(snapshot, '', 'Namespace');
    this.#counters = new Counters(
      new Map(namespaces.map(({ metadata }) => [metadata.name ?? '', metadata.labels ?? {}])),
    );
    const claims = objectsOf<PersistentVolumeClaim>(snapshot, '', 'PersistentVolumeClaim');
    this.#claims = new Map(claims.map((claim) => [keyOf(claim), claim]));
    const volumes = objectsOf<PersistentVolume>(snapshot, '', 'PersistentVolume');
    this.#volumes = new Map(volumes.map((volume) => [volume.metadata.name ?? '', volume]));
  }

  /** Makes the terms of a pod known, so that `of` finds what counts other pods. */
  register(pod: Pod): void {
    this.#terms(pod);
    this.#spread(pod);
  }

  /** The rules of a pod; all pods are registered before. */
  of(pod: Pod): PodRules {
    const { namespace = '', labels = {} } = pod.metadata;
    return {
      fit: this.#fits.of(pod),
      volumes: this.#volumesOf(pod),
      ...this.#terms(pod),
      counted: this.#counters.meaning(namespace, labels),
      spread: this.#spread(pod),
      spreadCounted: this.spreads.counting(namespace, labels),
      budgets: this.#budgets.find(namespace, labels),
    };
  }

  #terms(pod: Pod): Pick<PodRules, 'affinity' | 'antiAffinity'> {
    const { podAffinity, podAntiAffinity } = (pod.spec['affinity'] ?? {}) as PodAffinity;
    const { namespace = '', labels = {} } = pod.metadata;
    const counters = (terms: readonly PodAffinityTerm[] = []) =>
      terms.map((term) => this.#counters.of(term, namespace, labels));
    return {
      affinity: counters(podAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
      antiAffinity: counters(podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
    };
  }

  #spread(pod: Pod): PodRules['spread'] {
    const all = (pod.spec['topologySpreadConstraints'] ?? []) as readonly SpreadConstraint[];
    const binding = all.filter((one) => one.whenUnsatisfiable !== 'ScheduleAnyway');
    if (binding.length === 0) return [];
    const { namespace = '', labels = {} } = pod.metadata;
    const keys = binding.map((one) => one.topologyKey);
    const facts = { namespace, labels, fit: this.#fits.of(pod), keys };
    return binding.map((one) => ({ ...this.spreads.of(one, facts), maxSkew: one.maxSkew }));
  }

  #volumesOf(pod: Pod): Uint8Array | undefined {
    const volumes = (pod.spec['volumes'] ?? []) as readonly {
      readonly persistentVolumeClaim?: { readonly claimName?: string };
    }[];
    const masks = volumes.flatMap(({ persistentVolumeClaim }) => {
      const claim = this.#claims.get(`${pod.metadata.namespace ?? ''}/${persistentVolumeClaim?.claimName ?? ''}`);
      const volume = this.#volumes.get(claim?.spec?.volumeName ?? '');
      const terms = volume?.spec?.nodeAffinity?.required?.nodeSelectorTerms;
      return terms === undefined ? [] : [this.#fits.ofVolume(terms)];
    });
    return allOf(masks);
  }
}
