/** What a sandbox costs: made and thrown away empty, as a copy of a large one, with its keys; and loading a copy. */
import { background } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { createSandbox, type Sandbox, type SandboxState } from '@polyanthus/engine-sandbox/sandbox';
import type { Snapshot } from '@polyanthus/engine-sandbox/snapshot';
import { pods, type Pod } from '@polyanthus/kube-kinds/core';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { createClusterIdentity } from '@polyanthus/kube-server/access/identity';
import { customResourceDefinitions } from '@polyanthus/kube-kinds/core';

const ctx = background();
const random = systemRandom;
const podsCount = Number(process.argv[2] ?? 30_000);
const crdsCount = 100;
const rounds = 300;

const milliseconds = (value: number): string => value.toFixed(value < 10 ? 2 : 0);
const rows: string[] = [];

function row(what: string, times: readonly number[]): void {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): string =>
    milliseconds(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
  rows.push(`| ${what} | ${at(0.5)} | ${at(0.99)} | ${milliseconds(sorted.at(-1) ?? 0)} |`);
}

async function timed(fn: () => Promise<unknown>): Promise<number> {
  const before = performance.now();
  await fn();
  return performance.now() - before;
}

async function repeat(what: string, count: number, fn: () => Promise<unknown>): Promise<void> {
  const times: number[] = [];
  for (let round = 0; round < count; round++) times.push(await timed(fn));
  row(what, times);
}

const thrown = async (from?: SandboxState, use?: (sandbox: Sandbox) => Promise<unknown>): Promise<void> => {
  const sandbox = await createSandbox(ctx, { random, ...(from === undefined ? {} : { from }) });
  await use?.(sandbox);
  await sandbox.close();
};

function podOf(index: number): Pod {
  const app = `app-${index % 1000}`;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace: `team-${index % 50}`,
      name: `${app}-${index}`,
      uid: random.uuid(),
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: { app, 'pod-template-hash': '5d4f8c7b9' },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: app, uid: random.uuid(), controller: true }],
    },
    spec: {
      nodeName: `node-${index % 1000}`,
      containers: [{ name: 'main', image: 'example.org/app:1', ports: [{ containerPort: 8080 }] }],
    },
    status: { phase: 'Running', podIP: '10.0.0.1' },
  };
}

const namespace = (name: string): KubeObject => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });

function crdOf(index: number): KubeObject {
  const properties = Object.fromEntries(
    Array.from({ length: 40 }, (_, at) => [`field${at}`, { type: 'string', description: 'A field of some length.' }]),
  );
  const spec = { type: 'object', properties };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `kinds${index}.example.org` },
    spec: {
      group: 'example.org',
      names: { plural: `kinds${index}`, kind: `Kind${index}`, singular: `kind${index}`, listKind: `Kind${index}List` },
      scope: 'Namespaced',
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', properties: { spec } } },
        },
      ],
    },
  } as KubeObject;
}

const resource = (kind: string, plural: string, group: string, objects: readonly KubeObject[]) => ({
  group,
  version: 'v1',
  kind,
  plural,
  namespaced: kind === 'Pod',
  objects,
});

const snapshot: Snapshot = {
  formatVersion: 1,
  takenAt: '2026-01-01T00:00:00Z',
  server: { gitVersion: 'v1.37.2' },
  source: 'bench',
  unread: [],
  resources: [
    resource(
      'CustomResourceDefinition',
      'customresourcedefinitions',
      'apiextensions.k8s.io',
      Array.from({ length: crdsCount }, (_, at) => crdOf(at)),
    ),
    resource(
      'Namespace',
      'namespaces',
      '',
      Array.from({ length: 50 }, (_, at) => namespace(`team-${at}`)),
    ),
    resource(
      'Pod',
      'pods',
      '',
      Array.from({ length: podsCount }, (_, at) => podOf(at)),
    ),
  ],
};

const first = await timed(() => thrown());
await repeat('empty: made and thrown away', rounds, () => thrown());
const large = await createSandbox(ctx, { random });
const loading = await timed(async () => {
  const { refused } = await large.load(ctx, snapshot);
  if (refused.length > 0) throw new Error(JSON.stringify(refused[0]));
});
const base = large.state();
await repeat('copy of the large one: made and thrown away', rounds, () => thrown(base));
await repeat('… and one pod written in it', rounds, () =>
  thrown(base, ({ client }) =>
    client.patch(
      ctx,
      pods,
      { namespace: 'team-0', name: 'app-0-0' },
      { type: 'merge', body: { metadata: { labels: { a: 'b' } } } },
    ),
  ),
);
await repeat('… and one page of 500 pods read', rounds, () =>
  thrown(base, ({ client }) => client.list(ctx, pods, { limit: 500 })),
);
await repeat('… and its CRDs listed', 50, () =>
  thrown(base, ({ client }) => client.list(ctx, customResourceDefinitions)),
);
await repeat('… and discovery read', rounds, () =>
  thrown(base, ({ client }) =>
    client.getJson(ctx, '/apis', 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'),
  ),
);
await repeat('state and restore of the large one', 100, async () => large.restore(ctx, large.state()));
await repeat('keys and CA of one cluster', 100, () => createClusterIdentity(ctx.clock.now(), random));
process.stdout.write(
  `| milliseconds | median | 99th | longest |\n|---|---|---|---|\n${rows.join('\n')}\n\n` +
    `The first sandbox of the process: ${milliseconds(first)} ms. Loading ${podsCount} pods, 50 namespaces, ${crdsCount} CRDs: ${milliseconds(loading)} ms. ` +
    `Resident: ${(process.memoryUsage().rss / 1e6).toFixed(0)} MB.\n`,
);
