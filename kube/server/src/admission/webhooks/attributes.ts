/** What webhooks are asked about: one write, as kube-apiserver's admission attributes. */
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import { objectAt, textAt } from '../../api-object.ts';
import { isDryRun, type Scope } from '../../scope.ts';

/** What is done. */
export type WebhookOperation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';

/** Group, version and kind of an object. */
export interface ObjectKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** One write on its way. */
export interface WebhookAttributes {
  readonly scope: Scope;
  readonly operation: WebhookOperation;
  /** Of the object: of `deployments/scale` it is Scale. */
  readonly kind: ObjectKind;
  /** Of the object itself, not of its subresource: it has the schema of the resource. */
  readonly whole: boolean;
  readonly name: string;
  /** Of a Namespace: its own name. */
  readonly namespace: string;
  /** Absent for deletions. */
  readonly object: JsonObject | undefined;
  /** Absent for creations and connections. */
  readonly oldObject: JsonObject | undefined;
  /** CreateOptions, UpdateOptions, DeleteOptions; absent for connections. */
  readonly options: JsonObject | undefined;
  readonly dryRun: boolean;
}

/** What of the attributes is not as the request says it. */
export interface AttributeChanges {
  readonly kind?: ObjectKind;
  readonly options?: JsonObject;
  readonly dryRun?: boolean;
  /** Empty for each object of a collection that is deleted. */
  readonly name?: string;
}

/** The attributes of a write of the scope. */
export function attributesOf(
  scope: Scope,
  operation: WebhookOperation,
  object: JsonObject | undefined,
  oldObject: JsonObject | undefined,
  changes: AttributeChanges = {},
): WebhookAttributes {
  const { group, version, kind, resource } = scope.definition.type;
  const metadata = objectAt(object ?? oldObject ?? {}, 'metadata');
  const name = scope.name === '' ? textAt(metadata, 'name') : scope.name;
  return {
    scope,
    operation,
    kind: changes.kind ?? { group, version, kind },
    whole: changes.kind === undefined,
    name: changes.name ?? name,
    namespace: group === '' && resource === 'namespaces' ? name : scope.namespace,
    object,
    oldObject,
    options: operation === 'CONNECT' ? undefined : (changes.options ?? optionsOf(scope, operation)),
    dryRun: changes.dryRun ?? isDryRun(scope),
  };
}

const optionKinds = { CREATE: 'CreateOptions', UPDATE: 'UpdateOptions', DELETE: 'DeleteOptions' } as const;

function optionsOf({ query }: Scope, operation: 'CREATE' | 'UPDATE' | 'DELETE'): JsonObject {
  const dryRun = query.getAll('dryRun').filter((one) => one !== '');
  const texts = ['fieldManager', 'fieldValidation'].flatMap((key) => {
    const value = query.get(key) ?? '';
    return value === '' || operation === 'DELETE' ? [] : [[key, value] as const];
  });
  return {
    kind: optionKinds[operation],
    apiVersion: 'meta.k8s.io/v1',
    ...(dryRun.length === 0 ? {} : { dryRun }),
    ...Object.fromEntries(texts),
  };
}

/** Subresources whose object is of another kind: what is written there is shown to webhooks as that kind. */
export const otherKinds: ReadonlySet<string> = new Set(['binding', 'eviction', 'scale', 'token']);

const configurations: ReadonlySet<string> = new Set([
  'validatingwebhookconfigurations',
  'mutatingwebhookconfigurations',
  'validatingadmissionpolicies',
  'validatingadmissionpolicybindings',
  'mutatingadmissionpolicies',
  'mutatingadmissionpolicybindings',
]);

/** Whether no webhook is ever asked: else one that refuses everything could not be taken away. */
export function isExempt({ definition: { type } }: Scope): boolean {
  return type.group === 'admissionregistration.k8s.io' && configurations.has(type.resource);
}
