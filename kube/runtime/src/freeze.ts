/** Makes "never change what came from a cache" checkable. */

/** Freezes a JSON value and everything in it; returns it. Parts that are frozen already are not entered again. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const part of Object.values(value)) deepFreeze(part);
  return value;
}
