/** Label selectors inside of webhooks (apimachinery pkg/apis/meta/v1/validation). */
import { forbiddenValue, invalidValue, requiredValue } from '@polyanthus/kube-objects/field-errors';
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import { labelValue, qualifiedName } from '@polyanthus/kube-objects/names';
import type { StatusCause } from '@polyanthus/kube-objects/status';
import { listAt, objectAt, textAt, type Faults } from '../api-object.ts';
import { strings } from './webhook-rules.ts';

/** Faults of a selector; `lenient` lets values pass that are no label values. */
export function selectorFaults(selector: JsonValue | undefined, path: string, lenient: boolean): Faults {
  const faults: StatusCause[] = [];
  const whole = { selector } as JsonObject;
  for (const [key, value] of Object.entries(objectAt(objectAt(whole, 'selector'), 'matchLabels'))) {
    for (const text of qualifiedName(key)) faults.push(invalidValue(`${path}.matchLabels`, key, text));
    for (const text of labelValue(String(value))) faults.push(invalidValue(`${path}.matchLabels`, value, text));
  }
  listAt(objectAt(whole, 'selector'), 'matchExpressions').forEach((one, index) =>
    faults.push(...requirementFaults(one, `${path}.matchExpressions[${index}]`, lenient)),
  );
  return faults;
}

/** Whether a stored selector would not be accepted today. */
export function selectorIsInvalid(selector: JsonValue | undefined): boolean {
  return selectorFaults(selector, '', false).length > 0;
}

function requirementFaults(one: JsonObject, path: string, lenient: boolean): Faults {
  const [operator, values, key] = [textAt(one, 'operator'), strings(one['values']), textAt(one, 'key')];
  const faults: StatusCause[] = [];
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0)
      faults.push(requiredValue(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length > 0)
      faults.push(
        forbiddenValue(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
      );
  } else faults.push(invalidValue(`${path}.operator`, operator, 'not a valid selector operator'));
  for (const text of qualifiedName(key)) faults.push(invalidValue(`${path}.key`, key, text));
  if (lenient) return faults;
  values.forEach((value, index) => {
    for (const text of labelValue(value)) faults.push(invalidValue(`${path}.values[${index}]`, value, text));
  });
  return faults;
}
