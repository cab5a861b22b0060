/** GET of one object. */
import type { ServerResponse } from '@polyanthus/ground-http/message';
import { notFound } from '@polyanthus/kube-objects/status';
import { objectAnswer } from '../render.ts';
import { requireKnownRevision } from '../revisions.ts';
import { scopeKey, type Scope } from '../scope.ts';
import type { StoredObject } from '../store/store.ts';

/** The stored object that the request names. Throws NotFound. */
export function storedOf(scope: Scope): StoredObject {
  const stored = scope.cluster.store.get(scopeKey(scope));
  if (stored !== undefined) return stored;
  const { group, resource } = scope.definition.type;
  throw notFound(group, resource, scope.name);
}

export function getVerb(scope: Scope): ServerResponse {
  requireKnownRevision(scope.cluster.store, scope.query.get('resourceVersion') ?? '');
  return objectAnswer(scope, 200, storedOf(scope));
}
