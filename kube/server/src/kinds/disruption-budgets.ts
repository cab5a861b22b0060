/** policy/v1 PodDisruptionBudget (pkg/apis/policy/validation). */
import { invalidValue, notSupported } from '@polyanthus/kube-objects/field-errors';
import type { JsonValue } from '@polyanthus/kube-objects/meta';
import type { StatusCause } from '@polyanthus/kube-objects/status';
import { objectAt, textAt, type ApiObject, type Faults } from '../api-object.ts';
import type { WriteMoment } from '../registry/strategy.ts';

const policies = ['AlwaysAllow', 'IfHealthyBudget'];
const percent = /^\d+%$/;
const percentRule =
  "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
const notNegative = 'must be greater than or equal to 0';

const nothing = { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 };

/** A new budget has counted nothing. */
export function prepareBudget(after: ApiObject, before: ApiObject | undefined): ApiObject {
  return before === undefined ? { ...after, status: nothing } : after;
}

/** Rules of a budget, and of its status. */
export function disruptionBudgetFaults(after: ApiObject, _before: ApiObject | undefined, moment: WriteMoment): Faults {
  return moment.subresource === 'status' ? statusFaults(after) : specFaults(after);
}

function specFaults(after: ApiObject): Faults {
  const spec = objectAt(after, 'spec');
  const { minAvailable, maxUnavailable, selector } = spec;
  const policy = textAt(spec, 'unhealthyPodEvictionPolicy');
  const faults: StatusCause[] = [];
  if (minAvailable !== undefined && maxUnavailable !== undefined)
    faults.push(
      invalidValue(
        'spec',
        // As Go prints its own struct.
        {
          MinAvailable: minAvailable,
          Selector: selector ?? null,
          MaxUnavailable: maxUnavailable,
          UnhealthyPodEvictionPolicy: policy === '' ? null : policy,
        },
        'minAvailable and maxUnavailable cannot be both set',
      ),
    );
  faults.push(
    ...amountFaults('spec.minAvailable', minAvailable),
    ...amountFaults('spec.maxUnavailable', maxUnavailable),
  );
  if (policy !== '' && !policies.includes(policy))
    faults.push(notSupported('spec.unhealthyPodEvictionPolicy', policy, policies));
  return faults;
}

function amountFaults(field: string, amount: JsonValue | undefined): Faults {
  if (typeof amount === 'number') return amount < 0 ? [invalidValue(field, amount, notNegative)] : [];
  if (typeof amount !== 'string') return [];
  if (!percent.test(amount)) return [invalidValue(field, amount, percentRule)];
  return Number(amount.slice(0, -1)) > 100 ? [invalidValue(field, amount, 'must not be greater than 100%')] : [];
}

function statusFaults(after: ApiObject): Faults {
  const status = objectAt(after, 'status');
  return ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'].flatMap((key) => {
    const value = status[key];
    return typeof value === 'number' && value < 0 ? [invalidValue(`status.${key}`, value, notNegative)] : [];
  });
}
