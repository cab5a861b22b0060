/** Validates a value by its type (kube-openapi validate), worded as kube-apiserver does for custom resources. */
import { invalidValue, notSupported, requiredValue, tooLong, tooMany, typeInvalid } from './field-errors.ts';
import { hasFormat } from './formats.ts';
import { equalJson, isList, isObject, member } from './json-value.ts';
import { listFaults, pairs } from './list-types.ts';
import type { JsonObject, JsonValue } from './meta.ts';
import type { Schema } from './schema.ts';
import type { StatusCause } from './status.ts';
import { numberFaults } from './validate-number.ts';
import { typeFault } from './validate-type.ts';

export interface ValidateOptions {
  /** Whether a user's pattern matches somewhere in the text (RE2). Absent: patterns are not checked. */
  readonly matches?: (pattern: string, text: string) => boolean;
  /** Path of the value itself; empty for a whole object. */
  readonly path?: string;
}

const body = (path: string, words: string): string => `${path} in body ${words}`;
const inside = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`);

/** A fault of the whole schema rather than a field: Go prints its path as `<nil>`. */
const general = (words: string): StatusCause => invalidValue('<nil>', '', words);

/** Code points, as Go counts runes. */
const characters = (text: string): number => Array.from(text).length;

class Validation {
  readonly #matches: ValidateOptions['matches'];

  constructor(options: ValidateOptions) {
    this.#matches = options.matches;
  }

  /** `previous` is what stood there before; an unchanged part keeps the faults that it had. */
  value(value: JsonValue, schema: Schema, path: string, previous: JsonValue | undefined): StatusCause[] {
    if (previous !== undefined && equalJson(value, previous)) return [];
    if (value === null && schema.native === true) return [];
    const fault = typeFault(value, schema);
    const faults: StatusCause[] = fault === undefined ? [] : [typeInvalid(path, fault.found, body(path, fault.words))];
    if (value === null) return [...faults, ...this.#enum(value, schema, path)];
    faults.push(...this.#junctors(value, schema, path));
    if (typeof value === 'string') faults.push(...this.#text(value, schema, path));
    else if (typeof value === 'number' || typeof value === 'bigint') faults.push(...numberFaults(value, schema, path));
    else if (isList(value)) faults.push(...this.#list(value, schema, path, previous));
    faults.push(...this.#enum(value, schema, path));
    if (isObject(value)) faults.push(...this.#object(value, schema, path, previous));
    return faults;
  }

  #enum(value: JsonValue, schema: Schema, path: string): StatusCause[] {
    if (schema.enum === undefined || schema.enum.some((allowed) => equalJson(allowed, value))) return [];
    const shown = schema.enum.map((allowed) => (typeof allowed === 'string' ? allowed : JSON.stringify(allowed)));
    return [notSupported(path, value, shown)];
  }

  #text(text: string, schema: Schema, path: string): StatusCause[] {
    const faults: StatusCause[] = [];
    const { maxLength, minLength, pattern, format } = schema;
    if (maxLength !== undefined && characters(text) > maxLength) faults.push(tooLong(path, maxLength));
    else if (minLength !== undefined && characters(text) < minLength) {
      faults.push(invalidValue(path, text, body(path, `should be at least ${minLength} chars long`)));
    } else if (pattern !== undefined && this.#matches?.(pattern, text) === false) {
      faults.push(invalidValue(path, text, body(path, `should match '${pattern}'`)));
    }
    if (format !== undefined && schema.native !== true && !hasFormat(format, text)) {
      faults.push(typeInvalid(path, text, body(path, `must be of type ${format}: ${JSON.stringify(text)}`)));
    }
    return faults;
  }

  #list(list: readonly JsonValue[], schema: Schema, path: string, previous: JsonValue | undefined): StatusCause[] {
    const faults: StatusCause[] = [];
    const { items, minItems, maxItems } = schema;
    if (items !== undefined) {
      const before = pairs(list, schema, previous);
      list.forEach((item, index) => faults.push(...this.value(item, items, `${path}[${index}]`, before[index])));
    }
    if (minItems !== undefined && list.length < minItems) {
      faults.push(invalidValue(path, list.length, body(path, `should have at least ${minItems} items`)));
    }
    if (maxItems !== undefined && list.length > maxItems) faults.push(tooMany(path, list.length, maxItems));
    if (
      schema.uniqueItems === true &&
      list.some((item, index) => list.slice(0, index).some((other) => equalJson(item, other)))
    ) {
      faults.push(invalidValue(path, '', body(path, "shouldn't contain duplicates")));
    }
    return faults;
  }

  #object(object: JsonObject, schema: Schema, path: string, previous: JsonValue | undefined): StatusCause[] {
    const faults: StatusCause[] = [];
    const { properties = {}, additionalProperties, minProperties, maxProperties } = schema;
    const keys = Object.keys(object).filter((key) => object[key] !== undefined);
    const before = (key: string): JsonValue | undefined => (isObject(previous) ? member(previous, key) : undefined);
    if (minProperties !== undefined && keys.length < minProperties) {
      faults.push(invalidValue(path, keys.length, body(path, `should have at least ${minProperties} properties`)));
    }
    if (maxProperties !== undefined && keys.length > maxProperties)
      faults.push(tooMany(path, keys.length, maxProperties));
    for (const key of keys) {
      const own = Object.hasOwn(properties, key) ? properties[key] : undefined;
      const inner = own ?? (typeof additionalProperties === 'object' ? additionalProperties : undefined);
      if (inner !== undefined) faults.push(...this.value(object[key] ?? null, inner, inside(path, key), before(key)));
    }
    if (schema.native === true) return faults;
    for (const key of schema.required ?? []) {
      if (!Object.hasOwn(object, key)) faults.push(requiredValue(inside(path, key)));
    }
    return faults;
  }

  /** allOf, anyOf, oneOf, not. A junctor looks at the value alone: nothing in it is forgiven. */
  #junctors(value: JsonValue, schema: Schema, path: string): StatusCause[] {
    if (schema.native === true) return [];
    const quoted = JSON.stringify(path);
    const tried = (parts: readonly Schema[] = []): StatusCause[][] =>
      parts.map((part) => this.value(value, part, path, undefined));
    const faults: StatusCause[] = [];
    const any = tried(schema.anyOf);
    if (any.length > 0 && any.every((found) => found.length > 0)) {
      faults.push(general(`${quoted} must validate at least one schema (anyOf)`), ...(any[0] ?? []));
    }
    const one = tried(schema.oneOf);
    const valid = one.filter((found) => found.length === 0).length;
    if (one.length > 0 && valid !== 1) {
      const count = valid === 0 ? 'Found none valid' : `Found ${valid} valid alternatives`;
      faults.push(
        general(`${quoted} must validate one and only one schema (oneOf). ${count}`),
        ...(valid === 0 ? (one[0] ?? []) : []),
      );
    }
    const all = tried(schema.allOf);
    const failed = all.filter((found) => found.length > 0);
    if (failed.length > 0) {
      const none = failed.length === all.length ? '. None validated' : '';
      faults.push(...failed.flat(), general(`${quoted} must validate all the schemas (allOf)${none}`));
    }
    if (schema.not !== undefined && this.value(value, schema.not, path, undefined).length === 0) {
      faults.push(general(`${quoted} must not validate the schema (not)`));
    }
    return faults;
  }
}

/**
 * All faults of `value`, in the order of the object; none means it is valid. With `previous`, faults of parts that did
 * not change are forgiven (validation ratcheting). CEL rules are not evaluated here. For built-in kinds only types are
 * looked at, because what they require is written in Go and not in their schemas.
 */
export function validate(
  value: JsonValue,
  schema: Schema,
  previous?: JsonValue,
  options: ValidateOptions = {},
): StatusCause[] {
  const path = options.path ?? '';
  return [
    ...new Validation(options).value(value, schema, path, previous),
    ...listFaults(value, schema, path, previous),
  ];
}
