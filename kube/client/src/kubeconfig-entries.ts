/** The entries of a kubeconfig, under the names that they have in the file (client-go clientcmd/api/v1 types.go). */
import type { YamlObject, YamlValue } from '@polyanthus/ground-yaml/value';
import { clientErrors } from './errors.ts';

export interface ClusterFields {
  readonly server?: string;
  readonly 'tls-server-name'?: string;
  readonly 'insecure-skip-tls-verify'?: boolean;
  /** A path; absolute once loaded. */
  readonly 'certificate-authority'?: string;
  /** Base64 of PEM; goes before the path. */
  readonly 'certificate-authority-data'?: string;
  readonly 'proxy-url'?: string;
  readonly extensions?: readonly { readonly name: string; readonly extension: YamlValue }[];
}

export interface ExecFields {
  readonly command?: string;
  readonly args?: readonly string[] | null;
  readonly env?: readonly { readonly name: string; readonly value: string }[] | null;
  readonly apiVersion?: string;
  readonly installHint?: string;
  readonly provideClusterInfo?: boolean;
  readonly interactiveMode?: string;
}

/** Values are secrets. */
export interface UserFields {
  readonly 'client-certificate'?: string;
  readonly 'client-certificate-data'?: string;
  readonly 'client-key'?: string;
  readonly 'client-key-data'?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly as?: string;
  readonly 'as-uid'?: string;
  readonly 'as-groups'?: readonly string[];
  readonly 'as-user-extra'?: Readonly<Record<string, readonly string[]>>;
  readonly username?: string;
  readonly password?: string;
  readonly 'auth-provider'?: { readonly name?: string };
  readonly exec?: ExecFields;
}

export interface ContextFields {
  readonly cluster?: string;
  readonly user?: string;
  readonly namespace?: string;
}

/** One named entry and the file that it came from. */
export interface Entry<F> {
  readonly name: string;
  readonly file: string;
  readonly fields: F;
}

/** What one file says. */
export interface KubeconfigFile {
  readonly clusters: readonly Entry<ClusterFields>[];
  readonly users: readonly Entry<UserFields>[];
  readonly contexts: readonly Entry<ContextFields>[];
  readonly currentContext: string;
}

type Shape = 'string' | 'boolean' | 'strings' | 'lists' | 'object';

const clusterShapes: Readonly<Record<string, Shape>> = {
  server: 'string',
  'tls-server-name': 'string',
  'insecure-skip-tls-verify': 'boolean',
  'certificate-authority': 'string',
  'certificate-authority-data': 'string',
  'proxy-url': 'string',
};
const userShapes: Readonly<Record<string, Shape>> = {
  'client-certificate': 'string',
  'client-certificate-data': 'string',
  'client-key': 'string',
  'client-key-data': 'string',
  token: 'string',
  tokenFile: 'string',
  as: 'string',
  'as-uid': 'string',
  'as-groups': 'strings',
  'as-user-extra': 'lists',
  username: 'string',
  password: 'string',
  'auth-provider': 'object',
  exec: 'object',
};
const execShapes: Readonly<Record<string, Shape>> = {
  command: 'string',
  args: 'strings',
  apiVersion: 'string',
  installHint: 'string',
  provideClusterInfo: 'boolean',
  interactiveMode: 'string',
};
const contextShapes: Readonly<Record<string, Shape>> = { cluster: 'string', user: 'string', namespace: 'string' };

/** Reads the root of a file. Throws KubeconfigUnreadable, which names file, entry and field, never a value. */
export function readEntries(root: YamlValue, file: string): KubeconfigFile {
  if (root === null) return { clusters: [], users: [], contexts: [], currentContext: '' };
  if (!isObject(root)) throw unreadable(file, 'it is not a mapping');
  const current = root['current-context'] ?? '';
  if (typeof current !== 'string') throw unreadable(file, 'current-context is not a string');
  const users = list<UserFields>(root, file, 'users', 'user', userShapes);
  for (const user of users) {
    if (user.fields.exec !== undefined)
      checkShapes(user.fields.exec as YamlObject, execShapes, `user ${user.name}: exec.`, file);
  }
  return {
    clusters: list<ClusterFields>(root, file, 'clusters', 'cluster', clusterShapes),
    users,
    contexts: list<ContextFields>(root, file, 'contexts', 'context', contextShapes),
    currentContext: current,
  };
}

function list<F>(
  root: YamlObject,
  file: string,
  plural: string,
  singular: string,
  shapes: Readonly<Record<string, Shape>>,
): Entry<F>[] {
  const found = root[plural] ?? [];
  if (!Array.isArray(found)) throw unreadable(file, `${plural} is not a list`);
  const seen = new Set<string>();
  return (found as YamlValue[]).map((item, index) => {
    const name = isObject(item) ? (item['name'] ?? '') : undefined;
    if (!isObject(item) || typeof name !== 'string')
      throw unreadable(file, `${plural}[${index}] is not a mapping with a name`);
    if (seen.has(name)) throw unreadable(file, `${plural} has the name ${JSON.stringify(name)} twice`);
    seen.add(name);
    const fields = item[singular] ?? {};
    if (!isObject(fields)) throw unreadable(file, `${singular} ${JSON.stringify(name)} is not a mapping`);
    checkShapes(fields, shapes, `${singular} ${name}: `, file);
    return { name, file, fields: withoutNulls(fields) as F };
  });
}

function checkShapes(fields: YamlObject, shapes: Readonly<Record<string, Shape>>, where: string, file: string): void {
  for (const [name, shape] of Object.entries(shapes)) {
    const value = fields[name];
    if (value !== undefined && value !== null && !hasShape(value, shape))
      throw unreadable(file, `${where}${name} is not of the right type`);
  }
}

function hasShape(value: YamlValue, shape: Shape): boolean {
  if (shape === 'strings') return Array.isArray(value) && value.every((one) => typeof one === 'string');
  if (shape === 'object') return isObject(value);
  if (shape === 'lists')
    return isObject(value) && Object.values(value).every((one) => one !== undefined && hasShape(one, 'strings'));
  return typeof value === shape;
}

/** An empty value is an absent one (`token:` with nothing behind it). */
function withoutNulls(fields: YamlObject): YamlObject {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}

function isObject(value: YamlValue): value is YamlObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unreadable(file: string, why: string): Error {
  return clientErrors.error('KubeconfigUnreadable', `kubeconfig ${file}: ${why}`);
}
