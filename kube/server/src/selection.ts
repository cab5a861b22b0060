/** Label and field selectors of lists and watches, checked against what the kind can select by. */
import {
  parseFieldSelector,
  parseLabelSelector,
  type FieldSelectorMatcher,
  type LabelSelectorMatcher,
} from '@polyanthus/kube-objects/selectors';
import { statusError } from '@polyanthus/kube-objects/status';
import type { ObjectIndex } from './store/store.ts';
import type { Scope } from './scope.ts';

export interface Selection {
  readonly labels: LabelSelectorMatcher;
  readonly fields: FieldSelectorMatcher;
  /** Whether every object matches. */
  readonly everything: boolean;
  matches(index: ObjectIndex): boolean;
}

/** Reads `?labelSelector` and `?fieldSelector`; a name in the URL of a list or watch selects it. Throws BadRequest. */
export function selectionOf(scope: Scope): Selection {
  const { query, definition, name } = scope;
  const labels = parse(() => parseLabelSelector(query.get('labelSelector') ?? ''));
  const fields = parse(() => parseFieldSelector(query.get('fieldSelector') ?? ''));
  const known = new Set(['metadata.name', ...definition.selectableFields]);
  if (definition.type.namespaced) known.add('metadata.namespace');
  for (const { field } of fields.requirements) {
    if (known.has(field)) continue;
    const special = definition.custom || definition.selectableFields.length > 0;
    const only = definition.type.namespaced ? '"metadata.name", "metadata.namespace"' : '"metadata.name"';
    throw statusError(
      'BadRequest',
      special
        ? `field label not supported: ${field}`
        : `${JSON.stringify(field)} is not a known field selector: only ${only}`,
    );
  }
  if (name !== '') {
    const named = fields.requirements.find(({ field }) => field === 'metadata.name');
    if (named !== undefined && named.value !== name)
      throw statusError('BadRequest', "fieldSelector metadata.name doesn't match requested name");
  }
  const everything = labels.requirements.length === 0 && fields.requirements.length === 0 && name === '';
  return {
    labels,
    fields,
    everything,
    matches: (index) =>
      everything ||
      ((name === '' || index.fields?.['metadata.name'] === name) &&
        labels.matches(index.labels) &&
        fields.matches(index.fields ?? {})),
  };
}

function parse<T>(fn: () => T): T {
  try {
    return fn();
  } catch (error) {
    throw statusError('BadRequest', error instanceof Error ? error.message : String(error));
  }
}
