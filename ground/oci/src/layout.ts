/** What writing and pushing know of a layout's index. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A blob by type, hash and size (image-spec "Content Descriptors"). */
export interface Descriptor {
  readonly mediaType: string;
  /** `sha256:…`. */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: object;
  readonly artifactType?: string;
}

export const indexType = 'application/vnd.oci.image.index.v1+json';

/** Annotation of an SBOM's manifest in the index: the name of its image. */
export const sbomOf = 'dev.polyanthus.sbom-of';

/** The manifests of a layout; none when there is no layout. */
export async function readIndex(folder: string): Promise<readonly Descriptor[]> {
  if (!existsSync(join(folder, 'index.json'))) return [];
  return (
    JSON.parse(await readFile(join(folder, 'index.json'), 'utf8')) as { readonly manifests: readonly Descriptor[] }
  ).manifests;
}

/** The digest of a blob. */
export const sha256 = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** Where a layout keeps the blob of a digest. */
export const blobPath = (folder: string, digest: string): string =>
  join(folder, 'blobs/sha256', digest.slice('sha256:'.length));
