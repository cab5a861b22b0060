/** The webhooks that are configured now, in the order in which they are asked. */
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import {
  labelSelectorMatcher,
  type LabelSelectorMatcher,
  type LabelSelectorObject,
} from '@polyanthus/kube-objects/selectors';
import { listAt, objectAt, textAt, type ApiObject } from '../../api-object.ts';
import { parseStored } from '../../encode.ts';
import { strings } from '../../kinds/webhook-rules.ts';
import { prefixOf } from '../../registry/keys.ts';
import type { Registry } from '../../registry/registry.ts';
import type { Store } from '../../store/store.ts';
import { compileConditions, type Condition } from './match-conditions.ts';

const group = 'admissionregistration.k8s.io';
const defaultTimeoutMs = 10_000;

/** When a webhook is asked. */
export interface HookRule {
  readonly operations: readonly string[];
  readonly groups: readonly string[];
  readonly versions: readonly string[];
  readonly resources: readonly string[];
  readonly scope: string;
}

/** One webhook of a configuration. */
export interface Hook {
  /** Unique over all configurations. */
  readonly uid: string;
  readonly configuration: string;
  readonly name: string;
  readonly rules: readonly HookRule[];
  /** Equivalent: asked about other versions of its resources as well. */
  readonly equivalent: boolean;
  readonly namespaceSelector: LabelSelectorMatcher;
  readonly objectSelector: LabelSelectorMatcher;
  readonly conditions: readonly Condition[];
  /** A call that fails lets the write pass. */
  readonly failOpen: boolean;
  readonly sideEffects: string;
  readonly timeoutMs: number;
  readonly reviewVersions: readonly string[];
  /** Asked again when another has changed the object after it. */
  readonly reinvoked: boolean;
  readonly clientConfig: JsonObject;
}

/** Keeps the webhooks of a cluster; reads them again only when a configuration has changed. */
export class HookSource {
  readonly #read: () => readonly Hook[];
  #hooks: readonly Hook[] | undefined;
  readonly close: () => void;

  /** `resource`: mutatingwebhookconfigurations or validatingwebhookconfigurations. */
  constructor(cluster: { name: string; store: Store; registry: Registry }, resource: string) {
    const definition = cluster.registry.find(group, 'v1', resource);
    if (definition === undefined) {
      this.#read = () => [];
      this.close = () => undefined;
      return;
    }
    const prefix = prefixOf(cluster.name, definition, '');
    const watch = cluster.store.watch(prefix, cluster.store.revision, () => (this.#hooks = undefined));
    this.close = () => watch.close();
    this.#read = () => {
      const stored = cluster.store.range(prefix).objects.map((one) => parseStored(one));
      const byName = stored.toSorted((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1));
      return byName.flatMap(hooksOf);
    };
  }

  /** By the configurations' names, and inside of one as it lists them. */
  hooks(): readonly Hook[] {
    return (this.#hooks ??= this.#read());
  }
}

function hooksOf(configuration: ApiObject): readonly Hook[] {
  const counts = new Map<string, number>();
  return listAt(configuration, 'webhooks').map((hook) => {
    const name = textAt(hook, 'name');
    const count = counts.get(name) ?? 0;
    counts.set(name, count + 1);
    return hookOf(configuration.metadata.name ?? '', hook, count);
  });
}

function hookOf(configuration: string, hook: JsonObject, count: number): Hook {
  const name = textAt(hook, 'name');
  const { timeoutSeconds } = hook;
  return {
    uid: `${configuration}/${name}/${count}`,
    configuration,
    name,
    rules: listAt(hook, 'rules').map((rule) => ({
      operations: strings(rule['operations']),
      groups: strings(rule['apiGroups']),
      versions: strings(rule['apiVersions']),
      resources: strings(rule['resources']),
      scope: textAt(rule, 'scope') || '*',
    })),
    equivalent: hook['matchPolicy'] !== 'Exact',
    namespaceSelector: selectorOf(hook, 'namespaceSelector'),
    objectSelector: selectorOf(hook, 'objectSelector'),
    conditions: compileConditions(listAt(hook, 'matchConditions')),
    failOpen: hook['failurePolicy'] === 'Ignore',
    sideEffects: textAt(hook, 'sideEffects'),
    timeoutMs: typeof timeoutSeconds === 'number' ? timeoutSeconds * 1000 : defaultTimeoutMs,
    reviewVersions: strings(hook['admissionReviewVersions']),
    reinvoked: hook['reinvocationPolicy'] === 'IfNeeded',
    clientConfig: objectAt(hook, 'clientConfig'),
  };
}

/** A selector that is not valid, which only an old configuration can have, selects everything: it must not let through. */
function selectorOf(hook: JsonObject, key: string): LabelSelectorMatcher {
  try {
    return labelSelectorMatcher(objectAt(hook, key) as LabelSelectorObject);
  } catch {
    return labelSelectorMatcher({});
  }
}
