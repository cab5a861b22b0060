/**
 * The way to hosts for an executor that is not where the user's files are: key and pinned host keys in a Secret of the run's
 * namespace. Whoever hands a run over with one says what it holds (its digest): who never read it cannot.
 */
import { createHash } from 'node:crypto';
import type { Context } from '@polyanthus/ground-base/context';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { secrets, type Secret } from '@polyanthus/kube-kinds/core';
import type { Run } from '@polyanthus/kube-kinds/own/runbook';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { isStatus } from '@polyanthus/kube-objects/status';
import { runbookErrors } from './errors.ts';

/** What Kubernetes calls a Secret with `ssh-privatekey`; no other type is ever used. */
const sshSecretType = 'kubernetes.io/ssh-auth';
const keyField = 'ssh-privatekey';
const knownHostsField = 'known_hosts';

/** What is in it. */
export interface SshAccess {
  readonly privateKey: Uint8Array;
  readonly knownHosts: Uint8Array;
}

/** Which one, and what it held. */
export interface SshReference {
  readonly name: string;
  /** SHA-256, hex. */
  readonly digest: string;
}

/** Key and host keys of a Secret. Throws SshSecretUnusable, which never names what is in it. */
export function sshAccessOf({ metadata, type, data = {} }: Secret): SshAccess {
  const [key, hosts] = [data[keyField] ?? '', data[knownHostsField] ?? ''];
  const lacks =
    type !== sshSecretType
      ? `it is not of type ${sshSecretType}`
      : key === ''
        ? `it has no ${keyField}`
        : hosts === ''
          ? `it has no ${knownHostsField}, with the keys of the hosts`
          : undefined;
  if (lacks !== undefined) throw runbookErrors.error('SshSecretUnusable', `Secret ${metadata.name ?? ''}: ${lacks}`);
  return { privateKey: Buffer.from(key, 'base64'), knownHosts: Buffer.from(hosts, 'base64') };
}

/** Names what it holds. */
export function sshDigest({ privateKey, knownHosts }: SshAccess): string {
  const hash = createHash('sha256');
  for (const part of [privateKey, knownHosts]) hash.update(`${part.length} `).update(part);
  return hash.digest('hex');
}

/** Reads one that the user named, as that user. Errors: SshSecretUnusable, StatusError. */
export async function sshReference(
  ctx: Context,
  client: KubeClient,
  namespace: string,
  name: string,
): Promise<SshReference> {
  return { name, digest: sshDigest(sshAccessOf(await client.get(ctx, secrets, { namespace, name }))) };
}

/** What the run's own Secret is called, and what it will hold. */
export function ownReference({ metadata: { name = '', uid = '' } }: Run, access: SshAccess): SshReference {
  return { name: `${name}-ssh-${uid.slice(0, 8)}`, digest: sshDigest(access) };
}

/** Makes it: it belongs to the run, and goes with it. One that holds something else is brought up to date. */
export async function keepSshAccess(ctx: Context, client: KubeClient, run: Run, access: SshAccess): Promise<void> {
  const { namespace } = run.metadata;
  const { name } = ownReference(run, access);
  const encoded = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  const secret: Secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, ...(namespace === undefined ? {} : { namespace }), ownerReferences: [ownerOf(run)] },
    type: sshSecretType,
    data: { [keyField]: encoded(access.privateKey), [knownHostsField]: encoded(access.knownHosts) },
  };
  try {
    await client.create(ctx, secrets, secret);
  } catch (error) {
    if (!isStatus(error, 'AlreadyExists')) throw error;
    await client.update(ctx, secrets, secret);
  }
}

/** For what belongs to a run. */
export function ownerOf(run: Run): NonNullable<KubeObject['metadata']['ownerReferences']>[number] {
  const { name = '', uid = '' } = run.metadata;
  return { apiVersion: run.apiVersion, kind: run.kind, name, uid };
}
