/** core/v1 Secret and ConfigMap. */
import { equalJson } from '@polyanthus/kube-objects/json-value';
import { forbiddenValue, invalidValue } from '@polyanthus/kube-objects/field-errors';
import { configMapKey } from '@polyanthus/kube-objects/names';
import { statusError, type StatusCause } from '@polyanthus/kube-objects/status';
import { objectAt, type ApiObject, type Faults } from '../api-object.ts';

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Throws BadRequest for values that are not base64, with the place where Go's decoder stops. */
function requireBase64(secret: ApiObject): void {
  for (const value of Object.values(objectAt(secret, 'data'))) {
    if (typeof value !== 'string' || base64.test(value)) continue;
    const at = /[^A-Za-z0-9+/]/.exec(value)?.index ?? value.length - (value.length % 4);
    throw statusError(
      'BadRequest',
      `Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte ${at}`,
    );
  }
}

/** stringData is written into data, base64; the type is Opaque unless said. */
export function prepareSecret(after: ApiObject): ApiObject {
  requireBase64(after);
  const { stringData, ...rest } = after;
  const typed = { ...rest, type: rest['type'] === undefined || rest['type'] === '' ? 'Opaque' : rest['type'] };
  if (stringData === undefined) return typed as ApiObject;
  const data: Record<string, string> = { ...(objectAt(after, 'data') as Record<string, string>) };
  for (const [key, value] of Object.entries(objectAt(after, 'stringData')))
    data[key] = Buffer.from(String(value)).toString('base64');
  return { ...typed, data } as ApiObject;
}

/** Keys, and what an immutable Secret or ConfigMap forbids. */
export function configFaults(after: ApiObject, before: ApiObject | undefined): Faults {
  const faults: StatusCause[] = [];
  for (const part of ['data', 'binaryData'])
    for (const key of Object.keys(objectAt(after, part)))
      for (const fault of configMapKey(key)) faults.push(invalidValue(`${part}[${key}]`, key, fault));
  if (before === undefined) return faults;
  if (after.kind === 'Secret' && after['type'] !== before['type'])
    faults.push(invalidValue('type', after['type'], 'field is immutable'));
  if (before['immutable'] === true) {
    if (after['immutable'] !== true)
      faults.push(forbiddenValue('immutable', 'field is immutable when `immutable` is set'));
    for (const part of ['data', 'binaryData'])
      if (!equalJson(after[part], before[part]))
        faults.push(forbiddenValue(part, 'field is immutable when `immutable` is set'));
  }
  return faults;
}
