/** Follows every deletable kind that the API server serves, and feeds the graph. */
import { withCancel, type Context } from '@polyanthus/ground-base/context';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { apiVersionOf, type ResourceType } from '@polyanthus/kube-objects/resource';
import { createInformer, type Informer } from '@polyanthus/kube-runtime/informer';
import { groupOf } from '@polyanthus/kube-runtime/watches';
import type { ControllerEnv } from '../environment.ts';
import { discoverResources, nameOf, type ServedResource } from '../resource-discovery.ts';

/** Called for every object of every kind, by what the watches tell. */
export interface MonitorEvents {
  readonly seen: (type: ResourceType, object: KubeObject) => void;
  /** `seenDeleted`: the watch told of the deletion itself, so the uid is gone for good. */
  readonly gone: (object: KubeObject, seenDeleted: boolean) => void;
}

interface Monitor {
  readonly type: ResourceType;
  readonly informer: Informer;
  readonly stop: () => void;
}

/** Never owned, many, short-lived: as kube-controller-manager leaves them out. */
const ignored = new Set(['events', 'events.events.k8s.io']);

/** One informer a kind, metadata only. `refresh` follows discovery. */
export class Monitors {
  readonly #env: ControllerEnv;
  readonly #events: MonitorEvents;
  readonly #monitors = new Map<string, Monitor>();
  /** Kinds by `<group>/<kind>`, to find what an owner reference means. */
  #kinds = new Map<string, ResourceType>();

  constructor(env: ControllerEnv, events: MonitorEvents) {
    this.#env = env;
    this.#events = events;
  }

  /** Asks what is served; starts what is new and stops what is gone. Kinds of groups that did not answer stay. */
  async refresh(ctx: Context): Promise<void> {
    const discovered = await discoverResources(ctx, this.#env.client);
    const silent = new Set(discovered.failed.map((each) => groupOf(each)));
    const kinds = new Map([...this.#kinds].filter(([, type]) => silent.has(type.group)));
    for (const { type } of discovered.resources) kinds.set(`${type.group}/${type.kind}`, type);
    this.#kinds = kinds;
    const wanted = new Map(discovered.resources.filter(isCollectable).map(({ type }) => [nameOf(type), type]));
    for (const [name, monitor] of this.#monitors) {
      const now = wanted.get(name);
      const stays = silent.has(monitor.type.group) && now === undefined;
      if (stays || (now !== undefined && apiVersionOf(now) === apiVersionOf(monitor.type))) continue;
      monitor.stop();
      this.#monitors.delete(name);
    }
    for (const [name, type] of wanted) if (!this.#monitors.has(name)) this.#monitors.set(name, this.#start(ctx, type));
  }

  /** Resolves when every kind followed so far has been listed. */
  async synced(): Promise<void> {
    await Promise.all([...this.#monitors.values()].map((monitor) => monitor.informer.synced.catch(() => undefined)));
  }

  /** The kind that an owner reference names; undefined when the server does not serve it. */
  kindOf(apiVersion: string, kind: string): ResourceType | undefined {
    return this.#kinds.get(`${groupOf(apiVersion)}/${kind}`);
  }

  #start(ctx: Context, type: ResourceType): Monitor {
    const { ctx: inner, cancel } = withCancel(ctx);
    const { random, metrics, client } = this.#env;
    const informer = createInformer(client, type, { random, metrics, transform: metadataOnly });
    informer.onEvent({
      onAdd: (object) => this.#events.seen(type, object),
      onUpdate: (_before, object) => this.#events.seen(type, object),
      onDelete: (object, finalStateUnknown) => this.#events.gone(object, !finalStateUnknown),
    });
    informer.start(inner);
    return {
      type,
      informer,
      stop: () => {
        cancel();
        // A kind that is no longer served has no objects any more.
        for (const object of informer.list()) this.#events.gone(object, false);
      },
    };
  }
}

function isCollectable({ type, verbs }: ServedResource): boolean {
  return !ignored.has(nameOf(type)) && ['list', 'watch', 'delete'].every((verb) => verbs.includes(verb));
}

function metadataOnly(object: KubeObject): KubeObject {
  const { managedFields: _managed, annotations: _annotations, labels: _labels, ...metadata } = object.metadata;
  return { apiVersion: object.apiVersion, kind: object.kind, metadata };
}
