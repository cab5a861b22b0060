/**
 * One model of a type for built-in kinds (from OpenAPI) and custom ones (from a CRD's openAPIV3Schema): what pruning,
 * defaulting, validation, strategic patches and server-side apply need to know (apiextensions `structural` schema and
 * structured-merge-diff `schema`).
 */
import type { JsonObject, JsonValue } from './meta.ts';

export type SchemaType = 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';

/** x-kubernetes-validations: kept as written; evaluated by whoever owns CEL. */
export interface ValidationRule {
  readonly rule: string;
  readonly message?: string;
  readonly messageExpression?: string;
  readonly reason?: string;
  readonly fieldPath?: string;
  readonly optionalOldSelf?: boolean;
}

/** A node of a type. `properties`, `items` and `additionalProperties` may be getters: built-in types are recursive. */
export interface Schema {
  /** Absent for "any value". */
  readonly type?: SchemaType;
  readonly format?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  /** Schema of the values of a map; `true` takes any value. */
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly nullable?: boolean;
  readonly default?: JsonValue;

  readonly listType?: 'atomic' | 'set' | 'map';
  readonly listMapKeys?: readonly string[];
  readonly mapType?: 'atomic' | 'granular';
  /** Strategic merge patch of built-in kinds: `merge`, `replace`, `retainKeys`. */
  readonly patchStrategy?: readonly string[];
  readonly patchMergeKey?: string;

  /** A part of a built-in kind: null counts as absent, and what is required is checked by the kind's own rules. */
  readonly native?: boolean;
  /** Name of a built-in kind's Go struct, `DeploymentSpec`: its decoder's errors say it. */
  readonly goName?: string;
  /** What Go writes for this field of a built-in kind when nobody set it: `{}` of a struct, `0`, `''`, null of a list. */
  readonly zero?: JsonValue;

  readonly preserveUnknownFields?: boolean;
  readonly embeddedResource?: boolean;
  readonly intOrString?: boolean;

  readonly enum?: readonly JsonValue[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: boolean;
  readonly exclusiveMaximum?: boolean;
  readonly multipleOf?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly allOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly not?: Schema;
  readonly validations?: readonly ValidationRule[];
}

/** The definitions of an OpenAPI v2 or v3 document, by name. */
export type Definitions = Readonly<Record<string, JsonObject>>;
