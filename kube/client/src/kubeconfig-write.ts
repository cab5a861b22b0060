/** Writing a context into a kubeconfig: everything else in the file stays, comments too. */
import { constants } from 'node:fs';
import { mkdir, open, readFile, realpath, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { openYaml, type EditableYaml } from '@polyanthus/ground-yaml/edit';
import type { YamlObject, YamlValue } from '@polyanthus/ground-yaml/value';
import { clientErrors } from './errors.ts';
import { parseKubeconfig } from './kubeconfig.ts';
import type { ClusterFields, UserFields } from './kubeconfig-entries.ts';

/** One context with its cluster and user; entries of the same names are replaced. */
export interface NewContext {
  readonly name: string;
  readonly namespace?: string;
  readonly cluster: { readonly name: string; readonly fields: ClusterFields };
  readonly user: { readonly name: string; readonly fields: UserFields };
  /** Also makes it the current one. */
  readonly setCurrent: boolean;
}

/**
 * Writes the context into `file`, making it when it does not exist. The new content is whole or absent (written beside,
 * synced, renamed), with mode 0600; kubectl's own lock file keeps both from writing at once. Throws KubeconfigUnreadable.
 */
export async function writeKubeconfigContext(file: string, context: NewContext): Promise<void> {
  await edit(file, (document) => {
    setNamed(document, 'clusters', context.cluster.name, 'cluster', context.cluster.fields as YamlObject);
    setNamed(document, 'users', context.user.name, 'user', context.user.fields as YamlObject);
    const { namespace } = context;
    setNamed(document, 'contexts', context.name, 'context', {
      cluster: context.cluster.name,
      user: context.user.name,
      ...(namespace === undefined ? {} : { namespace }),
    });
    if (context.setCurrent) document.set(['current-context'], context.name);
  });
}

/** Makes an existing context the current one. Throws KubeconfigContextMissing. */
export async function setCurrentContext(file: string, name: string): Promise<void> {
  await edit(file, (document) => {
    if (indexOf(document, 'contexts', name) < 0)
      throw clientErrors.error('KubeconfigContextMissing', `${file}: there is no context ${JSON.stringify(name)}`);
    document.set(['current-context'], name);
  });
}

/** Removes a context, and its cluster and user when no other context of the file uses them. False when it is not there. */
export async function removeKubeconfigContext(file: string, name: string): Promise<boolean> {
  let found = false;
  await edit(file, (document) => {
    const at = indexOf(document, 'contexts', name);
    if (at < 0) return;
    found = true;
    const fields = (document.get(['contexts', at, 'context']) ?? {}) as YamlObject;
    document.delete(['contexts', at]);
    const left = ((document.get(['contexts']) ?? []) as YamlObject[]).map(
      (one) => (one['context'] ?? {}) as YamlObject,
    );
    for (const [plural, singular] of [
      ['clusters', 'cluster'],
      ['users', 'user'],
    ] as const) {
      const entry = indexOf(document, plural, String(fields[singular] ?? ''));
      if (entry >= 0 && !left.some((one) => one[singular] === fields[singular])) document.delete([plural, entry]);
    }
    if (document.get(['current-context']) === name) document.set(['current-context'], '');
  });
  return found;
}

function setNamed(document: EditableYaml, plural: string, name: string, singular: string, fields: YamlObject): void {
  const list = document.get([plural]);
  const entry: YamlValue = { name, [singular]: fields };
  if (!Array.isArray(list)) return document.set([plural], [entry]);
  const at = indexOf(document, plural, name);
  document.set([plural, at < 0 ? list.length : at], entry);
}

function indexOf(document: EditableYaml, plural: string, name: string): number {
  const list = document.get([plural]);
  return Array.isArray(list) ? (list as YamlObject[]).findIndex((one) => one['name'] === name) : -1;
}

const empty =
  'apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\ncurrent-context: ""\npreferences: {}\nusers: []\n';

async function edit(named: string, change: (document: EditableYaml) => void): Promise<void> {
  await mkdir(dirname(named), { recursive: true, mode: 0o700 });
  // Through a link, as kubectl writes: the link stays.
  const file = await realpath(named).catch(() => named);
  const unlock = await lock(file);
  try {
    const before = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw clientErrors.error('KubeconfigUnreadable', `kubeconfig ${file}: ${error.code ?? 'it cannot be read'}`, {
        cause: error,
      });
    });
    // What cannot be read is not written over.
    parseKubeconfig(before, file);
    const document = openYaml(before.trim() === '' ? empty : before, file);
    change(document);
    const after = document.toString();
    parseKubeconfig(after, file);
    await replace(file, after);
  } finally {
    await unlock();
  }
}

async function lock(file: string): Promise<() => Promise<void>> {
  const path = `${file}.lock`;
  try {
    await (await open(path, constants.O_CREAT | constants.O_EXCL, 0o600)).close();
  } catch (cause) {
    throw clientErrors.error(
      'KubeconfigUnreadable',
      `kubeconfig ${file} is being written by another program (${path} exists)`,
      {
        cause,
        next: `When no other program writes it, remove ${path}.`,
      },
    );
  }
  return () => unlink(path);
}

async function replace(file: string, text: string): Promise<void> {
  const beside = `${file}.new`;
  const handle = await open(beside, 'w', 0o600);
  try {
    await handle.chmod(0o600);
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(beside, file);
}
