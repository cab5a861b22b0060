/** Custom resources against a real kube-apiserver: the same faults in the same words, the same pruning and defaults. */
import { request } from 'node:https';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { startControlPlane, type ControlPlane } from '../../../lab/src/control-plane.ts';
import { whyNotReal } from '../../../lab/src/parts.ts';
import { applyDefaults } from './defaults.ts';
import type { JsonObject, JsonValue } from './meta.ts';
import { prune } from './prune.ts';
import { schemaFromCrd } from './schema-from.ts';
import type { StatusCause } from './status.ts';
import { structuralErrors } from './structural-errors.ts';
import { badSchemas } from './structural-cases.ts';
import { validate } from './validate.ts';
import { badSpecs, crdSchema, goodSpecs } from './validation-cases.ts';

const why = whyNotReal(['etcd', '3.7.0'], ['kube-apiserver', '1.37.2']);
const schema = schemaFromCrd(crdSchema);
const things = '/apis/x.io/v1/namespaces/default/things';
const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

let plane: ControlPlane;

function call(method: string, path: string, body?: JsonValue): Promise<JsonObject> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${plane.adminToken}`, 'content-type': 'application/json' };
    const sent = request(`${plane.url}${path}`, { method, rejectUnauthorized: false, headers }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () =>
        resolve((text.startsWith('{') ? JSON.parse(text) : { kind: 'Status', message: text }) as JsonObject),
      );
    });
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const crd = (plural: string, kind: string, openAPIV3Schema: JsonObject): JsonObject => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${plural}.x.io` },
  spec: {
    group: 'x.io',
    scope: 'Namespaced',
    names: { plural, kind },
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema } }],
  },
});

const thing = (name: string, spec: JsonValue): JsonObject => ({
  apiVersion: 'x.io/v1',
  kind: 'Thing',
  metadata: { name },
  spec,
});

/** Go walks maps in no order. */
const sorted = (causes: readonly StatusCause[]): string[] =>
  causes.map(({ reason, field, message }) => `${reason} ${field}: ${message}`).toSorted();
const causesOf = (status: JsonObject): readonly StatusCause[] =>
  ((status['details'] as JsonObject | undefined)?.['causes'] ?? []) as readonly StatusCause[];

describe.skipIf(why !== undefined)(
  `custom resources on the real kube-apiserver${why === undefined ? '' : ` (skipped: ${why})`}`,
  () => {
    beforeAll(async () => {
      plane = await startControlPlane();
      const made = await call('POST', crds, crd('things', 'Thing', crdSchema));
      expect(made['message']).toBeUndefined();
      await vi.waitUntil(async () => (await call('GET', things))['kind'] === 'ThingList', { timeout: 20_000 });
    });
    afterAll(() => plane.stop());

    test.each(Object.entries(badSpecs))('agree when the spec %s', async (_title, spec) => {
      const object = thing('bad', spec);
      const real = await call('POST', things, object);
      const mine = validate(applyDefaults(prune(object, schema).value, schema), schema, undefined, {
        matches: (pattern, text) => new RegExp(pattern).test(text),
      });
      expect(sorted(mine)).toEqual(sorted(causesOf(real)));
    });

    test.each(goodSpecs)('agree on %s', async (title, sent, stored) => {
      const real = await call('POST', things, thing(title.replaceAll(' ', '-'), sent));
      expect(real['spec']).toEqual(stored);
    });

    test.each(Object.entries(badSchemas))('agree that a schema %s', async (_title, given) => {
      const real = await call('POST', crds, crd('others', 'Other', given));
      expect(sorted(structuralErrors(given, 'spec.validation.openAPIV3Schema'))).toEqual(sorted(causesOf(real)));
    });
  },
);
