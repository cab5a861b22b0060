/** autoscaling/v1 Scale of anything with replicas. */
import type { ServerResponse } from '@polyanthus/ground-http/message';
import { applyJsonPatch } from '@polyanthus/kube-objects/json-patch';
import { applyMergePatch } from '@polyanthus/kube-objects/merge-patch';
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import { labelSelectorMatcher, type LabelSelectorObject } from '@polyanthus/kube-objects/selectors';
import { statusError } from '@polyanthus/kube-objects/status';
import { invalidValue } from '@polyanthus/kube-objects/field-errors';
import { invalidObject } from '../invalid.ts';
import { attributesOf, type WebhookAttributes } from '../admission/webhooks/attributes.ts';
import { webhooksOf } from '../admission/webhooks/webhooks.ts';
import { jsonAnswer, toStatusError } from '../answers.ts';
import type { ApiObject } from '../api-object.ts';
import { readJsonBody } from '../codec.ts';
import { readStored } from '../encode.ts';
import type { ScalePaths } from '../registry/definition.ts';
import type { Scope } from '../scope.ts';
import { readPatch } from '../verbs/patch.ts';
import { storedOf } from '../verbs/get.ts';
import { updateObject } from '../writes.ts';

export async function scaleVerb(scope: Scope, verb: string): Promise<ServerResponse> {
  const paths = scope.definition.scale;
  if (paths === undefined) throw statusError('NotFound', 'the server could not find the requested resource');
  if (verb === 'get') requireReplicas(scope, paths);
  if (verb === 'get') return jsonAnswer(200, scaleOf(paths, readStored(storedOf(scope), scope.definition)));
  const change = verb === 'patch' ? await patchedScale(scope) : await sentScale(scope);
  const { stored } = await updateObject(
    scope,
    async (before) => {
      const old = scaleOf(paths, before);
      const hooks = webhooksOf(scope.cluster);
      const about = (object: JsonObject): WebhookAttributes =>
        attributesOf(scope, 'UPDATE', object, old, { kind: scaleKind });
      const scale = (await hooks.mutate(about({ ...scaleType, ...change(old) }))) ?? {};
      const metadata = (scale['metadata'] ?? {}) as JsonObject;
      const replicas = ((scale['spec'] ?? {}) as JsonObject)['replicas'] ?? 0;
      if (typeof replicas !== 'number' || replicas < 0)
        throw invalidObject('autoscaling', 'Scale', scope.name, [
          invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0'),
        ]);
      const after = setAt(before, paths.specReplicas, replicas) as ApiObject;
      const version = metadata['resourceVersion'];
      const resourceVersion = typeof version === 'string' && version !== '' ? version : before.metadata.resourceVersion;
      const written = { ...after, metadata: { ...after.metadata, resourceVersion } };
      // Those that judge see what the object will say, whatever was sent beside the replicas.
      await hooks.validate(scope, () => about(scaleOf(paths, written)));
      return written;
    },
    { retry: verb === 'patch', track: true },
  );
  return jsonAnswer(200, scaleOf(paths, readStored(stored, scope.definition)));
}

/** Webhooks are asked about the Scale, not about what is scaled. */
const scaleKind = { group: 'autoscaling', version: 'v1', kind: 'Scale' };
const scaleType = { kind: 'Scale', apiVersion: 'autoscaling/v1' };

/** A custom object without the field has no scale. */
function requireReplicas(scope: Scope, { specReplicas }: ScalePaths): void {
  const object = readStored(storedOf(scope), scope.definition);
  if (scope.definition.custom && at(object, specReplicas) === undefined)
    throw toStatusError(new Error(`the spec replicas field ${JSON.stringify(specReplicas)} does not exist`));
}

type ScaleChange = (current: JsonObject) => JsonObject;

async function sentScale(scope: Scope): Promise<ScaleChange> {
  const body = await readJsonBody(scope);
  return () => body;
}

async function patchedScale(scope: Scope): Promise<ScaleChange> {
  const { type, body } = await readPatch(scope);
  return (current) => (type === 'json' ? applyJsonPatch(current, body) : applyMergePatch(current, body)) as JsonObject;
}

/** The Scale of an object. */
export function scaleOf(paths: ScalePaths, object: ApiObject): JsonObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const selector = paths.labelSelector === undefined ? undefined : at(object, paths.labelSelector);
  const text = typeof selector === 'string' ? selector : selectorText(selector);
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: at(object, paths.specReplicas) ?? 0 },
    status: { replicas: at(object, paths.statusReplicas) ?? 0, ...(text === '' ? {} : { selector: text }) },
  };
}

function selectorText(selector: JsonValue | undefined): string {
  if (typeof selector !== 'object' || selector === null) return '';
  return labelSelectorMatcher(selector as LabelSelectorObject).toString();
}

const keysOf = (path: string): string[] => path.split('.').filter((part) => part !== '');

function at(object: JsonObject, path: string): JsonValue | undefined {
  let value: JsonValue | undefined = object;
  for (const key of keysOf(path)) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    value = (value as JsonObject)[key];
  }
  return value;
}

function setAt(object: JsonObject, path: string, value: JsonValue): JsonObject {
  const [key = '', ...rest] = keysOf(path);
  if (rest.length === 0) return { ...object, [key]: value };
  const inner = object[key];
  const next = typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? (inner as JsonObject) : {};
  return { ...object, [key]: setAt(next, rest.join('.'), value) };
}
