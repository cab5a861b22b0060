/** core/v1 LimitRange: defaults that follow from each other, and limits that contradict each other. */
import { duplicateValue, forbiddenValue, invalidValue, requiredValue } from '@polyanthus/kube-objects/field-errors';
import { readResources, units, type ResourceList } from '@polyanthus/kube-kinds/quota/resource-list';
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import { formatQuantity } from '@polyanthus/kube-objects/quantity';
import type { StatusCause } from '@polyanthus/kube-objects/status';
import { listAt, objectAt, textAt, type ApiObject, type Faults } from '../api-object.ts';

/** Limits of containers: the default limit is the greatest, the default request the limit, else the least. */
export function prepareLimitRange(object: ApiObject): ApiObject {
  const spec = objectAt(object, 'spec');
  if (spec['limits'] === undefined) return object;
  const limits = listAt(spec, 'limits').map((item): JsonObject => {
    if (textAt(item, 'type') !== 'Container') return item;
    const limit = { ...objectAt(item, 'max'), ...objectAt(item, 'default') };
    const request = { ...objectAt(item, 'min'), ...limit, ...objectAt(item, 'defaultRequest') };
    return {
      ...item,
      ...(Object.keys(limit).length === 0 ? {} : { default: limit }),
      ...(Object.keys(request).length === 0 ? {} : { defaultRequest: request }),
    };
  });
  return { ...object, spec: { ...spec, limits } };
}

/** Rules of a LimitRange. */
export function limitRangeFaults(after: ApiObject): Faults {
  const seen = new Set<string>();
  return listAt(objectAt(after, 'spec'), 'limits').flatMap((item, index) => {
    const at = `spec.limits[${index}]`;
    const type = textAt(item, 'type');
    const faults: StatusCause[] = [];
    if (seen.has(type)) faults.push(duplicateValue(`${at}.type`, type));
    seen.add(type);
    if (type === 'Pod')
      for (const key of ['default', 'defaultRequest'])
        if (Object.keys(objectAt(item, key)).length > 0)
          faults.push(forbiddenValue(`${at}.${key}`, "may not be specified when `type` is 'Pod'"));
    if (
      type === 'PersistentVolumeClaim' &&
      !('storage' in objectAt(item, 'min')) &&
      !('storage' in objectAt(item, 'max'))
    )
      faults.push(
        requiredValue(`${at}.limits`, 'either minimum or maximum storage value is required, but neither was provided'),
      );
    return [...faults, ...contradictions(at, type, item)];
  });
}

/** Pairs that must be in order: the smaller, the greater, where the fault is shown and how both are called. */
const pairs = [
  ['min', 'max', 'min', 'min', 'min value', 'max value'],
  ['min', 'defaultRequest', 'defaultRequest', 'defaultRequest', 'min value', 'default request value'],
  ['defaultRequest', 'max', 'defaultRequest', 'defaultRequest', 'default request value', 'max value'],
  ['defaultRequest', 'default', 'defaultRequest', 'defaultRequest', 'default request value', 'default limit value'],
  ['min', 'default', 'default', 'min', 'min value', 'default value'],
  ['default', 'max', 'default', 'max', 'default value', 'max value'],
] as const;

function contradictions(at: string, type: string, item: JsonObject): Faults {
  const lists = new Map<string, ResourceList>(
    ['min', 'max', ...(type === 'Pod' ? [] : ['default', 'defaultRequest']), 'maxLimitRequestRatio'].map((key) => [
      key,
      readResources(item[key]),
    ]),
  );
  const names = new Set([...lists.values()].flatMap((list) => Object.keys(list)));
  return [...names].flatMap((name) => {
    const amount = (key: string): ResourceList[string] | undefined => lists.get(key)?.[name];
    const faults: StatusCause[] = pairs.flatMap(([less, more, field, shown, lessName, moreName]) => {
      const [low, high, bad] = [amount(less), amount(more), amount(shown)];
      if (low === undefined || high === undefined || bad === undefined || low.nano <= high.nano) return [];
      const text = `${lessName} ${formatQuantity(low)} is greater than ${moreName} ${formatQuantity(high)}`;
      return [invalidValue(`${at}.${field}[${name}]`, formatQuantity(bad), text)];
    });
    const ratio = amount('maxLimitRequestRatio');
    const field = `${at}.maxLimitRequestRatio[${name}]`;
    if (ratio === undefined) return faults;
    const shown = formatQuantity(ratio);
    if (ratio.nano < units(1).nano) faults.push(invalidValue(field, shown, `ratio ${shown} is less than 1`));
    const [min, max] = [amount('min'), amount('max')];
    if (min !== undefined && max !== undefined && min.nano > 0n) {
      const widest = Number(max.nano) / Number(min.nano);
      if (Number(ratio.nano) / 1e9 > widest)
        faults.push(invalidValue(field, shown, `ratio ${shown} is greater than max/min = ${widest.toFixed(6)}`));
    }
    return faults;
  });
}
