/** Whether a webhook is asked about a write, and in which version (apiserver webhook/generic, predicates). */
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import { notFound } from '@polyanthus/kube-objects/status';
import { objectAt, type ApiObject } from '../../api-object.ts';
import { parseKept } from '../../encode.ts';
import type { ResourceDefinition } from '../../registry/definition.ts';
import { forbidden } from '../namespace-lifecycle.ts';
import type { WebhookAttributes } from './attributes.ts';
import type { Hook, HookRule } from './hooks.ts';
import type { Invocation } from './invocation.ts';
import { evaluateConditions } from './match-conditions.ts';
import { requestJson } from './review.ts';

/** Undefined when the webhook has nothing to do with the write. Throws NotFound, Forbidden. */
export function invocationOf(hook: Hook, attributes: WebhookAttributes): Invocation | undefined {
  if (!matchesObject(hook, attributes)) return undefined;
  const definition = asked(hook, attributes);
  // The namespace is looked at last: where it is missing only webhooks that matter answer for it.
  if (definition === undefined || !matchesNamespace(hook, attributes)) return undefined;
  const { group, version, kind } = definition.type;
  const invocation = { hook, definition, kind: attributes.whole ? { group, version, kind } : attributes.kind };
  return meetsConditions(invocation, attributes) ? invocation : undefined;
}

/** The attributes with object and old object in the version of the invocation. */
export function versioned(attributes: WebhookAttributes, { definition }: Invocation): WebhookAttributes {
  const { scope, whole } = attributes;
  if (!whole || definition === scope.definition) return attributes;
  return {
    ...attributes,
    object: converted(attributes.object, scope.definition, definition),
    oldObject: converted(attributes.oldObject, scope.definition, definition),
  };
}

/** An object in another version of the same resource. */
export function converted<T extends JsonObject | undefined>(
  object: T,
  from: ResourceDefinition,
  to: ResourceDefinition,
): T {
  if (object === undefined || from === to) return object;
  const stored = from.conversion?.toStorage(object as unknown as ApiObject) ?? (object as unknown as ApiObject);
  return (to.conversion?.fromStorage(stored) ?? stored) as unknown as T;
}

/** The resource as the webhook knows it: as it was asked for, or another version that one of its rules takes. */
function asked(hook: Hook, attributes: WebhookAttributes): ResourceDefinition | undefined {
  const { definition, cluster } = attributes.scope;
  if (hook.rules.some((rule) => takes(rule, definition, attributes))) return definition;
  if (!hook.equivalent) return undefined;
  const { group, resource } = definition.storage;
  const others = cluster.registry
    .all()
    .filter((one) => one !== definition && one.storage.group === group && one.storage.resource === resource);
  for (const rule of hook.rules) for (const other of others) if (takes(rule, other, attributes)) return other;
  return undefined;
}

const includes = (items: readonly string[], wanted: string): boolean => items.includes('*') || items.includes(wanted);

function takes(rule: HookRule, { type }: ResourceDefinition, attributes: WebhookAttributes): boolean {
  const { operation, scope } = attributes;
  const clusterScoped = (type.group === '' && type.resource === 'namespaces') || attributes.namespace === '';
  if (rule.scope !== '*' && rule.scope !== (clusterScoped ? 'Cluster' : 'Namespaced')) return false;
  if (!includes(rule.operations, operation)) return false;
  if (!includes(rule.groups, type.group) || !includes(rule.versions, type.version)) return false;
  return rule.resources.some((text) => {
    const [resource = '', ...rest] = text.split('/');
    const subresource = rest.join('/');
    return (
      (resource === '*' || resource === type.resource) && (subresource === '*' || subresource === scope.subresource)
    );
  });
}

function matchesObject({ objectSelector }: Hook, { object, oldObject }: WebhookAttributes): boolean {
  if (objectSelector.requirements.length === 0) return true;
  return [object, oldObject].some((one) => one !== undefined && objectSelector.matches(labelsOf(one)));
}

const labelsOf = (object: JsonObject): Record<string, string> =>
  objectAt(objectAt(object, 'metadata'), 'labels') as Record<string, string>;

function matchesNamespace({ namespaceSelector }: Hook, attributes: WebhookAttributes): boolean {
  if (attributes.namespace === '' || namespaceSelector.requirements.length === 0) return true;
  return namespaceSelector.matches(namespaceLabels(attributes));
}

/** Of a namespace that is written: those that it will have. */
function namespaceLabels({ scope, operation, object, namespace }: WebhookAttributes): Record<string, string> {
  const { resource, group } = scope.definition.type;
  const written = group === '' && resource === 'namespaces' && scope.subresource === '';
  if (written && object !== undefined && (operation === 'CREATE' || operation === 'UPDATE')) return labelsOf(object);
  const stored = scope.cluster.namespace(namespace);
  if (stored === undefined) throw notFound('', 'namespaces', namespace);
  return labelsOf(parseKept(stored));
}

/** Throws Forbidden when a condition cannot be evaluated and the webhook fails closed. */
function meetsConditions(invocation: Invocation, attributes: WebhookAttributes): boolean {
  const { conditions, failOpen } = invocation.hook;
  if (conditions.length === 0) return true;
  const shown = versioned(attributes, invocation);
  const result = evaluateConditions(conditions, {
    object: (shown.object ?? null) as JsonValue,
    oldObject: (shown.oldObject ?? null) as JsonValue,
    request: requestJson(shown, invocation),
  });
  if ('matches' in result) return result.matches;
  if (failOpen) return false;
  throw forbidden(attributes.scope, attributes.name, result.error);
}
