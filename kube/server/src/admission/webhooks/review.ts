/** AdmissionReview: what a webhook is told, and what it may answer (apiserver webhook/request/admissionreview.go). */
import { isObject, member } from '@polyanthus/kube-objects/json-value';
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import { userInfoJson } from '@polyanthus/kube-access/user';
import { textAt } from '../../api-object.ts';
import { strings } from '../../kinds/webhook-rules.ts';
import type { WebhookAttributes } from './attributes.ts';
import type { Invocation } from './invocation.ts';

const spoken = ['v1', 'v1beta1'];

/** The first version of AdmissionReview that the webhook takes and this server speaks; undefined when there is none. */
export function reviewVersion({ hook }: Invocation): string | undefined {
  return hook.reviewVersions.find((version) => spoken.includes(version));
}

/** The review to send; object and old object are in the invocation's version. */
export function reviewOf(attributes: WebhookAttributes, invocation: Invocation, uid: string): JsonObject {
  const { object, oldObject, options, dryRun } = attributes;
  return {
    kind: 'AdmissionReview',
    apiVersion: `admission.k8s.io/${reviewVersion(invocation) ?? 'v1'}`,
    request: {
      uid,
      ...requestJson(attributes, invocation),
      object: object ?? null,
      oldObject: oldObject ?? null,
      dryRun,
      options: options ?? null,
    },
  };
}

/** The request without its objects: what conditions know as `request`. */
export function requestJson(attributes: WebhookAttributes, { definition, kind }: Invocation): JsonObject {
  const { scope, operation, name, namespace, dryRun, options } = attributes;
  const { subresource, user } = scope;
  const resourceOf = ({ type: { group, version, resource } }: Invocation['definition']): JsonObject => ({
    group,
    version,
    resource,
  });
  return {
    kind: { ...kind },
    resource: resourceOf(definition),
    ...(subresource === '' ? {} : { subResource: subresource }),
    requestKind: { ...attributes.kind },
    requestResource: resourceOf(scope.definition),
    ...(subresource === '' ? {} : { requestSubResource: subresource }),
    ...(name === '' ? {} : { name }),
    ...(namespace === '' ? {} : { namespace }),
    operation,
    userInfo: userInfoJson(user) as JsonObject,
    dryRun,
    ...(options === undefined ? {} : { options }),
  };
}

/** What a webhook has said. */
export interface Verdict {
  readonly allowed: boolean;
  /** A Status, as it was given. */
  readonly status: JsonObject | undefined;
  readonly warnings: readonly string[];
  readonly annotations: Readonly<Record<string, string>>;
  /** Base64 of a JSON patch; empty: none. */
  readonly patch: string;
  readonly patchType: string;
}

/** Reads an answer to the review `uid` in `version`. Throws an Error with apiserver's words when it is none. */
export function readVerdict(answer: JsonObject, version: string, uid: string, mutating: boolean): Verdict {
  const response = member(answer, 'response');
  if (!isObject(response)) throw new Error('webhook response was absent');
  // The older version was never held to the rules.
  if (version === 'v1') requireRight(answer, response, uid, mutating);
  const patch = textAt(response, 'patch');
  const status = member(response, 'status');
  return {
    allowed: response['allowed'] === true,
    status: isObject(status) ? status : undefined,
    warnings: strings(member(response, 'warnings')),
    annotations: texts(member(response, 'auditAnnotations')),
    patch: mutating ? patch : '',
    patchType: version === 'v1' ? textAt(response, 'patchType') : 'JSONPatch',
  };
}

function texts(value: JsonValue | undefined): Readonly<Record<string, string>> {
  return isObject(value) ? Object.fromEntries(Object.entries(value).map(([key, text]) => [key, String(text)])) : {};
}

function requireRight(answer: JsonObject, response: JsonObject, uid: string, mutating: boolean): void {
  const given = textAt(response, 'uid');
  if (given !== uid) throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(given)}`);
  const [apiVersion, kind] = [textAt(answer, 'apiVersion'), textAt(answer, 'kind')];
  if (apiVersion !== 'admission.k8s.io/v1' || kind !== 'AdmissionReview')
    throw new Error(
      `expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got ${apiVersion === '' ? '/' : apiVersion}, Kind=${kind}`,
    );
  const patched = textAt(response, 'patch') !== '';
  const typed = response['patchType'] !== undefined && response['patchType'] !== null;
  if (!mutating && patched) throw new Error('validating webhook may not return response.patch');
  if (!mutating && typed) throw new Error('validating webhook may not return response.patchType');
  if (patched && !typed) throw new Error('webhook returned response.patch but not response.patchType');
  if (typed && !patched) throw new Error('webhook returned response.patchType but not response.patch');
  if (typed && textAt(response, 'patchType') === '')
    throw new Error('webhook returned invalid response.patchType of ""');
}

const shapes: Readonly<Record<string, string>> = {
  uid: 'string',
  patch: 'string',
  patchType: 'string',
  allowed: 'boolean',
  status: 'object',
  auditAnnotations: 'object',
};

/** The first part of an answer that has not the type that it must have; undefined when all have. */
export function misshapen(answer: JsonObject): string | undefined {
  const response = member(answer, 'response');
  if (!isObject(response)) return undefined;
  const given = (key: string): JsonValue | undefined => member(response, key) ?? undefined;
  const wrong = Object.entries(shapes).find(([key, type]) => given(key) !== undefined && typeof given(key) !== type);
  if (wrong !== undefined) return wrong[0];
  return given('warnings') === undefined || Array.isArray(given('warnings')) ? undefined : 'warnings';
}
