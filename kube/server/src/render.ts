/** One object as an answer, in the form that the client accepts. */
import type { ServerResponse } from '@polyanthus/ground-http/message';
import { encodeJson } from '@polyanthus/kube-objects/exact-json';
import { rawJson } from './answers.ts';
import { bytesFor, readStored } from './encode.ts';
import { negotiate, type Form } from './negotiation.ts';
import type { Scope } from './scope.ts';
import type { StoredObject } from './store/store.ts';
import { includeObject, partialOf, tableOf } from './table.ts';

/** The answer with a stored object. */
export function objectAnswer(scope: Scope, status: number, stored: StoredObject): ServerResponse {
  const form = negotiate(scope.request);
  return rawJson(status, formBytes(scope, form, stored));
}

function formBytes(scope: Scope, form: Form, stored: StoredObject): Uint8Array {
  const { definition } = scope;
  if (form.kind === 'object') return bytesFor(stored, definition);
  const object = readStored(stored, definition);
  if (form.kind === 'partial') return encodeJson(partialOf(object, form.version));
  const { resourceVersion = '' } = object.metadata;
  return encodeJson(
    tableOf(
      [object],
      { resourceVersion },
      {
        definition,
        version: form.version,
        include: includeObject(scope.query),
        nowMs: scope.ctx.clock.now(),
        columns: true,
      },
    ),
  );
}
