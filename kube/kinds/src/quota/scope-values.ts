/** Scopes that compare a class by name. */
import type { QuotaScope } from './resource-quota.ts';

/** Whether an object that carries `names` of classes (none is allowed) matches; one of several is enough. */
export function matchesNames(scope: QuotaScope, names: readonly string[]): boolean {
  const { operator, values = [] } = scope;
  const one = (name: string | undefined): boolean => {
    if (operator === 'In') return name !== undefined && values.includes(name);
    if (operator === 'NotIn') return name === undefined || !values.includes(name);
    if (operator === 'Exists') return name !== undefined;
    return operator === 'DoesNotExist' && name === undefined;
  };
  return names.length === 0 ? one(undefined) : names.some(one);
}
