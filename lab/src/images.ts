/**
 * The images that kubeadm and the tests want, from built parts and the hosts' file system: one OCI layout per set, as a
 * tar that `ctr images import` takes. Made once and cached.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeImage, type LayerSource } from '@polyanthus/ground-oci/image';
import type { TarEntry } from '@polyanthus/ground-oci/tar';
import { binary } from './parts.ts';

interface LabImage {
  readonly name: string;
  readonly layers: readonly LayerSource[];
  readonly entrypoint: readonly string[];
  readonly user?: string;
}

const applets =
  'sh ls cat cp mv rm mkdir ps sleep env id wget httpd nc nslookup ping ip hostname date grep awk sed tail head true false touch chmod ln kill tar sha256sum dd wc sort cut tr seq du stat yes printf echo test gzip'.split(
    ' ',
  );

const file = (path: string, content: Uint8Array, mode = 0o755): TarEntry => ({ kind: 'file', path, mode, content });
const text = (path: string, content: string): TarEntry => file(path, new TextEncoder().encode(content), 0o644);

/** Folders for every file, parents first, then the files. */
function withFolders(entries: readonly TarEntry[]): readonly TarEntry[] {
  const folders = new Set<string>();
  for (const entry of entries) {
    const parts = entry.path.split('/').slice(0, -1);
    parts.forEach((_part, index) => folders.add(parts.slice(0, index + 1).join('/')));
  }
  return [
    ...[...folders].sort().map((path): TarEntry => ({ kind: 'folder', path, mode: path === 'tmp' ? 0o1777 : 0o755 })),
    ...entries,
  ];
}

const layer = (comment: string, entries: readonly TarEntry[]): LayerSource => ({
  comment,
  entries: withFolders(entries),
});

/** A file of the hosts' file system under its own path. */
function fromRoot(root: string, path: string): TarEntry {
  return file(path.slice(1), readFileSync(realpathSync(join(root, path))));
}

/** busybox with its libraries: the static one of Debian crashes in getaddrinfo. */
function busyboxLayer(root: string): LayerSource {
  const libraries = [
    '/lib/x86_64-linux-gnu/libc.so.6',
    '/lib/x86_64-linux-gnu/libresolv.so.2',
    '/lib64/ld-linux-x86-64.so.2',
  ];
  return layer('busybox', [
    ...libraries.map((path) => fromRoot(root, path)),
    file('bin/busybox', readFileSync('/bin/busybox')),
    ...applets.map((name): TarEntry => ({ kind: 'symlink', path: `bin/${name}`, target: 'busybox' })),
    text('etc/nsswitch.conf', 'hosts: files dns\n'),
    text('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n'),
    text('etc/group', 'root:x:0:\n'),
    text('tmp/.keep', ''),
  ]);
}

/** iptables, conntrack and ipset with their libraries and extensions, for kube-proxy. */
function iptablesLayer(root: string): LayerSource {
  const programs = [
    '/usr/sbin/xtables-nft-multi',
    '/usr/sbin/xtables-legacy-multi',
    '/usr/sbin/conntrack',
    '/usr/sbin/ipset',
  ];
  const extensions = readdirSync(join(root, 'usr/lib/x86_64-linux-gnu/xtables'))
    .filter((name) => name.endsWith('.so'))
    .map((name) => `/usr/lib/x86_64-linux-gnu/xtables/${name}`);
  const listed = execFileSync('chroot', [root, 'ldd', ...programs, ...extensions], {
    encoding: 'utf8',
    maxBuffer: 16 << 20,
  });
  const libraries = [...new Set([...listed.matchAll(/(\/lib\S+) \(/g)].map((match) => match[1] ?? ''))];
  const links = ['iptables', 'iptables-save', 'iptables-restore', 'ip6tables', 'ip6tables-save', 'ip6tables-restore'];
  return layer('iptables', [
    ...libraries.map((path) => fromRoot(root, path)),
    ...programs.map((path) => fromRoot(root, path)),
    ...extensions.filter((path) => statSync(join(root, path)).isFile()).map((path) => fromRoot(root, path)),
    ...links.map((name): TarEntry => ({ kind: 'symlink', path: `usr/sbin/${name}`, target: 'xtables-nft-multi' })),
    text('etc/protocols', 'tcp 6 TCP\nudp 17 UDP\nicmp 1 ICMP\n'),
  ]);
}

function program(name: string, version: string, path = `usr/local/bin/${name}`): LayerSource {
  const built = binary(name, version);
  if (built === undefined) throw new Error(`${name} ${version} is not built (node lab/build.ts)`);
  return layer(name, [file(path, readFileSync(built))]);
}

function kubernetesImages(root: string, version: string, pausePath: string): readonly LabImage[] {
  const minor = version.split('.').slice(0, 2).join('.');
  const etcd = minor === '1.36' ? '3.6.8' : '3.7.0';
  // 1.36 asks for CoreDNS 1.14.2, which the module proxy lacks: the same newer program stands under both tags.
  const dns = minor === '1.36' ? 'v1.14.2' : 'v1.14.6';
  const control = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler'].map((name) => ({
    name: `registry.k8s.io/${name}:v${version}`,
    layers: [program(name, version)],
    entrypoint: [`/usr/local/bin/${name}`],
  }));
  return [
    ...control,
    {
      name: `registry.k8s.io/kube-proxy:v${version}`,
      layers: [busyboxLayer(root), iptablesLayer(root), program('kube-proxy', version)],
      entrypoint: ['/usr/local/bin/kube-proxy'],
    },
    {
      name: 'registry.k8s.io/pause:3.10.2',
      layers: [layer('pause', [file('pause', readFileSync(pausePath))])],
      entrypoint: ['/pause'],
      user: '65535:65535',
    },
    {
      name: `registry.k8s.io/etcd:${etcd}-0`,
      layers: [busyboxLayer(root), program('etcd', etcd)],
      entrypoint: ['/usr/local/bin/etcd'],
    },
    {
      name: `registry.k8s.io/coredns/coredns:${dns}`,
      layers: [program('coredns', '1.14.6', 'coredns')],
      entrypoint: ['/coredns'],
    },
  ];
}

/** Writes `images/<set>.tar` for `addons` or a Kubernetes version, when it is not there. Answers its path. */
export async function imageSet(labFolder: string, set: string, pausePath: string): Promise<string> {
  const target = join(labFolder, `media/images/${set}.tar`);
  if (existsSync(target)) return target;
  const root = join(labFolder, 'rootfs');
  const images: readonly LabImage[] =
    set === 'addons'
      ? [{ name: 'docker.io/library/busybox:1.35', layers: [busyboxLayer(root)], entrypoint: [] }]
      : kubernetesImages(root, set, pausePath);
  const layout = `${target}.layout`;
  await rm(layout, { recursive: true, force: true });
  for (const image of images) await writeLabImage(layout, image);
  await packLayout(layout, target);
  return target;
}

/** Makes an OCI layout the archive that `ctr images import` takes; the layout is gone afterwards. */
export async function packLayout(layout: string, target: string): Promise<void> {
  execFileSync('tar', ['-C', layout, '-cf', `${target}.part`, 'oci-layout', 'index.json', 'blobs']);
  execFileSync('mv', [`${target}.part`, target]);
  await rm(layout, { recursive: true, force: true });
}

async function writeLabImage(layout: string, image: LabImage): Promise<void> {
  await writeImage(layout, {
    name: image.name,
    architecture: 'amd64',
    layers: image.layers,
    entrypoint: image.entrypoint,
    env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
    user: image.user ?? '0:0',
    labels: {},
    createdSeconds: 1_767_225_600,
    compression: 'none',
    sbom: { bomFormat: 'CycloneDX', specVersion: '1.6', components: [] },
  });
}
