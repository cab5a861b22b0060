/**
 * Patches, server-side apply, defaults and managed fields against a real kube-apiserver: each step is sent to it, and
 * what our code makes of the same state must be the same.
 */
import { request } from 'node:https';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { applyJsonPatch } from '@polyanthus/kube-objects/json-patch';
import { applyConfiguration, trackUpdate } from '@polyanthus/kube-objects/managed-fields';
import { applyMergePatch } from '@polyanthus/kube-objects/merge-patch';
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import { resourcePath } from '@polyanthus/kube-objects/resource';
import { StatusError } from '@polyanthus/kube-objects/status';
import { applyStrategicPatch } from '@polyanthus/kube-objects/strategic-patch';
import { startControlPlane, type ControlPlane } from '../../../lab/src/control-plane.ts';
import { whyNotReal } from '../../../lab/src/parts.ts';
import { completeBuiltin } from './complete.ts';
import { loadBuiltins, type BuiltinKind } from './builtin.ts';
import { resetFieldsOf } from './reset-fields.ts';
import { sequences, type Step } from './semantics-cases.ts';

const why = whyNotReal(['etcd', '3.7.0'], ['kube-apiserver', '1.37.2']);

const contentTypes: Readonly<Record<Step['verb'], string>> = {
  create: 'application/json',
  update: 'application/json',
  strategic: 'application/strategic-merge-patch+json',
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  apply: 'application/apply-patch+yaml',
};
const methods: Readonly<Record<Step['verb'], string>> = {
  create: 'POST',
  update: 'PUT',
  strategic: 'PATCH',
  merge: 'PATCH',
  json: 'PATCH',
  apply: 'PATCH',
};

let plane: ControlPlane;
let kinds: readonly BuiltinKind[];

function call(method: string, path: string, contentType: string, body?: JsonValue): Promise<JsonObject> {
  return new Promise((resolve, reject) => {
    const options = {
      method,
      rejectUnauthorized: false,
      headers: { authorization: `Bearer ${plane.adminToken}`, 'content-type': contentType },
    };
    const sent = request(`${plane.url}${path}`, options, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve(JSON.parse(text) as JsonObject));
    });
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const metadataOf = (object: JsonObject): JsonObject => object['metadata'] as JsonObject;

/** Parts that admission and the registry of a kind set, which are no part of these rooms. */
const serverOnly: readonly (readonly string[])[] = [
  ['spec', 'priority'],
  ['spec', 'preemptionPolicy'],
  ['spec', 'tolerations'],
  ['status', 'phase'],
  ['status', 'qosClass'],
];

function withoutServerOnly(kind: BuiltinKind, object: JsonObject): JsonObject {
  if (kind.type.kind !== 'Pod') return object;
  const copy = structuredClone(object) as Record<string, Record<string, JsonValue>>;
  for (const [part = '', field = ''] of serverOnly) delete copy[part]?.[field];
  return copy;
}

/** Without what only the server can know, and without times. */
function comparable(object: JsonObject): unknown {
  const {
    resourceVersion: _rv,
    generation: _g,
    uid: _u,
    creationTimestamp: _c,
    managedFields,
    ...metadata
  } = metadataOf(object);
  const entries = ((managedFields ?? []) as readonly JsonObject[]).map(({ time, ...entry }) => ({
    ...entry,
    timed: time !== undefined,
  }));
  const order = (entry: object): string => JSON.stringify(entry);
  return {
    ...object,
    metadata: { ...metadata, managedFields: entries.toSorted((a, b) => (order(a) < order(b) ? -1 : 1)) },
  };
}

const systemMetadata = (live: JsonObject): JsonObject => {
  const { uid, namespace, creationTimestamp, resourceVersion } = metadataOf(live);
  return { uid, namespace, creationTimestamp, resourceVersion };
};

const named = (object: JsonObject): JsonObject => ({
  ...object,
  metadata: { ...metadataOf(object), namespace: 'default' },
});

const hasStatus = (kind: BuiltinKind): boolean =>
  kind.subresources.some((subresource) => subresource.name === 'status');

function withoutStatusWrites(
  kind: BuiltinKind,
  step: Step,
  before: JsonObject | undefined,
  after: JsonObject,
): JsonObject {
  if (before === undefined || step.verb === 'create') return after;
  if (step.subresource === 'status') return { ...before, status: after['status'] ?? {}, metadata: metadataOf(after) };
  return hasStatus(kind) && before['status'] !== undefined ? { ...after, status: before['status'] } : after;
}

function ours(kind: BuiltinKind, step: Step, before: JsonObject | undefined): JsonObject {
  const { schema, type } = kind;
  const write = {
    schema,
    manager: step.manager ?? 'tester',
    now: '2099-01-01T00:00:00Z',
    apiVersion: type.group === '' ? type.version : `${type.group}/${type.version}`,
    subresource: step.subresource,
    resetFields: resetFieldsOf(type, step.subresource, hasStatus(kind)),
  };
  const decode = (object: JsonObject): JsonObject => completeBuiltin(kind, object).object;
  const body = step.body as JsonObject;
  if (step.verb === 'apply') {
    // What a server knows of a new object before it applies anything.
    const applied = applyConfiguration({ ...write, live: before, config: body, force: step.force ?? false });
    return withoutStatusWrites(kind, step, before, decode(named(applied)));
  }
  const live = before ?? {};
  const made: Readonly<Record<Exclude<Step['verb'], 'apply'>, () => JsonObject>> = {
    create: () => named(body),
    update: () => ({ ...body, metadata: { ...systemMetadata(live), ...metadataOf(body) } }),
    strategic: () => applyStrategicPatch(live, body, schema),
    merge: () => applyMergePatch(live, body) as JsonObject,
    json: () => applyJsonPatch(live, step.body) as JsonObject,
  };
  const after = withoutStatusWrites(kind, step, before, decode(made[step.verb]()));
  return trackUpdate({ ...write, before: step.verb === 'create' ? undefined : before, after });
}

function outcome(run: () => JsonObject): JsonObject {
  try {
    return run();
  } catch (error) {
    if (error instanceof StatusError) return error.status as unknown as JsonObject;
    throw error;
  }
}

/** Messages and codes are the same; causes are compared where the real server gives any. */
function failure(status: JsonObject): unknown {
  const { message, reason, code } = status;
  return { message, reason, code };
}

async function check(kind: BuiltinKind, name: string, step: Step): Promise<void> {
  const collection = resourcePath(kind.type, { namespace: 'default' });
  const object = resourcePath(kind.type, { namespace: 'default', name, subresource: step.subresource });
  const found = await call('GET', resourcePath(kind.type, { namespace: 'default', name }), 'application/json');
  const before = found['kind'] === 'Status' ? undefined : found;
  const query = new URLSearchParams({ fieldManager: step.manager ?? 'tester', fieldValidation: 'Ignore' });
  if (step.force === true) query.set('force', 'true');
  const path = `${step.verb === 'create' ? collection : object}?${query.toString()}`;
  const real = await call(methods[step.verb], path, contentTypes[step.verb], step.body);
  const mine = outcome(() => ours(kind, step, before));
  if (real['kind'] === 'Status') expect(failure(mine)).toEqual(failure(real));
  else expect(comparable(withoutServerOnly(kind, mine))).toEqual(comparable(withoutServerOnly(kind, real)));
}

describe.skipIf(why !== undefined)(`the real kube-apiserver${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  beforeAll(async () => {
    kinds = await loadBuiltins();
    plane = await startControlPlane({ extraArgs: ['--disable-admission-plugins=ServiceAccount'] });
  });
  afterAll(() => plane.stop());

  test.each(sequences.map((sequence) => [sequence.title, sequence] as const))(
    'agrees: %s',
    async (_title, sequence) => {
      const kind = kinds.find(({ type }) => type.resource === sequence.resource && type.group === sequence.group);
      if (kind === undefined) throw new Error(`no kind for ${sequence.resource}`);
      for (const step of sequence.steps) await check(kind, sequence.name, step);
    },
  );
});
