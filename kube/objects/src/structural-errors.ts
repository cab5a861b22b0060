/** Whether a CRD's schema is structural (apiextensions schema/validation.go, complete.go), with kube-apiserver's words. */
import { forbiddenValue, invalidValue, requiredValue } from './field-errors.ts';
import { equalJson, isList, isObject, member } from './json-value.ts';
import type { JsonObject, JsonValue } from './meta.ts';
import type { StatusCause } from './status.ts';

type Level = 'root' | 'item' | 'field';

const objects = (value: JsonValue | undefined): readonly JsonObject[] => (isList(value) ? value.filter(isObject) : []);
const child = (node: JsonObject, key: string): JsonObject | undefined => {
  const value = member(node, key);
  return isObject(value) ? value : undefined;
};
const propertiesOf = (node: JsonObject): readonly (readonly [string, JsonObject])[] =>
  Object.entries(child(node, 'properties') ?? {}).flatMap(([key, value]) =>
    isObject(value) ? [[key, value] as const] : [],
  );

const intOrStringAnyOf: JsonValue = [{ type: 'integer' }, { type: 'string' }];

/** `additionalProperties` when it is a schema. */
const additionalOf = (node: JsonObject): JsonObject | undefined => child(node, 'additionalProperties');
const hasAdditional = (node: JsonObject): boolean => {
  const value = member(node, 'additionalProperties');
  return isObject(value) || value === true;
};

const emptyTypeWords: Readonly<Record<Level, string>> = {
  root: 'must not be empty at the root',
  item: 'must not be empty for specified array items',
  field: 'must not be empty for specified object fields',
};

function typeErrors(node: JsonObject, level: Level, path: string): StatusCause[] {
  const type = member(node, 'type') ?? '';
  const at = `${path}.type`;
  const embedded = member(node, 'x-kubernetes-embedded-resource') === true;
  if (embedded && type !== 'object') {
    const words = 'must be object if x-kubernetes-embedded-resource is true';
    return [type === '' ? requiredValue(at, words) : invalidValue(at, type, words)];
  }
  const free = ['x-kubernetes-int-or-string', 'x-kubernetes-preserve-unknown-fields'].some(
    (key) => member(node, key) === true,
  );
  if (type === '') return free ? [] : [requiredValue(at, emptyTypeWords[level])];
  return level === 'root' && type !== 'object' ? [invalidValue(at, type, 'must be object at the root')] : [];
}

function extensionErrors(node: JsonObject, path: string): StatusCause[] {
  if (member(node, 'x-kubernetes-int-or-string') !== true) return [];
  return ['x-kubernetes-preserve-unknown-fields', 'x-kubernetes-embedded-resource']
    .filter((key) => member(node, key) === true)
    .map((key) => invalidValue(`${path}.${key}`, true, 'must be false if x-kubernetes-int-or-string is true'));
}

function embeddedErrors(node: JsonObject, path: string): StatusCause[] {
  if (member(node, 'x-kubernetes-embedded-resource') !== true) return [];
  const errors: StatusCause[] = [];
  if (hasAdditional(node)) {
    errors.push(
      forbiddenValue(`${path}.additionalProperties`, 'must not be used if x-kubernetes-embedded-resource is set'),
    );
  }
  if (member(node, 'x-kubernetes-preserve-unknown-fields') !== true && propertiesOf(node).length === 0) {
    const words =
      'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields';
    errors.push(requiredValue(`${path}.properties`, words));
  }
  return errors;
}

/** Of metadata only name and generateName may be restricted, and only at the root. */
function metadataErrors(node: JsonObject, level: Level, path: string): StatusCause[] {
  if (level !== 'root' && member(node, 'x-kubernetes-embedded-resource') !== true) return [];
  const errors: StatusCause[] = [];
  for (const key of ['kind', 'apiVersion']) {
    const property = child(child(node, 'properties') ?? {}, key);
    const type = property === undefined ? 'string' : (member(property, 'type') ?? '');
    if (type !== 'string') errors.push(invalidValue(`${path}.properties[${key}].type`, type, 'must be string'));
  }
  const metadata = child(child(node, 'properties') ?? {}, 'metadata');
  if (metadata === undefined) return errors;
  const at = `${path}.properties[metadata]`;
  const type = member(metadata, 'type') ?? '';
  if (type !== 'object') errors.push(invalidValue(`${at}.type`, type, 'must be object'));
  const foreign =
    propertiesOf(metadata).some(([key]) => key !== 'name' && key !== 'generateName') ||
    Object.keys(metadata).some((key) => !['type', 'properties', 'description', 'default'].includes(key));
  if (level === 'root' && foreign) {
    const words = 'must not specify anything other than name and generateName, but metadata is implicitly specified';
    errors.push(forbiddenValue(at, words));
  }
  return errors;
}

const forbiddenInside: readonly (readonly [string, string])[] = [
  ['type', 'must be empty to be structural'],
  ['additionalProperties', 'must be undefined to be structural'],
  ['default', 'must be undefined to be structural'],
  ['title', 'must be empty to be structural'],
  ['description', 'must be empty to be structural'],
  ['nullable', 'must be false to be structural'],
  ['x-kubernetes-preserve-unknown-fields', 'must be false to be structural'],
  ['x-kubernetes-embedded-resource', 'must be false to be structural'],
  ['x-kubernetes-int-or-string', 'must be false to be structural'],
  ['x-kubernetes-list-map-keys', 'must be empty to be structural'],
  ['x-kubernetes-list-type', 'must be undefined to be structural'],
  ['x-kubernetes-map-type', 'must be undefined to be structural'],
  ['x-kubernetes-validations', 'must be empty to be structural'],
];

/** Parts of a node that stand under a logical junctor, with their paths. */
function junctors(node: JsonObject, path: string, intOrString: boolean): [JsonObject, string][] {
  const parts: [JsonObject, string][] = [];
  const skipAnyOf = intOrString && equalJson(member(node, 'anyOf'), intOrStringAnyOf);
  for (const key of ['anyOf', 'allOf', 'oneOf']) {
    if (key === 'anyOf' && skipAnyOf) continue;
    objects(member(node, key)).forEach((part, index) => parts.push([part, `${path}.${key}[${index}]`]));
  }
  const not = child(node, 'not');
  if (not !== undefined) parts.push([not, `${path}.not`]);
  return parts;
}

/** The first `allOf` of an int-or-string may hold the `anyOf` of both types. */
function nestedErrors(node: JsonObject, path: string, first: boolean): StatusCause[] {
  const errors: StatusCause[] = [];
  for (const [part, at] of junctors(node, path, first)) errors.push(...nestedErrors(part, at, false));
  const items = child(node, 'items');
  if (items !== undefined) errors.push(...nestedErrors(items, `${path}.items`, false));
  for (const [key, property] of propertiesOf(node)) {
    errors.push(...nestedErrors(property, `${path}.properties[${key}]`, false));
  }
  for (const [key, words] of forbiddenInside) {
    const value = member(node, key);
    const unset =
      value === undefined || value === null || value === '' || value === false || (isList(value) && value.length === 0);
    if (!unset) errors.push(forbiddenValue(`${path}.${key}`, words));
  }
  if (child(child(node, 'properties') ?? {}, 'metadata') !== undefined) {
    errors.push(forbiddenValue(`${path}.properties[metadata]`, 'must not be specified in a nested context'));
  }
  return errors;
}

/** What a value validation names must also be specified outside of it. */
function completenessErrors(part: JsonObject, whole: JsonObject | undefined, at: string, path: string): StatusCause[] {
  const errors: StatusCause[] = [];
  if (whole === undefined) return [requiredValue(at, `because it is defined in ${path}`)];
  const items = child(part, 'items');
  if (items !== undefined)
    errors.push(...completenessErrors(items, child(whole, 'items'), `${at}.items`, `${path}.items`));
  for (const [key, property] of propertiesOf(part)) {
    const outside = child(child(whole, 'properties') ?? {}, key);
    errors.push(...completenessErrors(property, outside, `${at}.properties[${key}]`, `${path}.properties[${key}]`));
  }
  for (const [inner, innerPath] of junctors(part, path, false))
    errors.push(...completenessErrors(inner, whole, at, innerPath));
  return errors;
}

function nodeErrors(node: JsonObject, level: Level, path: string): StatusCause[] {
  const errors: StatusCause[] = [];
  const items = child(node, 'items');
  if (member(node, 'type') === 'array' && items === undefined)
    errors.push(requiredValue(`${path}.items`, 'must be specified'));
  if (items !== undefined) errors.push(...nodeErrors(items, 'item', `${path}.items`));
  for (const [key, property] of propertiesOf(node))
    errors.push(...nodeErrors(property, 'field', `${path}.properties[${key}]`));
  if (hasAdditional(node) && level === 'root') {
    errors.push(forbiddenValue(`${path}.additionalProperties`, 'must not be used at the root'));
  }
  const additional = additionalOf(node);
  if (additional !== undefined) errors.push(...nodeErrors(additional, 'field', `${path}.additionalProperties`));
  errors.push(...extensionErrors(node, path));
  const intOrString = member(node, 'x-kubernetes-int-or-string') === true;
  for (const [part, at] of junctors(node, path, intOrString)) {
    errors.push(...nestedErrors(part, at, intOrString && at === `${path}.allOf[0]`));
    // kube-apiserver looks at what stands under the root's own junctors only.
    if (level === 'root') errors.push(...completenessErrors(part, node, path, at));
  }
  errors.push(...typeErrors(node, level, path), ...metadataErrors(node, level, path), ...embeddedErrors(node, path));
  return errors;
}

/** What makes a CRD's schema not structural, sorted; none means it is. `path` is the schema's field in the CRD. */
export function structuralErrors(json: unknown, path: string): StatusCause[] {
  const node = json as JsonValue | undefined;
  if (!isObject(node)) return [requiredValue(path, 'schemas are required')];
  const text = (cause: StatusCause): string => `${cause.field}: ${cause.message}`;
  return nodeErrors(node, 'root', path).toSorted((a, b) => (text(a) < text(b) ? -1 : 1));
}
