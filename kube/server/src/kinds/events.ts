/** core/v1 Event and events.k8s.io/v1 Event are one object under two shapes (pkg/apis/events conversion). */
import type { ApiObject } from '../api-object.ts';
import type { Conversion } from '../registry/definition.ts';

/** Pairs of names: core, events.k8s.io. */
const renamed: readonly (readonly [string, string])[] = [
  ['involvedObject', 'regarding'],
  ['message', 'note'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
  ['reportingComponent', 'reportingController'],
];

function rename(object: ApiObject, apiVersion: string, names: ReadonlyMap<string, string>): ApiObject {
  const result: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(object)) result[names.get(key) ?? key] = value;
  result['apiVersion'] = apiVersion;
  return result as unknown as ApiObject;
}

const toNew = new Map(renamed);
const toCore = new Map(renamed.map(([core, fresh]) => [fresh, core] as const));

export const eventsConversion: Conversion = {
  fromStorage: (object) => rename(object, 'events.k8s.io/v1', toNew),
  toStorage: (object) => rename(object, 'v1', toCore),
};
