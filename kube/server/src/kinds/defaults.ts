/** Defaults of built-in kinds that the schema does not tell. */
import { applyBuiltinDefaults } from '@polyanthus/kube-kinds/builtin-defaults';
import type { ApiObject } from '../api-object.ts';
import { prepareSecret } from './config.ts';
import { prepareLimitRange } from './limit-ranges.ts';
import type { ResourceDefinition } from '../registry/definition.ts';

/** What core kinds make of what they are sent. */
const readers: Readonly<Record<string, (object: ApiObject) => ApiObject>> = {
  secrets: prepareSecret,
  limitranges: prepareLimitRange,
};

/** The object with its kind's defaults; custom kinds have theirs in their schema. */
export function applyKindDefaults(definition: ResourceDefinition, object: ApiObject): ApiObject {
  if (definition.custom) return object;
  const { group, resource } = definition.type;
  const read = (group === '' ? readers[resource] : undefined)?.(object) ?? object;
  return applyBuiltinDefaults(definition.type, read) as ApiObject;
}
