/** The product's image where the lab's hosts see it, and into their containerd. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { background } from '@polyanthus/ground-base/context';
import { mediaFolder, type Hosts } from '../../../../lab/src/hosts.ts';
import { packLayout } from '../../../../lab/src/images.ts';
import { cacheFolder } from '../../../../lab/src/parts.ts';
import { buildImage, imageName } from '../../../image/src/build-image.ts';

/** A built image, as an archive on the hosts' media. */
export interface HostImage {
  readonly name: string;
  readonly digest: string;
  readonly bytes: number;
  importOn(hosts: Hosts, host: string): Promise<void>;
  remove(): Promise<void>;
}

/** Builds it; `folder` is for the layout. The media must be prepared. */
export async function buildHostImage(folder: string): Promise<HostImage> {
  const file = `polyanthus-${process.pid}.tar`;
  const archive = join(mediaFolder, 'images', file);
  const layout = join(folder, 'layout');
  const { digest, bytes } = await buildImage(background(), {
    output: layout,
    name: imageName,
    compression: 'none',
    cacheFolder: join(cacheFolder, 'debian-packages'),
  });
  await packLayout(layout, archive);
  return {
    name: imageName,
    digest,
    bytes,
    importOn: async (hosts, host) => {
      const imported = await hosts.ssh(host, `ctr -n k8s.io images import --local /media/lab/images/${file}`);
      if (imported.code !== 0) throw new Error(`the image was not imported: ${imported.stderr}`);
    },
    remove: () => rm(archive, { force: true }),
  };
}
