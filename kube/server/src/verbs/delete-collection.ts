/** DELETE of a collection: every object that the selectors take, as single deletions. */
import type { ServerResponse } from '@polyanthus/ground-http/message';
import { encodeJson } from '@polyanthus/kube-objects/exact-json';
import { apiVersionOf } from '@polyanthus/kube-objects/resource';
import { isStatus } from '@polyanthus/kube-objects/status';
import { admitDelete } from '../admission/admit.ts';
import { rawJson } from '../answers.ts';
import { readStored } from '../encode.ts';
import type { Scope } from '../scope.ts';
import { deleteObject, readDeleteRequest } from './delete.ts';
import { readPage } from './list.ts';

/** The deleted objects as a list; one that vanished meanwhile is no failure. */
export async function deleteCollectionVerb(scope: Scope): Promise<ServerResponse> {
  const request = await readDeleteRequest(scope);
  const { result, metadata } = readPage(scope);
  const objects = result.objects.map((stored) => readStored(stored, scope.definition));
  const items = scope.definition.custom ? objects : objects.map(({ kind: _k, apiVersion: _v, ...rest }) => rest);
  for (const item of objects) {
    const { name = '', namespace = '' } = item.metadata;
    try {
      await deleteObject({ ...scope, name, namespace }, request, (inner, object, asked) =>
        admitDelete(inner, object, { ...asked, name: '' }),
      );
    } catch (error) {
      if (!isStatus(error, 'NotFound')) throw error;
    }
  }
  return rawJson(
    200,
    encodeJson({ kind: scope.definition.listKind, apiVersion: apiVersionOf(scope.definition.type), metadata, items }),
  );
}
