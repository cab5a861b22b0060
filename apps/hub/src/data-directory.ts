/** Where a hub keeps what it owns: folders and files of mode 0700 and 0600, and who the hub is. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '@polyanthus/ground-base/context';
import type { Random } from '@polyanthus/ground-base/random';
import { makeDirectory, writeDurably } from '@polyanthus/ground-files/durable';
import { createAuthority } from '@polyanthus/ground-pki/authority';
import { generateKey } from '@polyanthus/ground-pki/keys';
import { hubErrors } from './errors.ts';

/** Paths of one data directory. */
export interface DataDirectory {
  readonly root: string;
  readonly store: string;
  /** Unix socket of the API server's worker. */
  readonly apiSocket: string;
  readonly identity: string;
  readonly adminKubeconfig: string;
  readonly audit: string;
}

/** What a logical cluster needs to be the same one after a restart; all PEM. */
export interface ClusterSecrets {
  readonly caCertificatePem: string;
  readonly caKeyPem: string;
  readonly tokenKeyPem: string;
  readonly tokenPublicKeyPem: string;
}

/** Who this hub is. All of it is secret: the file has mode 0600. */
export interface HubIdentity {
  readonly format: 1;
  /** A uuid, made once: what agents sign as the hub they mean. */
  readonly hubId: string;
  readonly agentCa: { readonly certificatePem: string; readonly keyPem: string };
  readonly adminToken: string;
  /** By logical cluster; `hub` is the hub's own API. */
  readonly clusters: Readonly<Record<string, ClusterSecrets>>;
}

/** The paths below `root`. */
export function dataDirectory(root: string): DataDirectory {
  const at = (name: string): string => join(root, name);
  return {
    root,
    store: at('store'),
    apiSocket: at('api.sock'),
    identity: at('identity.json'),
    adminKubeconfig: at('admin.kubeconfig'),
    audit: at('audit.log'),
  };
}

/** What every system takes as the path of a unix socket, in bytes. */
const socketPathMax = 103;

function requireSocketPath({ apiSocket, root }: DataDirectory): void {
  const bytes = Buffer.byteLength(apiSocket);
  if (bytes <= socketPathMax) return;
  throw hubErrors.error('AddressUnsafe', `${root} is too long: a socket in it would have a path of ${bytes} bytes`, {
    next: `Choose a --data-dir that is ${bytes - socketPathMax} bytes shorter, or a symbolic link to it.`,
  });
}

/** Reads who the hub is, or makes it; clusters that are new get their secrets. Throws IdentityUnreadable, AddressUnsafe. */
export async function loadIdentity(
  ctx: Context,
  directory: DataDirectory,
  clusterNames: readonly string[],
  random: Random,
): Promise<HubIdentity> {
  requireSocketPath(directory);
  await makeDirectory(directory.root);
  const found = existsSync(directory.identity)
    ? parseIdentity(directory, await readFile(directory.identity, 'utf8'))
    : undefined;
  if (found === undefined && existsSync(directory.store))
    throw hubErrors.error(
      'IdentityUnreadable',
      `${directory.identity} is missing, but ${directory.store} holds data that belongs to it`,
    );
  const missing = clusterNames.filter((name) => found?.clusters[name] === undefined);
  if (found !== undefined && missing.length === 0) return found;
  const made = await Promise.all(missing.map(async (name) => [name, await clusterSecrets(ctx, name, random)] as const));
  const identity: HubIdentity = {
    ...(found ?? (await newHub(ctx, random))),
    clusters: { ...found?.clusters, ...Object.fromEntries(made) },
  };
  await writeDurably(directory.identity, `${JSON.stringify(identity)}\n`);
  return identity;
}

/** The content of `directory.identity`. Throws IdentityUnreadable. */
export function parseIdentity(directory: DataDirectory, text: string): HubIdentity {
  try {
    const value = JSON.parse(text) as Partial<HubIdentity>;
    if (value.format !== 1 || typeof value.hubId !== 'string' || typeof value.clusters !== 'object')
      throw new Error(`format ${String(value.format)} is not known`);
    return value as HubIdentity;
  } catch (cause) {
    throw hubErrors.error('IdentityUnreadable', `${directory.identity} cannot be used`, { cause });
  }
}

async function newHub(ctx: Context, random: Random): Promise<Omit<HubIdentity, 'clusters'>> {
  const agentCa = await createAuthority({ commonName: 'polyanthus agents', nowMs: ctx.clock.now(), random });
  return {
    format: 1,
    hubId: random.uuid(),
    agentCa: { certificatePem: agentCa.certificatePem, keyPem: agentCa.keyPem },
    adminToken: Buffer.from(random.bytes(32)).toString('base64url'),
  };
}

async function clusterSecrets(ctx: Context, name: string, random: Random): Promise<ClusterSecrets> {
  const ca = await createAuthority({ commonName: `polyanthus ${name}`, nowMs: ctx.clock.now(), random });
  const keys = await generateKey();
  return {
    caCertificatePem: ca.certificatePem,
    caKeyPem: ca.keyPem,
    tokenKeyPem: keys.privateKeyPem,
    tokenPublicKeyPem: keys.publicKeyPem,
  };
}
