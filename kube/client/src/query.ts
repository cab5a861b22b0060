/** Options as query strings, as the API server reads them. */
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import type { DeleteOptions, ListOptions, WatchOptions, WriteOptions } from './client.ts';

type Value = string | number | boolean | undefined;

/** `?a=b&…`, or nothing when every value is absent. */
export function query(values: Readonly<Record<string, Value>>): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== '') params.append(name, String(value));
  }
  const text = params.toString();
  return text === '' ? '' : `?${text}`;
}

/** The query of a list, without the namespace. */
export function listQuery(options: ListOptions): Record<string, Value> {
  const { labelSelector, fieldSelector, limit, resourceVersion, resourceVersionMatch } = options;
  return { labelSelector, fieldSelector, limit, continue: options.continue, resourceVersion, resourceVersionMatch };
}

/** The query of a watch, without the namespace. Bookmarks are on unless refused: they cost nothing. */
export function watchQuery(options: WatchOptions): Record<string, Value> {
  return {
    ...listQuery(options),
    // sendInitialEvents is refused without it.
    resourceVersionMatch: options.sendInitialEvents === true ? 'NotOlderThan' : options.resourceVersionMatch,
    watch: true,
    allowWatchBookmarks: options.allowBookmarks ?? true,
    sendInitialEvents: options.sendInitialEvents,
    timeoutSeconds: options.timeoutSeconds,
  };
}

/** The query of a write, without the subresource. */
export function writeQuery(options: WriteOptions): Record<string, Value> {
  return {
    fieldManager: options.fieldManager,
    fieldValidation: options.fieldValidation,
    dryRun: options.dryRun === true ? 'All' : undefined,
  };
}

/** meta/v1 DeleteOptions as a body. */
export function deleteBody(options: DeleteOptions): JsonObject {
  const { propagationPolicy, gracePeriodSeconds, preconditions } = options;
  return {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    ...(propagationPolicy === undefined ? {} : { propagationPolicy }),
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    ...(preconditions === undefined ? {} : { preconditions: { ...preconditions } }),
    ...(options.dryRun === true ? { dryRun: ['All'] } : {}),
  };
}
