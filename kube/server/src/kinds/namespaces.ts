/** core/v1 Namespace: the finalizer `kubernetes` in its spec, its phase. */
import { objectAt, type ApiObject } from '../api-object.ts';
import type { WriteMoment } from '../registry/strategy.ts';

/** New namespaces are Active and hold the finalizer that the namespace controller removes. */
export function prepareNamespace(after: ApiObject, before: ApiObject | undefined, moment: WriteMoment): ApiObject {
  if (before === undefined) {
    const given = objectAt(after, 'spec')['finalizers'];
    const finalizers = Array.isArray(given) ? (given as string[]) : [];
    const all = finalizers.includes('kubernetes') ? finalizers : [...finalizers, 'kubernetes'];
    const name = after.metadata.name ?? '';
    return {
      ...after,
      metadata: { ...after.metadata, labels: { ...after.metadata.labels, 'kubernetes.io/metadata.name': name } },
      spec: { ...objectAt(after, 'spec'), finalizers: all },
      status: { phase: 'Active' },
    };
  }
  const name = after.metadata.name ?? '';
  const labelled: ApiObject = {
    ...after,
    metadata: { ...after.metadata, labels: { ...after.metadata.labels, 'kubernetes.io/metadata.name': name } },
  };
  // Only the finalize subresource changes spec.finalizers.
  if (moment.subresource === 'finalize' || before['spec'] === undefined) return labelled;
  return { ...labelled, spec: { ...objectAt(after, 'spec'), ...objectAt(before, 'spec') } };
}
