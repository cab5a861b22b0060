/** Table columns: what `kubectl get` shows, computed by the server (meta/v1 Table). */
import { goText } from '@polyanthus/kube-objects/go-text';
import { parseJsonPath, type JsonPath } from '@polyanthus/kube-objects/json-path';
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import { age } from './ages.ts';

/** One column of a Table, as `kubectl get` shows it (meta.k8s.io TableColumnDefinition and its cell). */
export interface TableColumn {
  readonly name: string;
  /** OpenAPI type of the cells: `string`, `integer`, `number`, `boolean`, `date`. */
  readonly type: string;
  readonly format: string;
  readonly description: string;
  /** 0 is always shown; 1 only with `-o wide`. */
  readonly priority: number;
  /** The cell of one object. `nowMs` is wall time, for ages. */
  readonly cell: (object: JsonObject, nowMs: number) => JsonValue;
}

/** One entry of a CRD's `additionalPrinterColumns`. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: string;
  readonly format?: string;
  readonly description?: string;
  readonly priority?: number;
  readonly jsonPath: string;
}

export type Cell = TableColumn['cell'];

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The value at a path of member names (or places in lists), undefined where it ends early. */
export function at(object: JsonObject, ...path: readonly string[]): JsonValue | undefined {
  let value: JsonValue | undefined = object;
  for (const key of path) {
    if (Array.isArray(value)) {
      value = (value as readonly JsonValue[])[Number(key)];
      continue;
    }
    if (!isObject(value) || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value;
}

const nameCell: Cell = (object) => at(object, 'metadata', 'name') ?? '';
const ageCell: Cell = (object, nowMs) => age(at(object, 'metadata', 'creationTimestamp'), nowMs);

const nameText =
  'Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names';
const ageText =
  'CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata';

/** The first column of nearly every kind. */
export const nameColumn: TableColumn = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: nameText,
  priority: 0,
  cell: nameCell,
};

/** The age of an object as text. */
export const ageColumn: TableColumn = {
  name: 'Age',
  type: 'string',
  format: '',
  description: ageText,
  priority: 0,
  cell: ageCell,
};

const readers: Readonly<Record<string, (value: JsonValue, nowMs: number) => JsonValue>> = {
  string: (value) => goText(value),
  integer: (value) => (typeof value === 'number' ? Math.trunc(value) : typeof value === 'bigint' ? value : null),
  number: (value) => (typeof value === 'number' || typeof value === 'bigint' ? value : null),
  boolean: (value) => (typeof value === 'boolean' ? value : null),
  date: (value, nowMs) => {
    if (typeof value !== 'string') return null;
    return Number.isNaN(Date.parse(value)) ? '<invalid>' : age(value, nowMs);
  },
};

/** Paths of CRDs were checked when the CRD was made; one that slips through shows nothing. */
function pathOf(text: string): JsonPath | undefined {
  try {
    return parseJsonPath(text);
  } catch {
    return undefined;
  }
}

function crdColumn(column: PrinterColumn): TableColumn {
  const path = pathOf(column.jsonPath);
  const read = readers[column.type];
  return {
    name: column.name,
    type: column.type,
    format: column.format ?? '',
    description: column.description ?? `Custom resource definition column (in JSONPath format): ${column.jsonPath}`,
    priority: column.priority ?? 0,
    cell: (object, nowMs) => {
      const value = path?.find(object)[0];
      return value === undefined || value === null || read === undefined ? null : read(value, nowMs);
    },
  };
}

/** Columns of a custom kind: NAME, then those of the CRD, or AGE when it has none. */
export function crdColumns(columns: readonly PrinterColumn[] | undefined): TableColumn[] {
  if (columns === undefined || columns.length === 0) {
    // Custom kinds show their age as a date that the server turns into text.
    return [nameColumn, { ...ageColumn, type: 'date', format: '' }];
  }
  return [nameColumn, ...columns.map(crdColumn)];
}
