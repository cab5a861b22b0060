/** batch/v1 Job. */
import { objectAt, type ApiObject } from '../api-object.ts';

/** `status.successful` counts as 0 when absent. */
export function jobFields(object: ApiObject): Readonly<Record<string, string>> {
  const succeeded = objectAt(object, 'status')['succeeded'];
  return { 'status.successful': String(typeof succeeded === 'number' ? succeeded : 0) };
}
