/** What of the packages, of Node and of the bundle becomes a file of the image, in an order that is always the same. */
import { lstat, readFile, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { LayerSource } from '@polyanthus/ground-oci/image';
import type { TarEntry } from '@polyanthus/ground-oci/tar';
import type { LockedPackage } from './packages.ts';

/** Of packages, what a program that runs Node never opens. Licences stay. */
const leftOut = [
  /^usr\/share\/doc\/[^/]+\/(?!copyright$)/,
  /^usr\/share\/(lintian|locale|man|gcc|gdb)(\/|$)/,
  /^usr\/lib\/[^/]+\/(gconv|audit)(\/|$)/,
];

const text = (path: string, content: string, mode = 0o644): TarEntry => ({
  kind: 'file',
  path,
  mode,
  content: new TextEncoder().encode(content),
});
const folder = (path: string, mode = 0o755): TarEntry => ({ kind: 'folder', path, mode });

/** The libraries, and the few files that programs expect of a system. */
export async function systemLayer(unpacked: string, packages: readonly LockedPackage[]): Promise<LayerSource> {
  const entries = (await walk(unpacked, '')).filter((entry) => !leftOut.some((pattern) => pattern.test(entry.path)));
  const added = [
    folder('etc'),
    text('etc/group', 'root:x:0:\nnonroot:x:65532:\n'),
    text('etc/nsswitch.conf', 'hosts: files dns\n'),
    text(
      'etc/passwd',
      'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n',
    ),
    folder('home'),
    folder('home/nonroot'),
    folder('tmp', 0o1777),
    folder('var'),
    folder('var/lib'),
    folder('var/lib/dpkg'),
    folder('var/lib/dpkg/status.d'),
    // Where scanners of images without a package manager look.
    ...packages.map((one) => text(`var/lib/dpkg/status.d/${one.name.replaceAll(/[^\w.-]/g, '_')}`, paragraph(one))),
  ];
  return { comment: 'Debian packages', entries: byPath([...entries, ...added]) };
}

function paragraph(one: LockedPackage): string {
  return `Package: ${one.name}\nStatus: install ok installed\nArchitecture: ${one.architecture}\nVersion: ${one.version}\n`;
}

/** Node alone. */
export async function nodeLayer(executable: string): Promise<LayerSource> {
  const node: TarEntry = { kind: 'file', path: 'usr/local/bin/node', mode: 0o755, content: await readFile(executable) };
  return { comment: 'Node', entries: [folder('usr'), folder('usr/local'), folder('usr/local/bin'), node] };
}

/** The bundle in /app; source maps stay outside. */
export async function appLayer(bundle: string): Promise<LayerSource> {
  const files = (await readdir(bundle)).filter((name) => !name.endsWith('.map')).sort();
  const entries = files.map(async (name): Promise<TarEntry> => {
    return { kind: 'file', path: `app/${name}`, mode: 0o644, content: await readFile(join(bundle, name)) };
  });
  return { comment: 'hub, agent and command line', entries: [folder('app'), ...(await Promise.all(entries))] };
}

async function walk(root: string, inside: string): Promise<readonly TarEntry[]> {
  const found: TarEntry[] = [];
  for (const name of await readdir(join(root, inside))) {
    const path = inside === '' ? name : `${inside}/${name}`;
    const stat = await lstat(join(root, path));
    if (stat.isSymbolicLink()) found.push({ kind: 'symlink', path, target: await readlink(join(root, path)) });
    else if (stat.isDirectory()) found.push(folder(path, stat.mode & 0o7777), ...(await walk(root, path)));
    else found.push({ kind: 'file', path, mode: stat.mode & 0o7777, content: await readFile(join(root, path)) });
  }
  return found;
}

/** Sorted by path, which puts folders before what is in them; of two with one path the first stays. */
function byPath(entries: readonly TarEntry[]): readonly TarEntry[] {
  const first = new Map<string, TarEntry>();
  for (const entry of entries) if (!first.has(entry.path)) first.set(entry.path, entry);
  return [...first.values()].sort((one, other) => (one.path < other.path ? -1 : 1));
}
