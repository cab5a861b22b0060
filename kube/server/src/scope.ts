/** One request to one resource, as the verbs see it. */
import type { Context } from '@polyanthus/ground-base/context';
import type { ServerRequest } from '@polyanthus/ground-http/message';
import type { UserInfo } from '@polyanthus/kube-access/user';
import { timestamp } from './api-object.ts';
import type { Cluster } from './cluster.ts';
import type { ResourceDefinition } from './registry/definition.ts';
import { keyOf, prefixOf } from './registry/keys.ts';

export interface Scope {
  readonly ctx: Context;
  readonly cluster: Cluster;
  readonly request: ServerRequest;
  readonly query: URLSearchParams;
  readonly user: UserInfo;
  readonly definition: ResourceDefinition;
  /** Empty for all namespaces and for cluster-scoped kinds. */
  readonly namespace: string;
  /** Empty for collections. */
  readonly name: string;
  readonly subresource: string;
  /** Texts of `Warning: 299` headers, in order, each once. */
  readonly warnings: Set<string>;
  /** Adds to the request's audit event; the first value of a key stays. */
  readonly annotate?: (key: string, value: string) => void;
}

/** Store key of the object that the request names. */
export function scopeKey(scope: Scope): string {
  return keyOf(scope.cluster.name, scope.definition, scope.namespace, scope.name);
}

/** Store prefix of the collection that the request names. */
export function scopePrefix(scope: Scope): string {
  return prefixOf(scope.cluster.name, scope.definition, scope.namespace);
}

/** Now, as written into objects. */
export function scopeNow(scope: Scope): string {
  return timestamp(scope.ctx.clock.now());
}

/** Whether the request asks for a rehearsal (`?dryRun=All`). */
export function isDryRun(scope: Scope): boolean {
  return scope.query.getAll('dryRun').includes('All');
}

/** Who is writing, for managedFields: `?fieldManager`, else the User-Agent up to its first `/`. */
export function fieldManager(scope: Scope): string {
  const given = scope.query.get('fieldManager');
  if (given !== null && given !== '') return given;
  const agent = scope.request.headers['user-agent'];
  const text = typeof agent === 'string' ? agent : 'unknown';
  return Array.from((text.split('/')[0] ?? '').slice(0, 128)).join('') || 'unknown';
}
