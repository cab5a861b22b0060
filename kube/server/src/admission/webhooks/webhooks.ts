/** The webhooks of one cluster. Without a configuration a write costs two comparisons. */
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import type { Cluster } from '../../cluster.ts';
import { isExempt, type WebhookAttributes } from './attributes.ts';
import { HookSource, type Hook } from './hooks.ts';
import { MutatingRounds } from './mutating.ts';
import { askValidating } from './validating.ts';

const byCluster = new WeakMap<Cluster, Webhooks>();

/** The webhooks of a cluster; looked for when it is first written to. */
export function webhooksOf(cluster: Cluster): Webhooks {
  const known = byCluster.get(cluster);
  if (known !== undefined) return known;
  const made = new Webhooks(cluster);
  byCluster.set(cluster, made);
  return made;
}

/** Two sources of webhooks, and how they are asked. */
class Webhooks {
  readonly #mutating: HookSource;
  readonly #validating: HookSource;

  constructor(cluster: Cluster) {
    this.#mutating = new HookSource(cluster, 'mutatingwebhookconfigurations');
    this.#validating = new HookSource(cluster, 'validatingwebhookconfigurations');
    cluster.onClose(() => {
      this.#mutating.close();
      this.#validating.close();
    });
  }

  /** The rounds of mutating webhooks for a write; undefined when none is configured, or none may be asked. */
  mutating({ scope }: Pick<WebhookAttributes, 'scope'>): MutatingRounds | undefined {
    const hooks = usable(this.#mutating, scope);
    return hooks.length === 0 ? undefined : new MutatingRounds(hooks);
  }

  /** Throws when a validating webhook refuses. `attributes` is asked for only when one is configured. */
  async validate(scope: WebhookAttributes['scope'], attributes: () => WebhookAttributes): Promise<void> {
    const hooks = usable(this.#validating, scope);
    if (hooks.length > 0) await askValidating(hooks, attributes());
  }

  /** The rounds of all that change: for what is written but not stored as itself. */
  async mutate(attributes: WebhookAttributes): Promise<JsonObject | undefined> {
    const rounds = this.mutating(attributes);
    if (rounds === undefined) return attributes.object;
    const object = await rounds.run(attributes);
    return rounds.changed ? await rounds.run({ ...attributes, object }) : object;
  }

  /** `mutate`, then all that judge. */
  async admit(attributes: WebhookAttributes): Promise<JsonObject | undefined> {
    const object = await this.mutate(attributes);
    const after = { ...attributes, object };
    await this.validate(attributes.scope, () => after);
    return object;
  }
}

const usable = (source: HookSource, scope: WebhookAttributes['scope']): readonly Hook[] => {
  const hooks = source.hooks();
  return hooks.length === 0 || isExempt(scope) ? [] : hooks;
};
