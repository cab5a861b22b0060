/** What the server fills into a CustomResourceDefinition: names, conversion, the versions that objects are stored in. */
import { listAt, objectAt, textAt, type ApiObject } from '../api-object.ts';
import type { WriteMoment } from '../registry/strategy.ts';

/** The finalizer that keeps a deleted CRD until its objects are gone. */
export const cleanupFinalizer = 'customresourcecleanup.apiextensions.k8s.io';

export function prepareCrd(after: ApiObject, before: ApiObject | undefined, moment: WriteMoment): ApiObject {
  if (moment.subresource === 'status') return after;
  const spec = objectAt(after, 'spec');
  const names = objectAt(spec, 'names');
  const kind = textAt(names, 'kind');
  const filled: ApiObject = {
    ...after,
    spec: {
      ...spec,
      names: {
        ...names,
        ...(textAt(names, 'singular') === '' ? { singular: kind.toLowerCase() } : {}),
        ...(textAt(names, 'listKind') === '' ? { listKind: `${kind}List` } : {}),
      },
      conversion: spec['conversion'] ?? { strategy: 'None' },
    },
  };
  const storage = listAt(spec, 'versions').find((version) => version['storage'] === true);
  const status = before === undefined ? {} : objectAt(before, 'status');
  const had = Array.isArray(status['storedVersions']) ? (status['storedVersions'] as string[]) : [];
  const name = storage === undefined ? '' : textAt(storage, 'name');
  const storedVersions = name === '' || had.includes(name) ? had : [...had, name];
  return {
    ...filled,
    status: {
      ...(before === undefined ? { conditions: [], acceptedNames: { plural: '', kind: '' } } : status),
      storedVersions,
    },
  };
}
