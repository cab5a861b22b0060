/** Which selectors match a pod, without asking every selector: they are found by one `key=value` that they ask for. */
import type { LabelSelectorMatcher } from '@polyanthus/kube-objects/selectors';

type Labels = Readonly<Record<string, string>>;

interface Entry<T> {
  readonly matcher: LabelSelectorMatcher;
  readonly item: T;
}

/** Selectors of namespaces, each with what it stands for. */
export class SelectorIndex<T> {
  /** `namespace\nkey=value`. */
  readonly #byPair = new Map<string, Entry<T>[]>();
  /** By namespace: selectors that ask for no single value. */
  readonly #others = new Map<string, Entry<T>[]>();

  add(namespace: string, matcher: LabelSelectorMatcher, item: T): void {
    const pair = matcher.requirements.find(
      (one) => one.operator === '=' || (one.operator === 'in' && one.values.length === 1),
    );
    if (pair === undefined) push(this.#others, namespace, { matcher, item });
    else push(this.#byPair, `${namespace}\n${pair.key}=${pair.values[0] ?? ''}`, { matcher, item });
  }

  /** In no particular order. */
  find(namespace: string, labels: Labels): readonly T[] {
    const found: T[] = [];
    const look = (entries: readonly Entry<T>[] | undefined): void => {
      for (const { matcher, item } of entries ?? []) if (matcher.matches(labels)) found.push(item);
    };
    for (const [key, value] of Object.entries(labels)) look(this.#byPair.get(`${namespace}\n${key}=${value}`));
    look(this.#others.get(namespace));
    return found;
  }
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, [value]);
  else known.push(value);
}
