/** Rules of metadata that hold for every kind (apimachinery validation/objectmeta.go, registry/rest create.go and update.go). */
import { forbiddenValue, invalidValue, requiredValue, tooLong } from '@polyanthus/kube-objects/field-errors';
import { dns1123Label, labelValue, qualifiedName, dns1123Subdomain } from '@polyanthus/kube-objects/names';
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import type { StatusCause } from '@polyanthus/kube-objects/status';
import type { ApiMeta, ApiObject, Faults } from './api-object.ts';
import type { ResourceDefinition } from './registry/definition.ts';

const annotationsBytesMax = 256 * 1024;

/** Faults of a new object's metadata. */
export function createFaults(object: ApiObject, definition: ResourceDefinition): Faults {
  const { metadata } = object;
  const faults: StatusCause[] = [];
  const { name = '', generateName = '' } = metadata;
  if (generateName !== '') {
    for (const fault of definition.strategy.nameFaults(generateName, true))
      faults.push(invalidValue('metadata.generateName', generateName, fault));
  }
  if (name === '') faults.push(requiredValue('metadata.name', 'name or generateName is required'));
  else
    for (const fault of definition.strategy.nameFaults(name, false))
      faults.push(invalidValue('metadata.name', name, fault));
  faults.push(...namespaceFaults(metadata, definition));
  return [...faults, ...commonFaults(metadata), ...(definition.custom ? [] : finalizerFaults(metadata))];
}

const standardFinalizers: ReadonlySet<string> = new Set(['orphan', 'foregroundDeletion', 'kubernetes']);

/** Built-in kinds take only standard finalizers and those with a domain. */
function finalizerFaults({ finalizers = [] }: ApiMeta): Faults {
  return finalizers.flatMap((one, index) =>
    one.includes('/') || standardFinalizers.has(one)
      ? []
      : [
          invalidValue(
            `metadata.finalizers[${index}]`,
            one,
            'name is neither a standard finalizer name nor is it fully qualified',
          ),
        ],
  );
}

function namespaceFaults({ namespace = '' }: ApiMeta, { type }: ResourceDefinition): Faults {
  if (!type.namespaced)
    return namespace === '' ? [] : [forbiddenValue('metadata.namespace', 'not allowed on this type')];
  if (namespace === '') return [requiredValue('metadata.namespace')];
  return dns1123Label(namespace).map((fault) => invalidValue('metadata.namespace', namespace, fault));
}

function commonFaults(metadata: ApiMeta): Faults {
  const faults: StatusCause[] = [];
  for (const [key, value] of Object.entries(metadata.labels ?? {})) {
    for (const fault of qualifiedName(key)) faults.push(invalidValue('metadata.labels', key, fault));
    for (const fault of labelValue(value)) faults.push(invalidValue('metadata.labels', value, fault));
  }
  let size = 0;
  for (const [key, value] of Object.entries(metadata.annotations ?? {})) {
    for (const fault of qualifiedName(key.toLowerCase())) faults.push(invalidValue('metadata.annotations', key, fault));
    size += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (size > annotationsBytesMax) faults.push(tooLong('metadata.annotations', annotationsBytesMax));
  (metadata.ownerReferences ?? []).forEach((owner, index) =>
    faults.push(...ownerFaults(owner, `metadata.ownerReferences[${index}]`)),
  );
  const controllers = (metadata.ownerReferences ?? []).filter((owner) => owner['controller'] === true);
  if (controllers.length > 1) {
    const names = controllers.map((owner) => `${String(owner['kind'])}/${String(owner['name'])}`);
    faults.push(
      invalidValue(
        'metadata.ownerReferences',
        (metadata.ownerReferences ?? []) as JsonValue,
        `Only one reference can have Controller set to true. Found "true" in references for ${names.join(' and ')}`,
      ),
    );
  }
  for (const finalizer of metadata.finalizers ?? [])
    for (const fault of qualifiedName(finalizer)) faults.push(invalidValue('metadata.finalizers', finalizer, fault));
  return faults;
}

function ownerFaults(owner: JsonObject, path: string): Faults {
  const faults: StatusCause[] = [];
  const text = (key: string): string => (typeof owner[key] === 'string' ? (owner[key] as string) : '');
  const version = text('apiVersion').split('/').at(-1) ?? '';
  if (version === '') faults.push(invalidValue(`${path}.apiVersion`, text('apiVersion'), 'version must not be empty'));
  for (const key of ['kind', 'name', 'uid'] as const)
    if (text(key) === '') faults.push(invalidValue(`${path}.${key}`, '', 'must not be empty'));
  return faults;
}

/** The new object's metadata with what the server alone decides taken from the stored one. */
export function carryMeta(after: ApiMeta, before: ApiMeta): ApiMeta {
  const carried: Record<string, unknown> = { ...after };
  const keep = (key: keyof ApiMeta & string, only = false): void => {
    if (only && after[key] !== undefined && after[key] !== null && after[key] !== '') return;
    if (before[key] === undefined) delete carried[key];
    else carried[key] = before[key];
  };
  for (const key of ['uid', 'creationTimestamp', 'name', 'namespace'] as const) keep(key, true);
  for (const key of ['deletionTimestamp', 'deletionGracePeriodSeconds'] as const) keep(key, true);
  keep('generation');
  keep('generateName', true);
  delete carried['selfLink'];
  return carried as ApiMeta;
}

const immutable = [
  'name',
  'namespace',
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
] as const;

/** Faults of an update's metadata. */
export function updateFaults(after: ApiMeta, before: ApiMeta): Faults {
  const faults: StatusCause[] = [];
  for (const key of immutable) {
    if ((after[key] ?? '') !== (before[key] ?? ''))
      faults.push(invalidValue(`metadata.${key}`, (after[key] ?? '') as JsonValue, 'field is immutable'));
  }
  if (before.deletionTimestamp !== undefined) {
    const had = new Set(before.finalizers ?? []);
    const fresh = (after.finalizers ?? []).filter((finalizer) => !had.has(finalizer));
    if (fresh.length > 0) {
      const shown = fresh.map((one) => JSON.stringify(one)).join(', ');
      faults.push(
        forbiddenValue(
          'metadata.finalizers',
          `no new finalizers can be added if the object is being deleted, found new finalizers []string{${shown}}`,
        ),
      );
    }
  }
  return [...faults, ...commonFaults(after)];
}

/** The default name rule; a generateName may end in a dash. */
export function subdomainName(name: string, prefix: boolean): readonly string[] {
  return dns1123Subdomain(prefix && name.endsWith('-') ? `${name.slice(0, -1)}a` : name);
}

/** The rule of names that become host names' labels. */
export function labelName(name: string, prefix: boolean): readonly string[] {
  return dns1123Label(prefix && name.endsWith('-') ? `${name.slice(0, -1)}a` : name);
}
