/** metadata.managedFields read and written: one entry for each manager, operation, version and subresource. */
import { FieldSet } from './field-set.ts';
import { isList, isObject, member } from './json-value.ts';
import type { JsonObject, JsonValue } from './meta.ts';

export interface Manager {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  readonly subresource: string;
  /** RFC 3339; absent when its write changed nothing. */
  readonly time: string | undefined;
  readonly fields: FieldSet;
}

/** Managers by identity. */
export type Managers = ReadonlyMap<string, Manager>;

/** Who it is: the version counts only for updates. */
export function identity(manager: Omit<Manager, 'fields' | 'time'>): string {
  const { operation, subresource } = manager;
  return JSON.stringify([manager.manager, operation, operation === 'Apply' ? '' : manager.apiVersion, subresource]);
}

const text = (value: JsonValue | undefined): string => (typeof value === 'string' ? value : '');

function readEntry(entry: JsonObject): Manager {
  const operation = member(entry, 'operation');
  if (operation !== 'Apply' && operation !== 'Update') throw new Error('operation must be `Apply` or `Update`');
  if (text(member(entry, 'apiVersion')) === '') throw new Error('apiVersion must not be empty');
  if (member(entry, 'fieldsType') !== 'FieldsV1')
    throw new Error(`invalid fieldsType ${JSON.stringify(text(member(entry, 'fieldsType')))}`);
  const fields = member(entry, 'fieldsV1');
  const time = member(entry, 'time');
  return {
    manager: text(member(entry, 'manager')),
    operation,
    apiVersion: text(member(entry, 'apiVersion')),
    subresource: text(member(entry, 'subresource')),
    time: typeof time === 'string' ? time : undefined,
    fields: FieldSet.fromFieldsV1(isObject(fields) ? fields : {}),
  };
}

export function managedFieldsOf(object: JsonObject | undefined): readonly JsonObject[] | undefined {
  const metadata = object === undefined ? undefined : member(object, 'metadata');
  const entries = isObject(metadata) ? member(metadata, 'managedFields') : undefined;
  return isList(entries) ? entries.filter(isObject) : undefined;
}

/** Throws Error when an entry is not well formed. */
export function readManagers(entries: readonly JsonObject[] | undefined): Managers {
  return new Map((entries ?? []).map(readEntry).map((manager) => [identity(manager), manager]));
}

function compareEntries(a: Manager, b: Manager): number {
  const seconds = (manager: Manager): string =>
    String(Math.trunc(Date.parse(manager.time ?? '1970-01-01T00:00:00Z') / 1000)).padStart(12, '0');
  const keys = (manager: Manager): string[] => [
    manager.operation,
    seconds(manager),
    manager.manager,
    manager.apiVersion,
    manager.subresource,
  ];
  const [left, right] = [keys(a), keys(b)];
  const at = left.findIndex((key, index) => key !== right[index]);
  return at < 0 ? 0 : (left[at] ?? '') < (right[at] ?? '') ? -1 : 1;
}

export function writeManagers(managers: Managers): JsonObject[] {
  return [...managers.values()]
    .toSorted(compareEntries)
    .map(({ manager, operation, apiVersion, time, fields, subresource }) => ({
      manager,
      operation,
      apiVersion,
      ...(time === undefined ? {} : { time }),
      fieldsType: 'FieldsV1',
      fieldsV1: fields.toFieldsV1(),
      ...(subresource === '' ? {} : { subresource }),
    }));
}

/** The object with these entries in metadata, or without the field when there are none. */
export function withEntries(object: JsonObject, entries: readonly JsonObject[]): JsonObject {
  const metadata = member(object, 'metadata');
  if (!isObject(metadata)) return object;
  const { managedFields: _old, ...rest } = metadata;
  return { ...object, metadata: entries.length === 0 ? rest : { ...rest, managedFields: entries } };
}
