/** scheduling.k8s.io/v1 PriorityClass (pkg/apis/scheduling/validation): names of the system are reserved, numbers never change. */
import { forbiddenValue, invalidValue, notSupported } from '@polyanthus/kube-objects/field-errors';
import type { StatusCause } from '@polyanthus/kube-objects/status';
import { textAt, withMeta, type ApiObject, type Faults } from '../api-object.ts';
import { bootstrapPriorityClasses } from '../bootstrap/priority-classes.ts';

const userValueMax = 1_000_000_000;
const policies = ['Never', 'PreemptLowerPriority'];

/** The first generation is the last: nothing that counts can change. */
export function preparePriorityClass(after: ApiObject, before: ApiObject | undefined): ApiObject {
  return before === undefined ? withMeta(after, { generation: 1 }) : after;
}

/** Rules of a PriorityClass. */
export function priorityClassFaults(after: ApiObject, before: ApiObject | undefined): Faults {
  const policy = textAt(after, 'preemptionPolicy');
  if (before !== undefined) {
    const faults: StatusCause[] = [];
    if ((after['value'] ?? 0) !== (before['value'] ?? 0))
      faults.push(forbiddenValue('value', 'may not be changed in an update.'));
    if (policy !== textAt(before, 'preemptionPolicy'))
      faults.push(invalidValue('preemptionPolicy', policy, 'field is immutable'));
    return faults;
  }
  const faults: StatusCause[] = [];
  const name = after.metadata.name ?? '';
  const value = typeof after['value'] === 'number' ? after['value'] : 0;
  if (name.startsWith('system-')) {
    const why = whyNotSystem(name, value, after['globalDefault'] === true);
    if (why !== undefined)
      faults.push(
        forbiddenValue(
          'metadata.name',
          `priority class names with 'system-' prefix are reserved for system use only. error: ${why}`,
        ),
      );
  } else if (value > userValueMax)
    faults.push(forbiddenValue('value', `maximum allowed value of a user defined priority is ${userValueMax}`));
  if (policy !== '' && !policies.includes(policy))
    faults.push(notSupported('preemptionPolicy', policy, ['PreemptLowerPriority', 'Never']));
  return faults;
}

function whyNotSystem(name: string, value: number, globalDefault: boolean): string | undefined {
  const known = bootstrapPriorityClasses.find((one) => one.metadata.name === name);
  if (known === undefined) return `${name} is not a known system priority class`;
  if (known['value'] !== value) return `value of ${name} PriorityClass must be ${String(known['value'])}`;
  return globalDefault ? `globalDefault of ${name} PriorityClass must be false` : undefined;
}
