/** core/v1 ResourceQuota (pkg/apis/core/validation): names, amounts, scopes. */
import { invalidValue, requiredValue } from '@polyanthus/kube-objects/field-errors';
import { equalJson } from '@polyanthus/kube-objects/json-value';
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import { qualifiedName } from '@polyanthus/kube-objects/names';
import { formatQuantity, parseQuantity } from '@polyanthus/kube-objects/quantity';
import type { StatusCause } from '@polyanthus/kube-objects/status';
import { listAt, objectAt, textAt, type ApiObject, type Faults } from '../api-object.ts';
import type { WriteMoment } from '../registry/strategy.ts';

const compute = ['cpu', 'memory'];
const stored = ['ephemeral-storage'];
const objects = [
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
];
const amounts = [...compute, ...stored];
const standard: ReadonlySet<string> = new Set([
  ...amounts,
  ...amounts.map((name) => `requests.${name}`),
  ...amounts.map((name) => `limits.${name}`),
  'requests.storage',
  ...objects,
]);
const isStandard = (name: string): boolean =>
  standard.has(name) || name.startsWith('hugepages-') || name.startsWith('requests.hugepages-');

const ofPods = ['pods', ...compute, ...compute.flatMap((name) => [`requests.${name}`, `limits.${name}`])];
const ofClaims = ['persistentvolumeclaims', 'requests.storage'];

/** The standard names that each scope can narrow. */
const scopes: Readonly<Record<string, readonly string[]>> = {
  Terminating: ofPods,
  NotTerminating: ofPods,
  NotBestEffort: ofPods,
  PriorityClass: ofPods,
  CrossNamespacePodAffinity: ofPods,
  BestEffort: ['pods'],
  VolumeAttributesClass: ofClaims,
};
const byName: readonly string[] = ['PriorityClass', 'VolumeAttributesClass'];
const pairs = [
  ['BestEffort', 'NotBestEffort'],
  ['Terminating', 'NotTerminating'],
] as const;

/** Rules of a quota, and of its status. */
export function resourceQuotaFaults(after: ApiObject, before: ApiObject | undefined, moment: WriteMoment): Faults {
  const status = objectAt(after, 'status');
  if (moment.subresource === 'status')
    return [
      ...listFaults('status.hard', objectAt(status, 'hard')),
      ...listFaults('status.used', objectAt(status, 'used')),
    ];
  const spec = objectAt(after, 'spec');
  const faults = [...listFaults('spec.hard', objectAt(spec, 'hard')), ...scopeFaults(spec), ...selectorFaults(spec)];
  const had = before === undefined ? undefined : objectAt(before, 'spec')['scopes'];
  const sorted = (value: unknown): readonly string[] =>
    (Array.isArray(value) ? [...new Set(value as string[])] : []).toSorted();
  if (before !== undefined && !equalJson(sorted(spec['scopes']), sorted(had)))
    faults.push(invalidValue('spec.scopes', spec['scopes'] ?? null, 'field is immutable'));
  return faults;
}

function listFaults(field: string, list: JsonObject): Faults {
  return Object.entries(list).flatMap(([name, value]) => {
    const at = `${field}[${name}]`;
    return [...nameFaults(at, name), ...amountFaults(at, name, value as string | number)];
  });
}

function nameFaults(at: string, name: string): Faults {
  const faults = qualifiedName(name).map((fault) => invalidValue(at, name, fault));
  if (faults.length > 0 || name.includes('/')) return faults;
  if (isStandard(name)) return [];
  return [
    invalidValue(at, name, 'must be a standard resource type or fully qualified'),
    invalidValue(at, name, 'must be a standard resource for quota'),
  ];
}

function amountFaults(at: string, name: string, value: string | number): Faults {
  const quantity = parseQuantity(value);
  const text = formatQuantity(quantity);
  if (quantity.nano < 0n) return [invalidValue(at, text, 'must be greater than or equal to 0')];
  const whole = quantity.nano % 1_000_000_000n === 0n;
  return objects.includes(name) && !whole ? [invalidValue(at, text, 'must be an integer')] : [];
}

/** Standard names that a scope cannot narrow. */
function unsuited(scope: string, spec: JsonObject): readonly string[] {
  const able = scopes[scope];
  if (able === undefined) return [];
  return Object.keys(objectAt(spec, 'hard')).filter((name) => isStandard(name) && !able.includes(name));
}

function scopeFaults(spec: JsonObject): Faults {
  const named = Array.isArray(spec['scopes']) ? (spec['scopes'] as readonly string[]) : [];
  const fault = (why: string): StatusCause => invalidValue('spec.scopes', named, why);
  return [
    ...named.flatMap((scope) => [
      ...(Object.hasOwn(scopes, scope) ? [] : [fault('unsupported scope')]),
      ...unsuited(scope, spec).map(() => fault('unsupported scope applied to resource')),
    ]),
    ...pairs.filter((pair) => pair.every((one) => named.includes(one))).map(() => fault('conflicting scopes')),
  ];
}

function selectorFaults(spec: JsonObject): Faults {
  const selector = objectAt(spec, 'scopeSelector');
  const at = 'spec.scopeSelector.matchExpressions';
  const requirements = listAt(selector, 'matchExpressions');
  const named = requirements.map((one) => textAt(one, 'scopeName'));
  return [
    ...requirements.flatMap((one) => [
      ...(Object.hasOwn(scopes, textAt(one, 'scopeName'))
        ? []
        : [invalidValue(`${at}.scopeName`, textAt(one, 'scopeName'), 'unsupported scope')]),
      ...unsuited(textAt(one, 'scopeName'), spec).map(() =>
        invalidValue(at, { MatchExpressions: requirements }, 'unsupported scope applied to resource'),
      ),
      ...operatorFaults(at, one),
    ]),
    ...pairs
      .filter((pair) => pair.every((one) => named.includes(one)))
      .map(() => invalidValue(at, { MatchExpressions: requirements }, 'conflicting scopes')),
  ];
}

function operatorFaults(at: string, requirement: JsonObject): Faults {
  const scope = textAt(requirement, 'scopeName');
  const operator = textAt(requirement, 'operator');
  const values = Array.isArray(requirement['values']) ? (requirement['values'] as readonly string[]) : [];
  const faults: StatusCause[] = [];
  if (Object.hasOwn(scopes, scope) && !byName.includes(scope) && operator !== 'Exists')
    faults.push(
      invalidValue(
        `${at}.operator`,
        operator,
        "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity",
      ),
    );
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0)
      faults.push(
        requiredValue(
          `${at}.values`,
          "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
        ),
      );
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length > 0)
      faults.push(
        invalidValue(
          `${at}.values`,
          values,
          "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
        ),
      );
  } else faults.push(invalidValue(`${at}.operator`, operator, 'not a valid selector operator'));
  return faults;
}
