/** Names of a resource type: enough to build its URLs. */
import type { KubeObject } from './meta.ts';

/** `T` is the shape of its objects; it exists for the compiler alone. */
export interface ResourceType<T extends KubeObject = KubeObject> {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  /** Plural, lower case: the URL segment. */
  readonly resource: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly __shape?: T;
}

/** `apps/v1`, or `v1` for the core group. */
export function apiVersionOf(type: Pick<ResourceType, 'group' | 'version'>): string {
  return type.group === '' ? type.version : `${type.group}/${type.version}`;
}

/** Declares a resource type: `resourceType<Pod>('', 'v1', 'pods', 'Pod', true)`. */
export function resourceType<T extends KubeObject>(
  group: string,
  version: string,
  resource: string,
  kind: string,
  namespaced: boolean,
): ResourceType<T> {
  return { group, version, resource, kind, namespaced };
}

/** The URL path of a collection (no name) or of one object, with an optional subresource. Parts are percent-encoded. */
export function resourcePath(
  type: ResourceType<never> | ResourceType,
  at: {
    readonly namespace?: string | undefined;
    readonly name?: string | undefined;
    readonly subresource?: string | undefined;
  } = {},
): string {
  const parts = type.group === '' ? ['api', type.version] : ['apis', type.group, type.version];
  if (type.namespaced && at.namespace !== undefined && at.namespace !== '') parts.push('namespaces', at.namespace);
  parts.push(type.resource);
  if (at.name !== undefined) parts.push(at.name);
  if (at.subresource !== undefined) parts.push(...at.subresource.split('/'));
  return `/${parts.map(encodeURIComponent).join('/')}`;
}
