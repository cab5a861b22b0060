/** Loading kubeconfigs as kubectl does: lists of files, merged, paths resolved against their file. */
import { readFile } from 'node:fs/promises';
import { delimiter, dirname, join, resolve } from 'node:path';
import { parseYaml } from '@polyanthus/ground-yaml/parse';
import { clientErrors } from './errors.ts';
import {
  readEntries,
  type ClusterFields,
  type ContextFields,
  type Entry,
  type KubeconfigFile,
  type UserFields,
} from './kubeconfig-entries.ts';

/** Which files, and whether one that is not there is an error. */
export interface KubeconfigFiles {
  readonly files: readonly string[];
  /** True for a file that the user named with --kubeconfig: then it must exist. */
  readonly explicit: boolean;
}

/** All files merged; entries by name. */
export interface Kubeconfig {
  readonly files: readonly string[];
  readonly clusters: ReadonlyMap<string, Entry<ClusterFields>>;
  readonly users: ReadonlyMap<string, Entry<UserFields>>;
  readonly contexts: ReadonlyMap<string, Entry<ContextFields>>;
  /** Empty when no file has one. */
  readonly currentContext: string;
}

/** One context with what it refers to. */
export interface KubeContext {
  readonly name: string;
  /** `default` when the context has none. */
  readonly namespace: string;
  readonly cluster: Entry<ClusterFields>;
  readonly user: Entry<UserFields>;
}

const fileBytesMax = 16 * 1024 * 1024;

/** kubectl's order: the flag, else the list in KUBECONFIG, else ~/.kube/config. `env` is the process environment. */
export function kubeconfigFiles(env: Readonly<Record<string, string | undefined>>, flag?: string): KubeconfigFiles {
  if (flag !== undefined && flag !== '') return { files: [resolve(flag)], explicit: true };
  const listed = (env['KUBECONFIG'] ?? '').split(delimiter).filter((file) => file !== '');
  if (listed.length > 0) return { files: [...new Set(listed)], explicit: false };
  return { files: [join(env['HOME'] ?? '/', '.kube', 'config')], explicit: false };
}

/**
 * Reads and merges. By client-go's rules the first file to name a cluster, user or context sets the whole entry, and
 * the first to set current-context wins. Missing files are skipped unless named explicitly. Throws KubeconfigUnreadable.
 */
export async function loadKubeconfig(from: KubeconfigFiles): Promise<Kubeconfig> {
  const parsed: KubeconfigFile[] = [];
  for (const file of from.files) {
    const text = await readText(file, from.explicit);
    if (text !== undefined) parsed.push(parseKubeconfig(text, file));
  }
  return mergeKubeconfigs(parsed, from.files);
}

/** Reads one text; `file` is where relative paths start. */
export function parseKubeconfig(text: string, file: string): KubeconfigFile {
  try {
    return readEntries(parseYaml(text, { name: file, limits: { bytesMax: fileBytesMax } }), file);
  } catch (cause) {
    if ((cause as { code?: string }).code === 'KubeconfigUnreadable') throw cause;
    throw clientErrors.error('KubeconfigUnreadable', `kubeconfig ${(cause as Error).message}`, { cause });
  }
}

/** Merges in the order of precedence, the strongest first. */
export function mergeKubeconfigs(parsed: readonly KubeconfigFile[], files: readonly string[] = []): Kubeconfig {
  return {
    files,
    clusters: firstWins(
      parsed.flatMap((one) => one.clusters.map((entry) => ({ ...entry, fields: resolveCluster(entry) }))),
    ),
    users: firstWins(parsed.flatMap((one) => one.users.map((entry) => ({ ...entry, fields: resolveUser(entry) })))),
    contexts: firstWins(parsed.flatMap((one) => one.contexts)),
    currentContext: parsed.find((one) => one.currentContext !== '')?.currentContext ?? '',
  };
}

/**
 * The context of that name, or the current one. Throws KubeconfigContextMissing when context or cluster are missing; a
 * context without a user is anonymous, as with kubectl.
 */
export function contextOf(config: Kubeconfig, name?: string): KubeContext {
  const wanted = name ?? config.currentContext;
  const where = config.files.length === 0 ? 'the kubeconfig' : config.files.join(', ');
  if (wanted === '') throw clientErrors.error('KubeconfigContextMissing', `${where}: no current-context is set`);
  const context = config.contexts.get(wanted);
  if (context === undefined)
    throw clientErrors.error('KubeconfigContextMissing', `${where}: there is no context ${JSON.stringify(wanted)}`);
  const { cluster: clusterName = '', user: userName = '', namespace = '' } = context.fields;
  const cluster = config.clusters.get(clusterName);
  if (cluster === undefined) throw missing(context, 'cluster', clusterName);
  const user = config.users.get(userName);
  if (user === undefined && userName !== '') throw missing(context, 'user', userName);
  return {
    name: wanted,
    namespace: namespace === '' ? 'default' : namespace,
    cluster,
    user: user ?? { name: '', file: context.file, fields: {} },
  };
}

function missing(context: Entry<ContextFields>, what: string, name: string): Error {
  return clientErrors.error(
    'KubeconfigContextMissing',
    `${context.file}: the context ${JSON.stringify(context.name)} names the ${what} ${JSON.stringify(name)}, which does not exist`,
  );
}

async function readText(file: string, mustExist: boolean): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' && !mustExist) return undefined;
    throw clientErrors.error(
      'KubeconfigUnreadable',
      `kubeconfig ${file}: ${code === 'ENOENT' ? 'the file does not exist' : (code ?? 'it cannot be read')}`,
      { cause },
    );
  }
}

function firstWins<F>(entries: readonly Entry<F>[]): Map<string, Entry<F>> {
  const out = new Map<string, Entry<F>>();
  for (const entry of entries) if (!out.has(entry.name)) out.set(entry.name, entry);
  return out;
}

function resolveCluster(entry: Entry<ClusterFields>): ClusterFields {
  return { ...entry.fields, ...resolved(entry, ['certificate-authority']) };
}

function resolveUser(entry: Entry<UserFields>): UserFields {
  const { exec } = entry.fields;
  const paths = resolved(entry, ['client-certificate', 'client-key', 'tokenFile']);
  // A command without a slash is looked for on the PATH.
  const command = exec?.command?.includes('/') === true ? resolve(dirname(entry.file), exec.command) : undefined;
  return { ...entry.fields, ...paths, ...(command === undefined ? {} : { exec: { ...exec, command } }) };
}

function resolved<F>(entry: Entry<F>, names: readonly (keyof F & string)[]): Partial<F> {
  const out: Record<string, string> = {};
  for (const name of names) {
    const value = entry.fields[name];
    if (typeof value === 'string' && value !== '') out[name] = resolve(dirname(entry.file), value);
  }
  return out as Partial<F>;
}
