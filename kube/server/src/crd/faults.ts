/** Rules of CustomResourceDefinitions (apiextensions validation), in the order that kube-apiserver reports them. */
import { equalJson } from '@polyanthus/kube-objects/json-value';
import { forbiddenValue, invalidValue, notSupported, requiredValue } from '@polyanthus/kube-objects/field-errors';
import { dns1035Label, dns1123Subdomain } from '@polyanthus/kube-objects/names';
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import type { StatusCause } from '@polyanthus/kube-objects/status';
import { structuralErrors } from '@polyanthus/kube-objects/structural-errors';
import { listAt, objectAt, textAt, type ApiObject, type Faults } from '../api-object.ts';
import type { WriteMoment } from '../registry/strategy.ts';
import { expressionFaults, patternFaults, rulesIn } from './patterns.ts';

const approval = 'api-approved.kubernetes.io';
const isProtected = (group: string): boolean => /(^|\.)(k8s|kubernetes)\.io$/.test(group);

export function crdFaults(after: ApiObject, before: ApiObject | undefined, moment: WriteMoment): Faults {
  if (moment.subresource === 'status') return [];
  const spec = objectAt(after, 'spec');
  const group = textAt(spec, 'group');
  const names = objectAt(spec, 'names');
  const faults: StatusCause[] = [];
  const wanted = `${textAt(names, 'plural')}.${group}`;
  if (after.metadata.name !== wanted)
    faults.push(invalidValue('metadata.name', after.metadata.name ?? '', 'must be spec.names.plural+"."+spec.group'));
  if (isProtected(group) && objectAt(after.metadata, 'annotations')[approval] === undefined)
    faults.push(
      requiredValue(
        `metadata.annotations[${approval}]`,
        `protected groups must have approval annotation "${approval}", see https://github.com/kubernetes/enhancements/pull/1111`,
      ),
    );
  if (group === '') faults.push(requiredValue('spec.group'));
  else for (const fault of dns1123Subdomain(group)) faults.push(invalidValue('spec.group', group, fault));
  if (group !== '' && dns1123Subdomain(group).length === 0 && !group.includes('.'))
    faults.push(invalidValue('spec.group', group, 'should be a domain with at least one dot'));
  const scope = textAt(spec, 'scope');
  if (scope !== 'Cluster' && scope !== 'Namespaced')
    faults.push(
      scope === '' ? requiredValue('spec.scope') : notSupported('spec.scope', scope, ['Cluster', 'Namespaced']),
    );
  faults.push(...versionsFaults(spec, knownRules(before)), ...namesFaults(names), ...changeFaults(after, before));
  return faults;
}

/** Rules that the kind has: a copy of another cluster may have some that would not be taken here. */
function knownRules(before: ApiObject | undefined): ReadonlySet<string> {
  if (before === undefined) return new Set();
  const versions = listAt(objectAt(before, 'spec'), 'versions');
  return new Set(versions.flatMap((version) => rulesIn(objectAt(version, 'schema')['openAPIV3Schema'])));
}

function versionsFaults(spec: JsonObject, known: ReadonlySet<string>): Faults {
  const faults: StatusCause[] = [];
  const versions = listAt(spec, 'versions');
  versions.forEach((version, index) => {
    const path = `spec.versions[${index}]`;
    for (const fault of dns1035Label(textAt(version, 'name')))
      faults.push(invalidValue(`${path}.name`, textAt(version, 'name'), fault));
    const schema = objectAt(version, 'schema')['openAPIV3Schema'];
    const at = versions.length === 1 ? 'spec.validation.openAPIV3Schema' : `${path}.schema.openAPIV3Schema`;
    if (schema === undefined) faults.push(requiredValue(`${path}.schema.openAPIV3Schema`));
    else
      faults.push(
        ...structuralErrors(schema, at),
        ...patternFaults(schema, at),
        ...expressionFaults(schema, at, known),
      );
  });
  const stored = versions.filter((version) => version['storage'] === true);
  if (stored.length !== 1)
    faults.push(
      invalidValue('spec.versions', [...versions], 'must have exactly one version marked as storage version'),
    );
  return [...faults, ...selectableFaults(versions)];
}

/** Selectable fields must be in the schema. */
function selectableFaults(versions: readonly JsonObject[]): Faults {
  return versions.flatMap((version, index) => {
    const path = versions.length === 1 ? 'spec.selectableFields' : `spec.versions[${index}].selectableFields`;
    const schema = objectAt(version, 'schema')['openAPIV3Schema'];
    const fields = listAt(version, 'selectableFields');
    if (schema === undefined)
      return fields.length === 0 ? [] : [invalidValue(path, '', 'may only be set when validations.schema is included')];
    return fields.flatMap((field, at) => {
      const jsonPath = textAt(field, 'jsonPath');
      if (leadsSomewhere(schema as JsonObject, jsonPath)) return [];
      const why = 'is an invalid path: does not refer to a valid field';
      return [invalidValue(`${path}[${at}].jsonPath`, jsonPath, why)];
    });
  });
}

function leadsSomewhere(schema: JsonObject, jsonPath: string): boolean {
  let node: JsonObject = schema;
  for (const part of jsonPath.split('.').filter((one) => one !== '')) {
    const next = objectAt(node, 'properties')[part];
    if (next === undefined) return false;
    node = next as JsonObject;
  }
  return node !== schema;
}

function namesFaults(names: JsonObject): Faults {
  const faults: StatusCause[] = [];
  for (const key of ['plural', 'singular', 'kind', 'listKind']) {
    const value = textAt(names, key);
    const label = key === 'kind' || key === 'listKind' ? value.toLowerCase() : value;
    if (value === '') faults.push(requiredValue(`spec.names.${key}`));
    else for (const fault of dns1035Label(label)) faults.push(invalidValue(`spec.names.${key}`, value, fault));
  }
  if (textAt(names, 'kind') !== '' && textAt(names, 'kind') === textAt(names, 'listKind'))
    faults.push(
      invalidValue('spec.names.listKind', textAt(names, 'listKind'), 'kind and listKind may not be the same'),
    );
  return faults;
}

/** What must not change once the names are accepted, and the storage version that objects are in. */
function changeFaults(after: ApiObject, before: ApiObject | undefined): Faults {
  if (before === undefined) return [];
  const faults: StatusCause[] = [];
  const [now, then] = [objectAt(after, 'spec'), objectAt(before, 'spec')];
  for (const key of ['group', 'scope'])
    if (!equalJson(now[key], then[key])) faults.push(invalidValue(`spec.${key}`, now[key], 'field is immutable'));
  const plural = textAt(objectAt(now, 'names'), 'plural');
  if (plural !== textAt(objectAt(then, 'names'), 'plural'))
    faults.push(invalidValue('spec.names.plural', plural, 'field is immutable'));
  const stored = objectAt(before, 'status')['storedVersions'];
  const known = new Set(listAt(now, 'versions').map((version) => textAt(version, 'name')));
  (Array.isArray(stored) ? (stored as string[]) : []).forEach((version, index) => {
    if (!known.has(version))
      faults.push(
        invalidValue(
          `status.storedVersions[${index}]`,
          version,
          `missing from spec.versions; ${version} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${version} and removes ${version} from status.storedVersions`,
        ),
      );
  });
  return faults;
}

/** Only strategy None is served: objects change their apiVersion and nothing else. */
export function conversionFaults(after: ApiObject): Faults {
  const strategy = textAt(objectAt(objectAt(after, 'spec'), 'conversion'), 'strategy');
  return strategy === 'Webhook'
    ? [forbiddenValue('spec.conversion.strategy', 'this server converts with strategy None only')]
    : [];
}
