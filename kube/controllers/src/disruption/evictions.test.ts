/**
 * An eviction is decided on what the controller has counted last. So the promise is: after every granted eviction there are
 * as many healthy pods as the budget asks for, less only those that failed after that count. Where none did, never fewer.
 */
import * as fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { sleep, type Context } from '@polyanthus/ground-base/context';
import type { KubeClient, WatchOptions } from '@polyanthus/kube-client/client';
import { pods, type Pod } from '@polyanthus/kube-kinds/core';
import { podDisruptionBudgets, type PodDisruptionBudget } from '@polyanthus/kube-kinds/disruption';
import { isStatus } from '@polyanthus/kube-objects/status';
import type { Informer } from '@polyanthus/kube-runtime/informer';
import type { Informers } from '@polyanthus/kube-runtime/informers';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import type { StoreEvent } from '@polyanthus/kube-server/store/store';
import {
  budgetStatus,
  createBudget,
  createPod,
  evict,
  isHealthy,
  namespace,
  replicaSetOwner,
  setReady,
  startDisruptionWorld,
  type DisruptionWorld,
} from './testing.ts';

/** How much the runs have seen, so that a property that checks nothing is noticed. */
const seen = { granted: 0, refused: 0, unseenFailures: 0 };

/** Reads every write in its order, and holds the promise against it. */
class Witness {
  readonly violations: string[] = [];
  /** Pods whose deletion was asked for without an eviction. */
  readonly deletedByHand = new Set<string>();
  readonly #healthy = new Set<string>();
  readonly #granted = new Set<string>();
  /** Revision of each failure: a healthy pod that is no more, other than by a granted eviction. */
  readonly #failures: number[] = [];
  #budget: PodDisruptionBudget | undefined;
  /** Newest revision of pods that the controller's cache has, and had when it counted last. */
  #cached = 0;
  #counting = 0;
  /** What the count behind the present status knew of. */
  #counted = 0;

  /** The controller's informers, with an ear on the pods. */
  informers(real: Informers): Informers {
    return {
      ...real,
      of: <T extends KubeObject>(type: ResourceType<T>): Informer<T> => {
        const informer = real.of(type);
        return type.resource === pods.resource ? this.#listening(informer) : informer;
      },
    };
  }

  #listening<T extends KubeObject>(informer: Informer<T>): Informer<T> {
    const note = (object: T): void => {
      this.#cached = Math.max(this.#cached, Number(object.metadata.resourceVersion ?? 0));
    };
    informer.onEvent({ onAdd: note, onUpdate: (_before, object) => note(object), onDelete: note });
    return new Proxy(informer, {
      get: (target, key) => {
        if (key === 'byIndex')
          return (index: string, value: string) => {
            this.#counting = this.#cached;
            return target.byIndex(index, value);
          };
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }

  see(event: StoreEvent): void {
    const stored = event.object ?? event.previous;
    if (stored === undefined) return;
    const object = JSON.parse(Buffer.from(stored.bytes).toString()) as KubeObject;
    if (object.kind === 'Pod') this.#seePod(object as Pod, event);
    if (object.kind === 'PodDisruptionBudget') this.#seeBudget(object as PodDisruptionBudget);
  }

  #seePod(pod: Pod, { object, revision }: StoreEvent): void {
    const { name = '' } = pod.metadata;
    const healthy = object !== undefined && isHealthy(pod);
    if (object === undefined) this.#granted.delete(name);
    if (healthy && !this.#granted.has(name)) {
      this.#healthy.add(name);
      return;
    }
    if (healthy || !this.#healthy.delete(name)) return;
    this.#failures.push(revision);
    const gone = object === undefined || pod.metadata.deletionTimestamp !== undefined;
    if (gone && !this.deletedByHand.has(name))
      this.violations.push(`${name} was healthy and went by an eviction that no budget granted`);
  }

  #seeBudget(budget: PodDisruptionBudget): void {
    const before = this.#budget?.status;
    const status = budget.status;
    this.#budget = budget;
    const known = before?.disruptedPods ?? {};
    const name = Object.keys(status?.disruptedPods ?? {}).find((one) => !(one in known));
    if (status === undefined || before === undefined) return;
    // The controller only ever takes names away.
    if (name === undefined) {
      this.#counted = this.#counting;
      return;
    }
    seen.granted += 1;
    this.#granted.add(name);
    this.#healthy.delete(name);
    const unseen = this.#failures.filter((revision) => revision > this.#counted).length;
    seen.unseenFailures += unseen;
    if (this.#healthy.size + unseen < status.desiredHealthy)
      this.violations.push(
        `${name} was evicted: ${this.#healthy.size} healthy and ${unseen} unseen failures, ${status.desiredHealthy} wanted`,
      );
  }
}

interface Step {
  readonly do: 'evict' | 'fail' | 'heal' | 'delete' | 'create' | 'turn' | 'wait' | 'race';
  /** Which pod, how many turns of the event loop, how many seconds. */
  readonly of: number;
}

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('evict' as const), of: fc.nat(5) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('fail' as const, 'heal' as const, 'delete' as const, 'create' as const),
      of: fc.nat(5),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('turn' as const), of: fc.nat(40) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('race' as const), of: fc.nat(100) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), of: fc.nat(3) }) },
);
const steps = fc.array(step, { minLength: 5, maxLength: 40 });

const spec: fc.Arbitrary<NonNullable<PodDisruptionBudget['spec']>> = fc
  .tuple(
    fc.oneof(
      fc.record({ minAvailable: fc.oneof(fc.nat(5), fc.constantFrom('34%', '50%', '80%')) }),
      fc.record({ maxUnavailable: fc.oneof(fc.nat(4), fc.constantFrom('20%', '50%')) }),
    ),
    fc.constantFrom({}, { unhealthyPodEvictionPolicy: 'AlwaysAllow' as const }),
  )
  .map(([amount, policy]) => ({ ...amount, ...policy }));

/** What a cache hears of pods comes late, up to `lagMs` for each event. */
function slowWatch(real: KubeClient, ctx: Context, lagMs: number): KubeClient {
  return {
    ...real,
    watch: async function* <T extends KubeObject>(inner: Context, type: ResourceType<T>, options?: WatchOptions) {
      for await (const event of real.watch(inner, type, options)) {
        if (type.resource === pods.resource && lagMs > 0) await sleep(ctx, lagMs);
        yield event;
      }
    },
  };
}

/** A write that lost a race with another of the run is part of the game. */
async function attempt(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!isStatus(error, 'NotFound') && !isStatus(error, 'Conflict') && !isStatus(error, 'AlreadyExists')) throw error;
  }
}

async function play(world: DisruptionWorld, witness: Witness, steps: readonly Step[]): Promise<void> {
  const owner = await replicaSetOwner(world, 'rs', 5);
  const names = Array.from({ length: 5 }, (_, index) => `p${index}`);
  for (const name of names) await createPod(world, name, owner);
  const running: Promise<void>[] = [];
  const start = (work: Promise<unknown>): void => void running.push(attempt(work));
  const evictOne = async (name: string): Promise<void> => {
    if ((await evict(world, name)) === 429) seen.refused += 1;
  };
  await world.clock.advance(30_000);
  for (const { do: what, of } of steps) {
    const name = names[of % names.length] ?? '';
    if (what === 'turn') for (let turn = 0; turn < of; turn++) await Promise.resolve();
    else if (what === 'wait') await world.clock.advance(of * 1000);
    else if (what === 'evict') start(evictOne(name));
    else if (what === 'race') {
      // A pod gets ready while somebody evicts it because it is not.
      start(setReady(world, name, true));
      for (let turn = 0; turn < of % 20; turn++) await Promise.resolve();
      start(evictOne(name));
    } else if (what === 'delete') {
      witness.deletedByHand.add(name);
      start(world.client.delete(world.ctx, pods, { namespace, name }));
    } else if (what === 'create') {
      const fresh = `p${names.length}`;
      names.push(fresh);
      start(createPod(world, fresh, owner, { graceSeconds: of % 2 === 0 ? 0 : 30 }));
    } else start(setReady(world, name, what === 'heal'));
  }
  await Promise.all(running);
  await world.clock.advance(120_000);
}

describe('evictions and failures of pods at the same time', () => {
  it('never take a healthy pod that the budget needs', async () => {
    await fc.assert(
      fc.asyncProperty(spec, steps, fc.constantFrom(0, 0, 700, 1500), async (wanted, taken, lagMs) => {
        const witness = new Witness();
        const world = await startDisruptionWorld({
          informers: (informers) => witness.informers(informers),
          client: (client, ctx) => slowWatch(client, ctx, lagMs),
        });
        const watching = world.cluster.store.watch('test/', world.cluster.store.revision, (event) =>
          witness.see(event),
        );
        try {
          await createBudget(world, wanted);
          await play(world, witness, taken);
          expect(witness.violations).toEqual([]);
          // And in the end the budget says what is.
          const { items } = await world.client.list(world.ctx, pods, { namespace });
          const status = await budgetStatus(world);
          expect(status.disruptedPods ?? {}).toEqual({});
          expect(status.currentHealthy).toBe(items.filter(isHealthy).length);
          const { metadata } = await world.client.get(world.ctx, podDisruptionBudgets, { namespace, name: 'b' });
          expect(status.observedGeneration).toBe(metadata.generation);
        } finally {
          watching.close();
          await world.close();
        }
      }),
      { numRuns: 40 },
    );
  });

  afterAll(() => {
    // What was promised above was put to the test: pods went, others stayed, and failures came between.
    for (const [what, count] of Object.entries(seen)) expect({ what, some: count > 0 }).toEqual({ what, some: true });
  });
});
