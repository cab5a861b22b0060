/** Who a hub on a Kubernetes cluster is: one Secret of its namespace, made by whichever replica comes first. */
import type { Context } from '@polyanthus/ground-base/context';
import type { Random } from '@polyanthus/ground-base/random';
import { createAuthority, type AuthorityFiles } from '@polyanthus/ground-pki/authority';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { unlessGone } from '@polyanthus/kube-client/gone';
import { secrets, type Secret } from '@polyanthus/kube-kinds/core';
import { fieldManager, ownedLabel } from '@polyanthus/kube-kinds/own/ownership';
import { isStatus } from '@polyanthus/kube-objects/status';
import { hubErrors } from './errors.ts';

/** The keys that all replicas share. */
export interface SharedIdentity {
  /** A uuid, made once: what agents sign as the hub they mean. */
  readonly hubId: string;
  /** Issues agents' certificates. */
  readonly agentCa: AuthorityFiles;
  /** Issues the certificates that agents and users see; each replica gets its own. */
  readonly servingCa: AuthorityFiles;
  /** Issues the certificates by which replicas know each other. */
  readonly replicaCa: AuthorityFiles;
}

/** The Secret's type. */
export const identitySecretType = 'fleet.polyanthus.dev/hub-identity';

const authorities = { agentCa: 'agent-ca', servingCa: 'serving-ca', replicaCa: 'replica-ca' } as const;
type AuthorityName = keyof typeof authorities;

/** Reads the Secret, or makes it. Throws IdentityUnreadable for one that is not complete, which is never changed. */
export async function sharedIdentity(
  ctx: Context,
  hubClient: KubeClient,
  at: { readonly namespace: string; readonly name: string },
  random: Random,
): Promise<SharedIdentity> {
  const found = await read(ctx, hubClient, at);
  if (found !== undefined) return found;
  try {
    await hubClient.create(ctx, secrets, await freshSecret(ctx, at, random), { fieldManager });
  } catch (error) {
    // Another replica was first: its keys are the hub's.
    if (!isStatus(error, 'AlreadyExists')) throw error;
  }
  const made = await read(ctx, hubClient, at);
  if (made === undefined) throw unreadable(at, 'it was deleted as soon as it was made');
  return made;
}

async function read(
  ctx: Context,
  hubClient: KubeClient,
  at: { readonly namespace: string; readonly name: string },
): Promise<SharedIdentity | undefined> {
  const secret = await unlessGone(hubClient.get(ctx, secrets, at));
  if (secret === undefined) return undefined;
  if (secret.type !== identitySecretType) throw unreadable(at, `its type is not ${identitySecretType}`);
  const field = (name: string): string => {
    const text = Buffer.from(secret.data?.[name] ?? '', 'base64').toString('utf8');
    if (text === '') throw unreadable(at, `its data has no ${name}`);
    return text;
  };
  const authority = (name: AuthorityName): AuthorityFiles => ({
    certificatePem: field(`${authorities[name]}.crt`),
    keyPem: field(`${authorities[name]}.key`),
  });
  return {
    hubId: field('hub-id'),
    agentCa: authority('agentCa'),
    servingCa: authority('servingCa'),
    replicaCa: authority('replicaCa'),
  };
}

async function freshSecret(
  ctx: Context,
  at: { readonly namespace: string; readonly name: string },
  random: Random,
): Promise<Secret> {
  const encode = (text: string): string => Buffer.from(text, 'utf8').toString('base64');
  const data: Record<string, string> = { 'hub-id': encode(random.uuid()) };
  for (const name of Object.values(authorities)) {
    const commonName = `polyanthus ${name.replace('-ca', '')}`;
    const { certificatePem, keyPem } = await createAuthority({ commonName, nowMs: ctx.clock.now(), random });
    data[`${name}.crt`] = encode(certificatePem);
    data[`${name}.key`] = encode(keyPem);
  }
  const metadata = { ...at, labels: { [ownedLabel]: 'true' } };
  return { apiVersion: 'v1', kind: 'Secret', metadata, type: identitySecretType, data };
}

function unreadable(at: { readonly namespace: string; readonly name: string }, why: string): Error {
  return hubErrors.error('IdentityUnreadable', `Secret ${at.namespace}/${at.name} cannot be used: ${why}`);
}
