/** What is used of a quota, by what there is (apiserver pkg/quota/v1 CalculateUsage). */
import { inScopes, kindsTaking, quotaEvaluator } from '@polyanthus/kube-kinds/quota/evaluators';
import {
  addResources,
  equalResources,
  maskResources,
  readResources,
  units,
  writeResources,
  type ResourceList,
} from '@polyanthus/kube-kinds/quota/resource-list';
import type { ResourceQuota } from '@polyanthus/kube-kinds/quota/resource-quota';
import type { CountedKinds } from './counted.ts';

/** Kinds that the quota's limits are about. */
export function kindsOf(quota: ResourceQuota): readonly string[] {
  return [...new Set(Object.keys(quota.spec?.hard ?? {}).flatMap(kindsTaking))];
}

/** The status after counting; undefined when the quota says it already. What nobody serves stays as it was. */
export function countedQuota(
  quota: ResourceQuota,
  counted: Pick<CountedKinds, 'objects'>,
  nowMs: number,
): NonNullable<ResourceQuota['status']> | undefined {
  const hard = readResources(quota.spec?.hard);
  const names = Object.keys(hard);
  let used: ResourceList = {};
  for (const kind of kindsOf(quota)) used = addResources(used, usedBy(quota, kind, names, counted, nowMs));
  const before = { hard: readResources(quota.status?.hard), used: readResources(quota.status?.used) };
  const after = { hard, used: maskResources({ ...before.used, ...used }, names) };
  const told = quota.status?.hard !== undefined && quota.status.used !== undefined;
  if (told && equalResources(before.hard, after.hard) && equalResources(before.used, after.used)) return undefined;
  return { hard: writeResources(after.hard), used: writeResources(after.used) };
}

function usedBy(
  quota: ResourceQuota,
  kind: string,
  names: readonly string[],
  counted: Pick<CountedKinds, 'objects'>,
  nowMs: number,
): ResourceList {
  const found = counted.objects(kind, quota.metadata.namespace ?? '');
  const evaluator = found === undefined ? undefined : quotaEvaluator(found.type.group, found.type.resource);
  if (found === undefined || evaluator === undefined) return {};
  const mine = evaluator.matching(names);
  let used: ResourceList = Object.fromEntries(mine.map((name) => [name, units(0)]));
  for (const object of found.objects)
    if (inScopes(quota, evaluator, object))
      used = addResources(used, maskResources(evaluator.usage(object, nowMs), mine));
  return used;
}
