/** JSON Patch (RFC 6902), bounded as kube-apiserver does, with the leniences of the library that it uses. */
import { cloneJson, equalJson, isList, isObject, member, setMember, type Draft } from './json-value.ts';
import type { JsonObject, JsonValue } from './meta.ts';
import { statusError, type StatusError } from './status.ts';

/** More operations than these are refused (apiserver's maxJSONPatchOperations). */
const maxOperations = 10_000;
/** What `copy` may add up to, in characters of JSON (apiserver's MaxRequestBodyBytes). */
const maxCopied = 3 * 1024 * 1024;

/** kube-apiserver hides the reason behind a fixed message; the cause tells it. */
function refuse(why: string): StatusError {
  return statusError('Invalid', 'the server rejected our request due to an error in our request', {
    causes: [{ message: why }],
  });
}

type Container = Draft | JsonValue[];
interface Place {
  readonly container: Container;
  readonly key: string;
}

const unescape = (part: string): string => part.replaceAll('~1', '/').replaceAll('~0', '~');

function position(list: readonly JsonValue[], key: string, most: number): number {
  const index = /^[-+]?\d+$/.test(key) ? Number(key) : Number.NaN;
  const from = index < 0 ? index + most + 1 : index;
  if (Number.isNaN(from) || from < 0 || from > most)
    throw refuse(`array index ${key} is not in a list of ${list.length}`);
  return from;
}

function read(container: Container, key: string): JsonValue | undefined {
  if (!Array.isArray(container)) return member(container, key);
  return container[position(container, key, container.length - 1)];
}

function add(container: Container, key: string, value: JsonValue): void {
  if (!Array.isArray(container)) setMember(container, key, value);
  else if (key === '-') container.push(value);
  else container.splice(position(container, key, container.length), 0, value);
}

function remove(container: Container, key: string): void {
  if (Array.isArray(container)) container.splice(position(container, key, container.length - 1), 1);
  else if (member(container, key) === undefined) throw refuse(`there is no ${key} to remove`);
  else delete container[key];
}

/** One patch at work on its own copy of the document. */
class Patching {
  #root: JsonValue;
  #copied = 0;

  constructor(doc: JsonValue) {
    this.#root = cloneJson(doc);
  }

  get result(): JsonValue {
    return this.#root;
  }

  #place(pointer: string): Place {
    const parts = pointer.split('/').slice(1).map(unescape);
    const key = parts.pop();
    if (key === undefined) throw refuse(`path ${JSON.stringify(pointer)} does not begin with "/"`);
    let at: JsonValue | undefined = this.#root;
    for (const part of parts) {
      at = isList(at) || isObject(at) ? read(at as Container, part) : undefined;
    }
    if (!isList(at) && !isObject(at)) throw refuse(`doc is missing path: ${JSON.stringify(pointer)}`);
    return { container: at as Container, key };
  }

  add(path: string, value: JsonValue): void {
    const { container, key } = this.#place(path);
    add(container, key, cloneJson(value));
  }

  remove(path: string): void {
    const { container, key } = this.#place(path);
    remove(container, key);
  }

  replace(path: string, value: JsonValue): void {
    if (path === '') {
      if (!isObject(value) && !isList(value)) throw refuse('replace operation value must be object or array');
      this.#root = cloneJson(value);
      return;
    }
    const { container, key } = this.#place(path);
    if (Array.isArray(container)) container[position(container, key, container.length - 1)] = cloneJson(value);
    else setMember(container, key, cloneJson(value));
  }

  move(from: string, path: string): void {
    const source = this.#place(from);
    const value = read(source.container, source.key);
    remove(source.container, source.key);
    const { container, key } = this.#place(path);
    add(container, key, value ?? null);
  }

  copy(from: string, path: string): void {
    const source = this.#place(from);
    const value = cloneJson(read(source.container, source.key) ?? null);
    this.#copied += JSON.stringify(value, (_key, inner: unknown) =>
      typeof inner === 'bigint' ? String(inner) : inner,
    ).length;
    if (this.#copied > maxCopied) throw refuse(`copies add up to more than ${maxCopied} bytes`);
    const { container, key } = this.#place(path);
    add(container, key, value);
  }

  test(path: string, value: JsonValue | undefined): void {
    const place = path === '' ? undefined : this.#place(path);
    const found = place === undefined ? this.#root : (read(place.container, place.key) ?? null);
    if (value === undefined || !equalJson(found, value)) throw refuse(`testing value ${path} failed`);
  }
}

function text(operation: JsonObject, field: 'path' | 'from'): string {
  const value = member(operation, field);
  if (typeof value !== 'string') throw refuse(`operation has no ${field}`);
  return value;
}

function apply(patching: Patching, operation: JsonObject): void {
  const value = member(operation, 'value');
  const kind = member(operation, 'op');
  switch (typeof kind === 'string' ? kind : 'unknown') {
    case 'add':
      return patching.add(text(operation, 'path'), value ?? null);
    case 'remove':
      return patching.remove(text(operation, 'path'));
    case 'replace':
      return patching.replace(text(operation, 'path'), value ?? null);
    case 'move':
      return patching.move(text(operation, 'from'), text(operation, 'path'));
    case 'copy':
      return patching.copy(text(operation, 'from'), text(operation, 'path'));
    case 'test':
      return patching.test(text(operation, 'path'), value);
    default:
      throw refuse(`Unexpected kind: ${typeof kind === 'string' ? kind : 'unknown'}`);
  }
}

/**
 * Applies operations to a document, which is not changed. `patch` is the request's body. Negative indices count from the
 * end, and `replace` of a missing member adds it, as kube-apiserver does.
 * Throws BadRequest when the body is no list of operations, RequestEntityTooLarge above 10,000, Invalid when one fails.
 */
export function applyJsonPatch(doc: JsonValue, patch: unknown): JsonValue {
  const operations = patch as JsonValue;
  if (!isList(operations) || !operations.every(isObject)) {
    throw statusError(
      'BadRequest',
      'error decoding patch: json: cannot unmarshal into Go value of type []handlers.jsonPatchOp',
    );
  }
  if (operations.length > maxOperations) {
    const limit = `The allowed maximum operations in a JSON patch is ${maxOperations}, got ${operations.length}`;
    throw statusError('RequestEntityTooLarge', `Request entity is too large: ${limit}`);
  }
  const patching = new Patching(doc);
  for (const operation of operations) apply(patching, operation);
  return patching.result;
}
