/** What the image is made of, as a CycloneDX 1.6 document: Debian packages, Node, and the npm modules in the bundle. */
import { readFile, readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { productVersion } from '@polyanthus/ground-base/version';
import type { LockedPackage } from './packages.ts';

/** An npm module whose code is in the bundle. */
interface BundledModule {
  readonly name: string;
  readonly version: string;
  readonly license: string | undefined;
}

/** The same input gives the same document: it carries no time and no serial number. */
export function sbomOf(
  packages: readonly LockedPackage[],
  nodeVersion: string,
  modules: readonly BundledModule[],
): object {
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { component: { type: 'application', name: 'polyanthus', version: productVersion } },
    components: [
      ...packages.map((one) => ({
        type: 'library',
        name: one.name,
        version: one.version,
        purl: `pkg:deb/debian/${encodeURIComponent(one.name)}@${encodeURIComponent(one.version)}?arch=${one.architecture}`,
        hashes: [{ alg: 'SHA-256', content: one.sha256 }],
      })),
      { type: 'platform', name: 'node', version: nodeVersion, purl: `pkg:generic/node@${nodeVersion}` },
      ...modules.map((one) => ({
        type: 'library',
        name: one.name,
        version: one.version,
        purl: `pkg:npm/${one.name.replace('@', '%40')}@${one.version}`,
        ...(one.license === undefined ? {} : { licenses: [{ expression: one.license }] }),
      })),
    ],
  };
}

/** The npm modules that the bundle's source maps name, sorted. */
export async function bundledModules(bundle: string): Promise<readonly BundledModule[]> {
  const folders = new Set<string>();
  for (const name of (await readdir(bundle)).filter((one) => one.endsWith('.map'))) {
    const map = JSON.parse(await readFile(join(bundle, name), 'utf8')) as { readonly sources: readonly string[] };
    for (const source of map.sources) {
      const folder = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(resolve(bundle, source))?.[0];
      if (folder !== undefined) folders.add(folder);
    }
  }
  const modules = await Promise.all([...folders].map(moduleAt));
  return modules.sort((one, other) => (`${one.name}@${one.version}` < `${other.name}@${other.version}` ? -1 : 1));
}

async function moduleAt(folder: string): Promise<BundledModule> {
  const path = join(folder, 'package.json');
  const { name, version, license } = JSON.parse(await readFile(path, 'utf8')) as Partial<BundledModule>;
  if (name === undefined || version === undefined) throw new TypeError(`${dirname(path)} is no module`);
  return { name, version, license };
}
