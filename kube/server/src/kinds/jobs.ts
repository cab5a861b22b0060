/** batch/v1 Job. */
import { invalidValue } from '@polyanthus/kube-objects/field-errors';
import { equalJson } from '@polyanthus/kube-objects/json-value';
import type { StatusCause } from '@polyanthus/kube-objects/status';
import { objectAt, textAt, type ApiObject, type Faults } from '../api-object.ts';
import type { WriteMoment } from '../registry/strategy.ts';
import { podSpecFaults } from './pods.ts';

/** `status.successful` counts as 0 when absent. */
export function jobFields(object: ApiObject): Readonly<Record<string, string>> {
  const succeeded = objectAt(object, 'status')['succeeded'];
  return { 'status.successful': String(typeof succeeded === 'number' ? succeeded : 0) };
}

/** A new Job selects its pods by its own uid, unless the user selects by hand (kube-apiserver registry/batch/job). */
export function prepareJob(after: ApiObject, before: ApiObject | undefined, moment: WriteMoment): ApiObject {
  const spec = objectAt(after, 'spec');
  const { uid, name } = after.metadata;
  if (before !== undefined || moment.subresource !== '' || spec['manualSelector'] === true) return after;
  if (uid === undefined || name === undefined) return after;
  const template = objectAt(spec, 'template');
  const metadata = objectAt(template, 'metadata');
  const own = { 'batch.kubernetes.io/controller-uid': uid };
  const labels = {
    ...objectAt(metadata, 'labels'),
    ...own,
    'batch.kubernetes.io/job-name': name,
    'controller-uid': uid,
    'job-name': name,
  };
  const selector = objectAt(spec, 'selector');
  return {
    ...after,
    spec: {
      ...spec,
      selector: { ...selector, matchLabels: { ...objectAt(selector, 'matchLabels'), ...own } },
      template: { ...template, metadata: { ...metadata, labels } },
    },
  };
}

/** What a Job's template may say, and what never changes. */
export function jobFaults(after: ApiObject, before: ApiObject | undefined, moment: WriteMoment): Faults {
  if (moment.subresource !== '') return [];
  const spec = objectAt(after, 'spec');
  const podSpec = objectAt(objectAt(spec, 'template'), 'spec');
  const faults: StatusCause[] = [...podSpecFaults(podSpec, 'spec.template.spec')];
  const restartPolicy = textAt(podSpec, 'restartPolicy');
  if (restartPolicy !== 'OnFailure' && restartPolicy !== 'Never')
    faults.push({
      reason: 'FieldValueNotSupported',
      field: 'spec.template.spec.restartPolicy',
      message: `Unsupported value: "${restartPolicy}": supported values: "OnFailure", "Never"`,
    });
  if (before === undefined) return faults;
  const then = objectAt(before, 'spec');
  const immutable = [
    'selector',
    'completionMode',
    'podFailurePolicy',
    'successPolicy',
    'backoffLimitPerIndex',
    'managedBy',
  ];
  // A suspended Job that has not started may still be given other places to run.
  if (then['suspend'] !== true) immutable.push('template');
  for (const part of immutable)
    if (!equalJson(spec[part] ?? null, then[part] ?? null))
      faults.push(invalidValue(`spec.${part}`, spec[part], 'field is immutable'));
  return faults;
}
