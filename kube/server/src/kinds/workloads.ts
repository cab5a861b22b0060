/** apps/v1: selectors must match the template and never change. */
import { equalJson } from '@polyanthus/kube-objects/json-value';
import { invalidValue, requiredValue } from '@polyanthus/kube-objects/field-errors';
import { labelSelectorMatcher, type LabelSelectorObject } from '@polyanthus/kube-objects/selectors';
import type { StatusCause } from '@polyanthus/kube-objects/status';
import { objectAt, type ApiObject, type Faults } from '../api-object.ts';
import { podSpecFaults } from './pods.ts';

/** Rules that Deployments, ReplicaSets, StatefulSets and DaemonSets share. */
export function workloadSelectorFaults(after: ApiObject, before: ApiObject | undefined): Faults {
  const spec = objectAt(after, 'spec');
  const faults: StatusCause[] = [];
  const replicas = spec['replicas'];
  if (typeof replicas === 'number' && replicas < 0)
    faults.push(invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0'));
  const selector = spec['selector'] as LabelSelectorObject | undefined;
  const template = objectAt(spec, 'template');
  const labels = objectAt(objectAt(template, 'metadata'), 'labels') as Readonly<Record<string, string>>;
  const mismatch = '`selector` does not match template `labels`';
  const none = selector === undefined || selector === null;
  if (none) faults.push(requiredValue('spec.selector'));
  if (none && Object.keys(labels).length === 0)
    faults.push(invalidValue('spec.template.metadata.labels', null, mismatch));
  else if (!none && Object.keys(selector).length === 0)
    faults.push(invalidValue('spec.selector', {}, `empty selector is invalid for ${after.kind.toLowerCase()}`));
  else if (!none && !labelSelectorMatcher(selector).matches(labels))
    faults.push(invalidValue('spec.template.metadata.labels', labels, mismatch));
  faults.push(...podSpecFaults(objectAt(template, 'spec'), 'spec.template.spec'));
  const oldSelector = before === undefined ? undefined : objectAt(before, 'spec')['selector'];
  if (before !== undefined && !equalJson(spec['selector'], oldSelector))
    faults.push(invalidValue('spec.selector', spec['selector'], 'field is immutable'));
  return faults;
}

/** Deployment alone: a Recreate strategy has no rolling update. */
export function deploymentFaults(after: ApiObject, before: ApiObject | undefined): Faults {
  return workloadSelectorFaults(after, before);
}
