/** Columns and cells of built-in kinds against the tables of a real kube-apiserver. */
import { request } from 'node:https';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JsonObject, JsonValue } from '@polyanthus/kube-objects/meta';
import { resourcePath } from '@polyanthus/kube-objects/resource';
import { startControlPlane, type ControlPlane } from '../../../lab/src/control-plane.ts';
import { whyNotReal } from '../../../lab/src/parts.ts';
import { loadBuiltins, type BuiltinKind } from './builtin.ts';
import { samples } from './printer-samples.ts';

const why = whyNotReal(['etcd', '3.7.0'], ['kube-apiserver', '1.37.2']);

interface Table {
  readonly columnDefinitions: readonly {
    readonly name: string;
    readonly type: string;
    readonly format: string;
    readonly priority: number;
  }[];
  /** Null when there are none. */
  readonly rows: null | readonly { readonly cells: readonly JsonValue[]; readonly object: JsonObject }[];
}

let plane: ControlPlane;
let kinds: readonly BuiltinKind[];

function call(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body?: JsonValue,
): Promise<JsonObject> {
  return new Promise((resolve, reject) => {
    const all = { authorization: `Bearer ${plane.adminToken}`, ...headers };
    const sent = request(`${plane.url}${path}`, { method, rejectUnauthorized: false, headers: all }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve(JSON.parse(text) as JsonObject));
    });
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function create(): Promise<void> {
  for (const { resource, group, object } of samples) {
    const kind = kinds.find(({ type }) => type.resource === resource && type.group === group);
    if (kind === undefined) throw new Error(`no kind for ${resource}`);
    const made = await call(
      'POST',
      resourcePath(kind.type, { namespace: 'default' }),
      { 'content-type': 'application/json' },
      object,
    );
    if (made['kind'] === 'Status') throw new Error(`${resource}: ${String(made['message'])}`);
    const { status } = object;
    if (status === undefined) continue;
    const name = String((object['metadata'] as JsonObject)['name']);
    const path = resourcePath(kind.type, { namespace: 'default', name, subresource: 'status' });
    const patched = await call('PATCH', path, { 'content-type': 'application/merge-patch+json' }, { status });
    if (patched['kind'] === 'Status') throw new Error(`${resource} status: ${String(patched['message'])}`);
  }
}

/** Ages move between two looks. */
const steady = (cell: JsonValue): JsonValue =>
  typeof cell === 'string' ? cell.replaceAll(/\b(?:\d+[smhdy])+\b/g, '<age>') : cell;

describe.skipIf(why !== undefined)(
  `tables of the real kube-apiserver${why === undefined ? '' : ` (skipped: ${why})`}`,
  () => {
    beforeAll(async () => {
      kinds = await loadBuiltins();
      plane = await startControlPlane({ extraArgs: ['--disable-admission-plugins=ServiceAccount'] });
      await create();
    });
    afterAll(() => plane.stop());

    test('have the same columns and cells', async () => {
      // The real table of IP addresses has a cell more than it has columns.
      const listed = kinds.filter((kind) => kind.verbs.includes('list') && kind.type.resource !== 'ipaddresses');
      const facts = (columns: Table['columnDefinitions']): unknown[] =>
        columns.map((one) => [one.name, one.type, one.format, one.priority]);
      const [mine, real]: [unknown[], unknown[]] = [[], []];
      let rows = 0;
      for (const kind of listed) {
        const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
        const table = (await call('GET', `${resourcePath(kind.type)}?includeObject=Object`, {
          accept,
        })) as unknown as Table;
        const name = `${kind.type.resource}.${kind.type.group}`;
        mine.push([name, facts(kind.columns)]);
        real.push([name, facts(table.columnDefinitions)]);
        for (const row of table.rows ?? []) {
          const now = Date.now();
          mine.push([name, kind.columns.map((column) => steady(column.cell(row.object, now)))]);
          real.push([name, row.cells.map(steady)]);
          rows += 1;
        }
      }
      expect(mine).toEqual(real);
      expect(rows).toBeGreaterThan(60);
    });
  },
);
