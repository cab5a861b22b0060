/** What is computed of the served kinds alone: shared by all clusters that serve the same. */
import type { Registry } from './registry.ts';

/** Different sets of custom kinds that are remembered; the one that was used longest ago goes first. */
const entriesMax = 64;

/** A cache by the fingerprint of the custom kinds. */
export function sharedCache<T>(make: (registry: Registry) => T): (registry: Registry) => T {
  const known = new Map<string, T>();
  return (registry) => {
    const key = registry.fingerprint;
    const found = known.get(key) ?? make(registry);
    known.delete(key);
    known.set(key, found);
    for (const [oldest] of known) {
      if (known.size <= entriesMax) break;
      known.delete(oldest);
    }
    return found;
  };
}
