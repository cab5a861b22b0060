/** serviceaccounts/token: TokenRequest. */
import type { ServerResponse } from '@polyanthus/ground-http/message';
import { issueToken, tokenSeconds, type BoundObject } from '@polyanthus/kube-access/service-account-tokens';
import { invalidValue } from '@polyanthus/kube-objects/field-errors';
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import { conflict, notFound, statusError } from '@polyanthus/kube-objects/status';
import { invalidObject } from '../invalid.ts';
import { attributesOf } from '../admission/webhooks/attributes.ts';
import { webhooksOf } from '../admission/webhooks/webhooks.ts';
import { jsonAnswer } from '../answers.ts';
import { objectAt, textAt, timestamp } from '../api-object.ts';
import { readJsonBody } from '../codec.ts';
import { parseStored } from '../encode.ts';
import { tokenIssuerName } from '../access/identity.ts';
import { isDryRun, type Scope } from '../scope.ts';
import { storedOf } from '../verbs/get.ts';

export async function requestToken(scope: Scope): Promise<ServerResponse> {
  const body = await readJsonBody(scope);
  const account = storedOf(scope);
  const request = await changedRequest(scope, body);
  const spec = objectAt(request, 'spec');
  const expirationSeconds = spec['expirationSeconds'] ?? tokenSeconds.default;
  if (
    typeof expirationSeconds !== 'number' ||
    expirationSeconds < tokenSeconds.min ||
    expirationSeconds > tokenSeconds.max
  )
    throw invalidObject('authentication.k8s.io', 'TokenRequest', '', [
      invalidValue('spec.expirationSeconds', expirationSeconds, 'may not specify a duration less than 10 minutes'),
    ]);
  const given = spec['audiences'];
  const audiences = Array.isArray(given) && given.length > 0 ? (given as string[]) : [tokenIssuerName];
  const nowMs = scope.ctx.clock.now();
  const uid = account.index.uid ?? '';
  const completed = {
    kind: 'TokenRequest',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: { name: scope.name, ...objectAt(request, 'metadata'), uid, creationTimestamp: timestamp(nowMs) },
    spec: { audiences, expirationSeconds, boundObjectRef: spec['boundObjectRef'] ?? null },
  };
  const shown = { ...completed, status: { token: '', expirationTimestamp: null } };
  await webhooksOf(scope.cluster).validate(scope, () => attributesOf(scope, 'CREATE', shown, undefined, { kind }));
  const bound = boundObject(scope, spec);
  const { tokenIssuer } = await scope.cluster.identity();
  const wish = {
    namespace: scope.namespace,
    name: scope.name,
    uid,
    audiences,
    expirationSeconds,
  };
  const token = isDryRun(scope)
    ? ''
    : await issueToken(
        tokenIssuer,
        bound === undefined ? wish : { ...wish, bound },
        nowMs,
        scope.cluster.random.uuid(),
      );
  const status = { token, expirationTimestamp: timestamp(nowMs + expirationSeconds * 1000) };
  return jsonAnswer(201, { ...completed, status });
}

const kind = { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' };

/** The request as webhooks want it. */
async function changedRequest(scope: Scope, body: JsonObject): Promise<JsonObject> {
  const request = {
    kind: 'TokenRequest',
    apiVersion: 'authentication.k8s.io/v1',
    ...body,
    metadata: { ...objectAt(body, 'metadata'), namespace: scope.namespace },
    spec: {
      audiences: null,
      boundObjectRef: null,
      expirationSeconds: tokenSeconds.default,
      ...objectAt(body, 'spec'),
    },
    status: { token: '', expirationTimestamp: null },
  };
  return (
    (await webhooksOf(scope.cluster).mutate(attributesOf(scope, 'CREATE', request, undefined, { kind }))) ?? request
  );
}

const resources: Readonly<Record<string, string>> = { Pod: 'pods', Secret: 'secrets', Node: 'nodes' };

/** The object that the token is to die with; it must exist, with the uid when one is given. */
function boundObject(scope: Scope, spec: JsonObject): BoundObject | undefined {
  const ref = objectAt(spec, 'boundObjectRef');
  const kind = textAt(ref, 'kind');
  if (kind === '') return undefined;
  const resource = resources[kind];
  if (resource === undefined)
    throw invalidObject('authentication.k8s.io', 'TokenRequest', '', [
      invalidValue('spec.boundObjectRef', ref, `cannot bind token for serviceaccount to object of type ${kind}`),
    ]);
  const name = textAt(ref, 'name');
  const found = scope.cluster.find('', resource, kind === 'Node' ? '' : scope.namespace, name);
  if (found === undefined) throw notFound('', resource, name);
  const runsAs = kind === 'Pod' ? textAt(objectAt(parseStored(found), 'spec'), 'serviceAccountName') : scope.name;
  if (runsAs !== scope.name)
    throw statusError(
      'BadRequest',
      `cannot bind token for serviceaccount ${JSON.stringify(scope.name)} to pod running with different serviceaccount name.`,
    );
  const uid = found.index.uid ?? '';
  const wanted = textAt(ref, 'uid');
  if (wanted !== '' && wanted !== uid)
    throw conflict(
      '',
      resource,
      name,
      `the UID in the bound object reference (${wanted}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  return { kind: kind as BoundObject['kind'], name, uid };
}
