/** Writes images as OCI image layouts (image-spec v1.1), the same digest for the same input, without Docker. */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ociErrors } from './errors.ts';
import { blobPath, indexType, readIndex, sbomOf, sha256, type Descriptor } from './layout.ts';
import { tar, type TarEntry } from './tar.ts';

/** A layer as its entries; `comment` goes into the history. */
export interface LayerSource {
  readonly comment: string;
  readonly entries: readonly TarEntry[];
}

/** What the image runs and says of itself. */
export interface ImageSpec {
  /** Full name with tag: `example.org/app:1.0`. */
  readonly name: string;
  readonly architecture: 'amd64' | 'arm64';
  readonly layers: readonly LayerSource[];
  readonly entrypoint: readonly string[];
  readonly env: readonly string[];
  /** `uid:gid`. */
  readonly user: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The same for every entry and the image itself, so that two builds agree. */
  readonly createdSeconds: number;
  /** `gzip` for registries; `none` where nothing is sent anywhere. */
  readonly compression: 'gzip' | 'none';
  /** A CycloneDX document, kept beside the image as a referrer artifact. */
  readonly sbom: object;
}

/** What was written. */
export interface WrittenImage {
  /** `sha256:…` of the image manifest. */
  readonly digest: string;
  readonly bytes: number;
}

const manifestType = 'application/vnd.oci.image.manifest.v1+json';

/**
 * Writes the image into the layout in `folder` (made when absent); other images there stay, one of the same name is
 * replaced. Errors: ImageTargetExists, TarNameTooLong.
 */
export async function writeImage(folder: string, spec: ImageSpec): Promise<WrittenImage> {
  if (existsSync(folder) && !existsSync(join(folder, 'oci-layout')))
    throw ociErrors.error('ImageTargetExists', `${folder} exists and is no OCI image layout`);
  await mkdir(join(folder, 'blobs/sha256'), { recursive: true });
  const blobs = new BlobFolder(folder);
  const layers: Descriptor[] = [];
  const diffIds: string[] = [];
  for (const layer of spec.layers) {
    const archive = Buffer.concat([...tar(layer.entries, spec.createdSeconds)]);
    diffIds.push(sha256(archive));
    const type = 'application/vnd.oci.image.layer.v1.tar';
    layers.push(
      await (spec.compression === 'gzip'
        ? blobs.add(`${type}+gzip`, gzipSync(archive, { level: 6 }))
        : blobs.add(type, archive)),
    );
  }
  const config = await blobs.addJson('application/vnd.oci.image.config.v1+json', configOf(spec, diffIds));
  const manifest = await blobs.addJson(manifestType, { schemaVersion: 2, mediaType: manifestType, config, layers });
  const sbom = await writeSbom(blobs, spec, manifest);
  const named = {
    ...manifest,
    platform: { architecture: spec.architecture, os: 'linux' },
    annotations: { 'org.opencontainers.image.ref.name': spec.name, 'io.containerd.image.name': spec.name },
  };
  const others = (await readIndex(folder)).filter(
    (one) => one.annotations?.[sbomOf] !== spec.name && one.annotations?.['io.containerd.image.name'] !== spec.name,
  );
  const index = {
    schemaVersion: 2,
    mediaType: indexType,
    manifests: [...others, named, sbom],
  };
  await writeFile(join(folder, 'index.json'), JSON.stringify(index));
  await writeFile(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  return { digest: manifest.digest, bytes: blobs.bytes };
}

async function writeSbom(blobs: BlobFolder, spec: ImageSpec, subject: Descriptor): Promise<Descriptor> {
  const artifactType = 'application/vnd.cyclonedx+json';
  const empty = await blobs.add('application/vnd.oci.empty.v1+json', Buffer.from('{}'));
  const document = await blobs.addJson(artifactType, spec.sbom);
  const manifest = await blobs.addJson(manifestType, {
    schemaVersion: 2,
    mediaType: manifestType,
    artifactType,
    config: empty,
    layers: [document],
    subject,
  });
  return { ...manifest, artifactType, annotations: { [sbomOf]: spec.name } };
}

function configOf(spec: ImageSpec, diffIds: readonly string[]): object {
  const created = new Date(spec.createdSeconds * 1000).toISOString();
  return {
    created,
    architecture: spec.architecture,
    os: 'linux',
    config: { Entrypoint: spec.entrypoint, Env: spec.env, User: spec.user, Labels: spec.labels, WorkingDir: '/' },
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: spec.layers.map((layer) => ({ created, created_by: 'polyanthus', comment: layer.comment })),
  };
}

class BlobFolder {
  bytes = 0;
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async add(mediaType: string, content: Uint8Array): Promise<Descriptor> {
    const digest = sha256(content);
    await writeFile(blobPath(this.#folder, digest), content);
    this.bytes += content.length;
    return { mediaType, digest, size: content.length };
  }

  addJson(mediaType: string, value: object): Promise<Descriptor> {
    return this.add(mediaType, Buffer.from(JSON.stringify(value)));
  }
}
