/** admissionregistration.k8s.io/v1 webhook configurations (kubernetes pkg/apis/admissionregistration/validation). */
import {
  duplicateValue,
  invalidValue,
  notSupported,
  requiredValue,
  tooMany,
} from '@polyanthus/kube-objects/field-errors';
import { equalJson } from '@polyanthus/kube-objects/json-value';
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import { dns1035Label, dns1123Subdomain, qualifiedName } from '@polyanthus/kube-objects/names';
import type { StatusCause } from '@polyanthus/kube-objects/status';
import { conditionFault } from '../admission/webhooks/match-conditions.ts';
import { listAt, objectAt, textAt, type ApiObject, type Faults } from '../api-object.ts';
import { clientConfigFaults } from './webhook-client-config.ts';
import { selectorFaults, selectorIsInvalid } from './webhook-selectors.ts';
import { ruleFaults, strings } from './webhook-rules.ts';

const failurePolicies = ['Fail', 'Ignore'];
const matchPolicies = ['Equivalent', 'Exact'];
const reinvocationPolicies = ['IfNeeded', 'Never'];
const allSideEffects = ['None', 'NoneOnDryRun', 'Some', 'Unknown'];
const noSideEffects = ['None', 'NoneOnDryRun'];
const reviewVersions = ['v1', 'v1beta1'];
const conditionsMax = 64;

/** What an update may keep because the stored configuration has it already. */
interface Leniency {
  readonly sideEffects: boolean;
  readonly reviewVersions: boolean;
  readonly names: boolean;
  readonly selectors: boolean;
  readonly conditions: boolean;
}

const strict: Leniency = {
  sideEffects: false,
  reviewVersions: false,
  names: false,
  selectors: false,
  conditions: false,
};

/** Rules of a MutatingWebhookConfiguration or a ValidatingWebhookConfiguration. */
export function webhookFaults(after: ApiObject, before: ApiObject | undefined): Faults {
  const lenient = before === undefined ? strict : leniencyOf(after, before);
  const seen = new Set<string>();
  return listAt(after, 'webhooks').flatMap((hook, index) => {
    const path = `webhooks[${index}]`;
    const name = textAt(hook, 'name');
    const twice = !lenient.names && name !== '' && seen.has(name);
    seen.add(name);
    return [
      ...hookFaults(hook, path, lenient),
      ...reviewVersionFaults(hook, `${path}.admissionReviewVersions`, lenient),
      ...(twice ? [duplicateValue(`${path}.name`, name)] : []),
    ];
  });
}

function leniencyOf(after: ApiObject, before: ApiObject): Leniency {
  const [fresh, old] = [listAt(after, 'webhooks'), listAt(before, 'webhooks')];
  const names = old.map((hook) => textAt(hook, 'name'));
  const known = (hook: JsonObject): boolean => {
    const versions = strings(hook['admissionReviewVersions']);
    return versions.length === 0 || versions.some((version) => reviewVersions.includes(version));
  };
  return {
    sideEffects: old.some((hook) => !noSideEffects.includes(textAt(hook, 'sideEffects'))),
    reviewVersions: !old.every(known),
    names: new Set(names).size < names.length,
    selectors: old.some(({ namespaceSelector, objectSelector }) =>
      [namespaceSelector, objectSelector].some(selectorIsInvalid),
    ),
    conditions:
      fresh.length === old.length &&
      fresh.every((hook, index) => equalJson(hook['matchConditions'], old[index]?.['matchConditions'])),
  };
}

function hookFaults(hook: JsonObject, path: string, lenient: Leniency): Faults {
  const faults: StatusCause[] = [...nameFaults(textAt(hook, 'name'), `${path}.name`)];
  listAt(hook, 'rules').forEach((rule, index) => faults.push(...ruleFaults(rule, `${path}.rules[${index}]`)));
  faults.push(
    ...wordFaults(hook, path, 'failurePolicy', failurePolicies),
    ...wordFaults(hook, path, 'matchPolicy', matchPolicies),
    ...sideEffectFaults(hook, `${path}.sideEffects`, lenient.sideEffects ? allSideEffects : noSideEffects),
    ...timeoutFaults(hook['timeoutSeconds'], `${path}.timeoutSeconds`),
  );
  for (const key of ['namespaceSelector', 'objectSelector'])
    faults.push(...selectorFaults(hook[key], `${path}.${key}`, lenient.selectors));
  faults.push(
    ...wordFaults(hook, path, 'reinvocationPolicy', reinvocationPolicies),
    ...clientConfigFaults(objectAt(hook, 'clientConfig'), `${path}.clientConfig`),
  );
  if (!lenient.conditions) faults.push(...conditionFaults(hook, `${path}.matchConditions`));
  return faults;
}

function nameFaults(name: string, field: string): Faults {
  if (name === '') return [requiredValue(field)];
  const texts = dns1123Subdomain(name);
  if (texts.length > 0) return [invalidValue(field, name, texts.join(','))];
  return name.split('.').length < 3
    ? [invalidValue(field, name, 'should be a domain with at least three segments separated by dots')]
    : [];
}

function wordFaults(hook: JsonObject, path: string, key: string, words: readonly string[]): Faults {
  const value = hook[key];
  return value === undefined || words.includes(String(value)) ? [] : [notSupported(`${path}.${key}`, value, words)];
}

function sideEffectFaults(hook: JsonObject, field: string, allowed: readonly string[]): Faults {
  const value = hook['sideEffects'];
  if (value === undefined) return [requiredValue(field, `must specify one of ${allowed.join(', ')}`)];
  return allowed.includes(String(value)) ? [] : [notSupported(field, value, allowed)];
}

function timeoutFaults(value: JsonValue | undefined, field: string): Faults {
  return typeof value === 'number' && (value > 30 || value < 1)
    ? [invalidValue(field, value, 'the timeout value must be between 1 and 30 seconds')]
    : [];
}

function reviewVersionFaults(hook: JsonObject, field: string, lenient: Leniency): Faults {
  const versions = strings(hook['admissionReviewVersions']);
  if (versions.length === 0) return [requiredValue(field, `must specify one of ${reviewVersions.join(', ')}`)];
  const faults: StatusCause[] = [];
  versions.forEach((version, index) => {
    if (versions.indexOf(version) < index)
      faults.push(invalidValue(`${field}[${index}]`, version, 'duplicate version'));
    else for (const fault of dns1035Label(version)) faults.push(invalidValue(`${field}[${index}]`, version, fault));
  });
  if (!lenient.reviewVersions && !versions.some((version) => reviewVersions.includes(version)))
    faults.push(invalidValue(field, [...versions], `must include at least one of ${reviewVersions.join(', ')}`));
  return faults;
}

function conditionFaults(hook: JsonObject, field: string): Faults {
  const conditions = listAt(hook, 'matchConditions');
  const faults: StatusCause[] = [];
  if (conditions.length > conditionsMax) faults.push(tooMany(field, conditions.length, conditionsMax));
  const seen = new Set<string>();
  conditions.slice(0, conditionsMax).forEach((condition, index) => {
    const path = `${field}[${index}]`;
    const [expression, name] = [textAt(condition, 'expression').trim(), textAt(condition, 'name')];
    const fault = expression === '' ? undefined : conditionFault(expression);
    if (expression === '') faults.push(requiredValue(`${path}.expression`));
    if (fault !== undefined) faults.push(invalidValue(`${path}.expression`, expression, fault));
    if (name === '') faults.push(requiredValue(`${path}.name`));
    else for (const text of qualifiedName(name)) faults.push(invalidValue(`${path}.name`, name, text));
    if (name !== '' && seen.has(name)) faults.push(duplicateValue(`${path}.name`, name));
    seen.add(name);
  });
  return faults;
}
