/** The bytes of watch events. Those of whole objects are made once and shared by all watchers. */
import type { Context } from '@polyanthus/ground-base/context';
import { encodeJson } from '@polyanthus/kube-objects/exact-json';
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import { apiVersionOf } from '@polyanthus/kube-objects/resource';
import type { Status } from '@polyanthus/kube-objects/status';
import { atRevision, bytesFor, readStored } from './encode.ts';
import type { Form } from './negotiation.ts';
import type { ResourceDefinition } from './registry/definition.ts';
import type { Scope } from './scope.ts';
import type { StoredObject, StoreEvent } from './store/store.ts';
import { includeObject, partialOf, tableOf, type IncludeObject } from './table.ts';
import type { ApiObject } from './api-object.ts';

export type ChangeType = 'ADDED' | 'MODIFIED' | 'DELETED';

const heads: Readonly<Record<ChangeType, Uint8Array>> = {
  ADDED: Buffer.from('{"type":"ADDED","object":'),
  MODIFIED: Buffer.from('{"type":"MODIFIED","object":'),
  DELETED: Buffer.from('{"type":"DELETED","object":'),
};
const tail = Buffer.from('}\n');

/**
 * The encodings of the event that is being published, by type of change and version. Watchers hear of an event one after
 * another in one turn, so the last event is all that is worth keeping.
 */
let shared: { readonly event: StoreEvent; readonly forms: Map<string, Uint8Array> } | undefined;

function line(type: string, object: JsonValue | Status): Uint8Array {
  return Buffer.concat([encodeJson({ type, object } as unknown as JsonValue), Buffer.from('\n')]);
}

/** Encodes the events of one watch. */
export class EventForm {
  readonly #form: Form;
  readonly #definition: ResourceDefinition;
  readonly #ctx: Context;
  readonly #include: IncludeObject;
  #columns = true;

  constructor(scope: Scope, form: Form, ctx: Context) {
    this.#form = form;
    this.#definition = scope.definition;
    this.#ctx = ctx;
    this.#include = includeObject(scope.query);
  }

  get kind(): Form['kind'] {
    return this.#form.kind;
  }

  get contentType(): string {
    return 'application/json';
  }

  added(stored: StoredObject): Uint8Array {
    if (this.#form.kind === 'object') return Buffer.concat([heads.ADDED, bytesFor(stored, this.#definition), tail]);
    return line('ADDED', this.#transformed(readStored(stored, this.#definition)));
  }

  change(event: StoreEvent, type: ChangeType): Uint8Array {
    if (this.#form.kind !== 'object') return line(type, this.#transformed(this.#objectOf(event, type)));
    const { group, version } = this.#definition.type;
    const key = `${type} ${group}/${version}`;
    if (shared?.event !== event) shared = { event, forms: new Map() };
    const { forms } = shared;
    let bytes = forms.get(key);
    if (bytes === undefined) {
      bytes = this.#encode(event, type);
      forms.set(key, bytes);
    }
    return bytes;
  }

  /** A bookmark: only its resourceVersion counts. `initialEnd` ends the initial events of a streaming list. */
  bookmark(revision: number, initialEnd: boolean): Uint8Array {
    const metadata: JsonObject = {
      resourceVersion: String(revision),
      creationTimestamp: null,
      ...(initialEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}),
    };
    const { type } = this.#definition;
    const object: JsonObject =
      this.#form.kind === 'table'
        ? {
            kind: 'Table',
            apiVersion: `meta.k8s.io/${this.#form.version}`,
            metadata: { resourceVersion: String(revision) },
            columnDefinitions: [],
            rows: [
              {
                cells: [],
                object: { kind: 'PartialObjectMetadata', apiVersion: `meta.k8s.io/${this.#form.version}`, metadata },
              },
            ],
          }
        : this.#form.kind === 'partial'
          ? { kind: 'PartialObjectMetadata', apiVersion: `meta.k8s.io/${this.#form.version}`, metadata }
          : { kind: type.kind, apiVersion: apiVersionOf(type), metadata };
    return line('BOOKMARK', object);
  }

  error(status: Status): Uint8Array {
    return line('ERROR', status);
  }

  #encode(event: StoreEvent, type: ChangeType): Uint8Array {
    if (type !== 'DELETED' && event.object !== undefined)
      return Buffer.concat([heads[type], bytesFor(event.object, this.#definition), tail]);
    return line(type, this.#objectOf(event, type));
  }

  #objectOf(event: StoreEvent, type: ChangeType): ApiObject {
    const stored = type === 'DELETED' ? event.previous : event.object;
    if (stored === undefined) throw new Error(`an event of type ${type} at revision ${event.revision} has no object`);
    const object = readStored(stored, this.#definition);
    return type === 'DELETED' ? atRevision(object, event.revision) : object;
  }

  #transformed(object: ApiObject): JsonObject {
    const form = this.#form;
    if (form.kind !== 'table') return partialOf(object, form.kind === 'partial' ? form.version : 'v1');
    const { resourceVersion = '' } = object.metadata;
    const table = tableOf(
      [object],
      { resourceVersion },
      {
        definition: this.#definition,
        version: form.version,
        include: this.#include,
        nowMs: this.#ctx.clock.now(),
        columns: this.#columns,
      },
    );
    this.#columns = false;
    return table;
  }
}
