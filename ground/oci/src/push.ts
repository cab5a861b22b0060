/** Puts an image of a layout, with its SBOM, into a registry. */
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Context } from '@polyanthus/ground-base/context';
import { ociErrors } from './errors.ts';
import { blobPath, indexType, readIndex, sbomOf, sha256, type Descriptor } from './layout.ts';
import type { Repository } from './registry.ts';

/** What is pushed. */
export interface PushOptions {
  /** Folder of the OCI layout. */
  readonly layout: string;
  /** Name of the image in the layout, as `writeImage` got it. */
  readonly name: string;
  readonly tag: string;
  /** Hears of every blob; bytes is its size. */
  readonly onBlob?: (digest: string, bytes: number, what: 'there' | 'sent') => void;
}

interface Manifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/**
 * Sends what the registry has not, blobs first, the tag last: a push that is broken off leaves the tag as it was, and the
 * next one goes on. Gives the digest of the image. Throws ImageNotInLayout and the errors of `Repository`.
 */
export async function pushImage(ctx: Context, repository: Repository, options: PushOptions): Promise<string> {
  const entries = await readIndex(options.layout);
  const image = entries.find((one) => one.annotations?.['io.containerd.image.name'] === options.name);
  if (image === undefined) throw ociErrors.error('ImageNotInLayout', `${options.layout} has no image ${options.name}`);
  await pushParts(ctx, repository, options, image);
  const sbom = entries.find((one) => one.annotations?.[sbomOf] === options.name);
  const content = await blobOf(options.layout, image.digest);
  await repository.putManifest(ctx, image.digest, image.mediaType, content);
  if (sbom !== undefined) await pushReferrer(ctx, repository, options, { image, sbom });
  await repository.putManifest(ctx, options.tag, image.mediaType, content);
  return image.digest;
}

async function pushParts(
  ctx: Context,
  repository: Repository,
  { layout, onBlob }: PushOptions,
  { digest }: Descriptor,
): Promise<void> {
  const { config, layers } = JSON.parse((await blobOf(layout, digest)).toString('utf8')) as Manifest;
  for (const part of [...layers, config]) {
    const there = await repository.hasBlob(ctx, part.digest);
    if (!there)
      await repository.putBlob(ctx, part.digest, {
        bytes: part.size,
        open: () => createReadStream(blobPath(layout, part.digest)),
      });
    onBlob?.(part.digest, part.size, there ? 'there' : 'sent');
  }
}

/** A registry that keeps no list of referrers gets it as an index under the tag that the specification names for it. */
async function pushReferrer(
  ctx: Context,
  repository: Repository,
  options: PushOptions,
  { image, sbom }: { readonly image: Descriptor; readonly sbom: Descriptor },
): Promise<void> {
  await pushParts(ctx, repository, options, sbom);
  const content = await blobOf(options.layout, sbom.digest);
  const { listed } = await repository.putManifest(ctx, sbom.digest, sbom.mediaType, content);
  if (listed) return;
  const tag = image.digest.replace(':', '-');
  const found = await repository.getManifest(ctx, tag, indexType);
  const before =
    found === undefined
      ? []
      : (JSON.parse(Buffer.from(found).toString('utf8')) as { readonly manifests: readonly Descriptor[] }).manifests;
  if (before.some((one) => one.digest === sbom.digest)) return;
  const { annotations: _local, ...entry } = sbom;
  const index = { schemaVersion: 2, mediaType: indexType, manifests: [...before, entry] };
  await repository.putManifest(ctx, tag, indexType, Buffer.from(JSON.stringify(index)));
}

/** A manifest of the layout; a layout that was changed by hand is not sent. */
async function blobOf(layout: string, digest: string): Promise<Buffer> {
  const content = await readFile(blobPath(layout, digest));
  if (sha256(content) !== digest)
    throw ociErrors.error('ImageNotInLayout', `${layout}: blob ${digest} is damaged`, {
      next: 'Build the image again.',
    });
  return content;
}
