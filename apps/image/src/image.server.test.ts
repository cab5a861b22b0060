import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { background } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { productVersion } from '@polyanthus/ground-base/version';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildImage, imageName } from './build-image.ts';
import { readLock, unpackPackage } from './packages.ts';

interface Descriptor {
  readonly digest: string;
  readonly artifactType?: string;
}
interface Manifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

const ctx = background();
const work = mkdtempSync(join(tmpdir(), 'polyanthus-image-test-'));
const cacheFolder = join(tmpdir(), 'polyanthus-image-packages');
afterAll(() => rmSync(work, { recursive: true, force: true }));

const blob = (folder: string, digest: string): string => join(folder, 'blobs/sha256', digest.slice('sha256:'.length));
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller knows the shape
const json = <T>(path: string): T => JSON.parse(readFileSync(path, 'utf8')) as T;

/** Why the packages are not to be had here. */
async function whyNot(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'the image is built on linux-x64';
  try {
    for (const one of (await readLock()).packages) await unpackPackage(ctx, cacheFolder, one, join(work, 'try'));
    return undefined;
  } catch (error) {
    if (hasCode(error, 'PackageUnavailable') || hasCode(error, 'ProgramMissing')) return (error as Error).message;
    throw error;
  }
}
const why = await whyNot();

describe.skipIf(why !== undefined)(`the image${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  const build = (name: string): ReturnType<typeof buildImage> =>
    buildImage(ctx, { output: join(work, name), name: imageName, compression: 'none', cacheFolder });
  const one = join(work, 'one');
  let digest = '';
  beforeAll(async () => {
    ({ digest } = await build('one'));
  }, 120_000);

  it('has the same digest when it is built twice', async () => {
    expect((await build('two')).digest).toBe(digest);
  }, 120_000);

  it('names in its SBOM every package of the lock, Node, and the modules of the bundle', async () => {
    const { manifests } = json<{ readonly manifests: readonly Descriptor[] }>(join(one, 'index.json'));
    const referrer = manifests.find((entry) => entry.artifactType === 'application/vnd.cyclonedx+json');
    const [document] = json<Manifest>(blob(one, referrer?.digest ?? '')).layers;
    const sbom = json<{ readonly components: readonly { readonly name: string }[] }>(blob(one, document?.digest ?? ''));
    const names = sbom.components.map((component) => component.name);
    expect(names).toEqual(expect.arrayContaining((await readLock()).packages.map((entry) => entry.name)));
    expect(names).toEqual(expect.arrayContaining(['node', 'pino', 'jose', '@peculiar/x509', 'commander', 'yaml']));
  });

  it.skipIf(process.getuid?.() !== 0)('has all that the command line needs to run', () => {
    const root = join(work, 'root');
    execFileSync('mkdir', [root]);
    const { config, layers } = json<Manifest>(blob(one, digest));
    for (const layer of layers) execFileSync('tar', ['-C', root, '-xf', blob(one, layer.digest)]);
    const { Entrypoint, User } = json<{ config: { Entrypoint: string[]; User: string } }>(
      blob(one, config.digest),
    ).config;
    const said = execFileSync('chroot', [`--userspec=${User}`, root, ...Entrypoint, '--version'], { encoding: 'utf8' });
    expect(said).toContain(productVersion);
  });
});
