/** What is generated from the sources, as data: path and how to make its text. `generate.ts` writes, a test compares. */
import { glob, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { makeOwnCrds } from '../kube/kinds/generate-own.ts';
import { agentManifestFiles } from '../apps/agent/src/manifests.ts';
import { hubNamespace } from '../apps/hub/src/hub-namespace.ts';
import { hubManifests } from '../apps/hub/src/manifests.ts';
import { dumpYamlDocuments } from '@polyanthus/ground-yaml/dump';
import type { YamlValue } from '@polyanthus/ground-yaml/value';
import { cliPage, kindsPage } from './reference-pages.ts';
import type { ErrorEntry } from '@polyanthus/ground-base/errors';

const root = join(import.meta.dirname, '..');

/** A generated file, its path relative to the repository. */
export interface GeneratedFile {
  readonly path: string;
  readonly make: () => Promise<string>;
}

/** One declared error code and where. */
export interface DeclaredCode extends ErrorEntry {
  readonly code: string;
  /** The declaring file, relative to the repository. */
  readonly file: string;
}

/** Every code of every `errors.ts`, by code. */
export async function declaredCodes(): Promise<readonly DeclaredCode[]> {
  const found: DeclaredCode[] = [];
  for await (const file of glob('{ground,kube,engine,domains,apps}/*/src/**/errors.ts', { cwd: root })) {
    const module = (await import(join(root, file))) as Record<string, unknown>;
    for (const table of Object.values(module)) {
      if (!isTable(table)) continue;
      for (const [code, entry] of Object.entries(table.entries))
        found.push({ code, file: relative(root, join(root, file)), ...entry });
    }
  }
  return found.sort((one, other) => (one.code < other.code ? -1 : 1));
}

function isTable(value: unknown): value is { readonly entries: Readonly<Record<string, ErrorEntry>> } {
  return typeof value === 'object' && value !== null && 'entries' in value && 'error' in value;
}

async function errorsPage(): Promise<string> {
  const codes = await declaredCodes();
  const sections = codes.map(
    (one) =>
      `## ${one.code}\n${one.meaning}\n\nNext: ${one.next}\n\nFrom \`${one.file.replace(/\/src\/.*/, '')}\`.${one.terminal === true ? ' Never retried.' : ''}\n`,
  );
  return `# Error codes\nGenerated from the rooms' \`errors.ts\` by \`npm run generate\`; do not edit.\n\n${sections.join('\n')}`;
}

/** What `polyanthus hub manifests` prints, without the kinds, which are generated for themselves. */
async function hubManifestFile(): Promise<string> {
  const objects = hubManifests({
    namespace: hubNamespace,
    replicas: 3,
    image: 'polyanthus.dev/polyanthus:0.1.0',
    hostNames: ['hub.example.org'],
    serviceType: 'LoadBalancer',
    identitySecret: 'polyanthus-hub-identity',
    fleets: ['default'],
  }).filter((object) => object.kind !== 'CustomResourceDefinition');
  return `# Generated from the hub's parts by \`npm run generate\`; do not edit.\n${dumpYamlDocuments(objects as unknown as readonly YamlValue[])}`;
}

/** Every generated file. */
export const generatedFiles: readonly GeneratedFile[] = [
  { path: 'docs/errors.md', make: errorsPage },
  { path: 'docs/cli.md', make: cliPage },
  { path: 'kube/kinds/src/own/crds.json', make: () => Promise.resolve(makeOwnCrds()) },
  // After the CRDs, of which it is made.
  {
    path: 'docs/kinds.md',
    make: async () => kindsPage(await readFile(join(root, 'kube/kinds/src/own/crds.json'), 'utf8')),
  },
  { path: 'apps/hub/manifests/hub.yaml', make: hubManifestFile },
  ...[...agentManifestFiles()].map(([name, text]) => ({
    path: `apps/agent/manifests/${name}.yaml`,
    make: () => Promise.resolve(text),
  })),
];
