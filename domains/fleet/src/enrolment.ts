/**
 * Enrolment as objects: a token is a Secret of the fleet's namespace that holds only its hash, the key that it let in is
 * in the Membership's status. Implements engine/tunnel's EnrolmentStore over any Kubernetes API.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Context } from '@polyanthus/ground-base/context';
import type { EnrolledMember, EnrolmentStore } from '@polyanthus/engine-tunnel/enrolment-store';
import { tokenHashOf } from '@polyanthus/engine-tunnel/enrolment';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { secrets, type Secret } from '@polyanthus/kube-kinds/core';
import { memberships, type Membership } from '@polyanthus/kube-kinds/own/fleet';
import { fieldManager, ownedLabel } from '@polyanthus/kube-kinds/own/ownership';
import { isStatus } from '@polyanthus/kube-objects/status';
import { formerUids } from './former-uids.ts';

/** The Secret's type. */
export const enrolmentSecretType = 'fleet.polyanthus.dev/enrolment';

/** On a Membership: the first 40 hex digits of the agent key's hash, so that a list finds it; the status has all. */
export const agentKeyLabel = 'fleet.polyanthus.dev/agent-key';

const encode = (text: string): string => Buffer.from(text, 'utf8').toString('base64');
const decode = (secret: Secret, key: string): string =>
  Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8');
const secretName = (tokenHash: string): string => `enrolment-${tokenHash.slice(0, 40)}`;
const labelOf = (keyHash: string): string => keyHash.slice(0, 40);

/** The Secret for a fresh token. `token` itself is never stored. */
export function enrolmentSecret(membership: Membership, token: string, expiresAt: Date): Secret {
  const tokenHash = tokenHashOf(token);
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: secretName(tokenHash),
      namespace: membership.metadata.namespace ?? '',
      labels: { [ownedLabel]: 'true' },
      ownerReferences: [
        {
          apiVersion: membership.apiVersion,
          kind: membership.kind,
          name: membership.metadata.name ?? '',
          uid: membership.metadata.uid ?? '',
        },
      ],
    },
    type: enrolmentSecretType,
    data: {
      tokenHash: encode(tokenHash),
      membership: encode(membership.metadata.name ?? ''),
      membershipUid: encode(membership.metadata.uid ?? ''),
      expiresAt: encode(expiresAt.toISOString()),
    },
  };
}

/** The store over the hub's API; `fleets` gives the namespaces that hold Memberships. */
export function createEnrolmentStore(hubClient: KubeClient, fleets: () => readonly string[]): EnrolmentStore {
  return {
    redeem: async (ctx, request) => {
      for (const fleet of fleets()) {
        const secret = await findSecret(ctx, hubClient, fleet, request.tokenHash);
        if (secret !== undefined) return redeemSecret(ctx, hubClient, secret, request);
      }
      return undefined;
    },
    memberOfKey: async (ctx, keyHash) => {
      for (const namespace of fleets()) {
        const found = await hubClient.list(ctx, memberships, {
          namespace,
          labelSelector: `${agentKeyLabel}=${labelOf(keyHash)}`,
        });
        const member = found.items.find(
          (one) => one.status?.agentKey === keyHash && one.metadata.deletionTimestamp === undefined,
        );
        if (member !== undefined) return asMember(member);
      }
      return undefined;
    },
    authorityOf: async (ctx, membershipUid) => {
      const member = await byUid(ctx, hubClient, fleets(), membershipUid);
      const { issuer, oidcJwks } = member?.spec?.authority ?? {};
      if (member === undefined || issuer === undefined || oidcJwks === undefined) return undefined;
      return { member: asMember(member), issuer, jwks: oidcJwks, externalId: member.spec?.externalId ?? '' };
    },
    replaceKey: async (ctx, membershipUid, keyHash) => {
      const member = await byUid(ctx, hubClient, fleets(), membershipUid);
      if (member !== undefined) await setKey(ctx, hubClient, member, keyHash);
    },
  };
}

async function findSecret(
  ctx: Context,
  hubClient: KubeClient,
  fleet: string,
  tokenHash: string,
): Promise<Secret | undefined> {
  try {
    const secret = await hubClient.get(ctx, secrets, { namespace: fleet, name: secretName(tokenHash) });
    return secret.type === enrolmentSecretType && sameText(decode(secret, 'tokenHash'), tokenHash) ? secret : undefined;
  } catch (error) {
    if (isStatus(error, 'NotFound')) return undefined;
    throw error;
  }
}

/** The compare on resourceVersion makes it one transaction: of two agents the later sees the first one's key. */
async function redeemSecret(
  ctx: Context,
  hubClient: KubeClient,
  secret: Secret,
  request: { readonly keyHash: string; readonly externalId: string; readonly nowMs: number },
): Promise<EnrolledMember | undefined> {
  if (Date.parse(decode(secret, 'expiresAt')) < request.nowMs) return undefined;
  const usedBy = decode(secret, 'keyHash');
  if (usedBy !== '' && !sameText(usedBy, request.keyHash)) return undefined;
  const member = await hubClient.get(ctx, memberships, {
    namespace: secret.metadata.namespace,
    name: decode(secret, 'membership'),
  });
  if (member.metadata.uid !== decode(secret, 'membershipUid') || member.metadata.deletionTimestamp !== undefined)
    return undefined;
  if (member.spec?.externalId !== undefined && member.spec.externalId !== request.externalId) return undefined;
  if (usedBy === '') {
    try {
      await hubClient.update(
        ctx,
        secrets,
        { ...secret, data: { ...secret.data, keyHash: encode(request.keyHash) } },
        { fieldManager },
      );
    } catch (error) {
      if (isStatus(error, 'Conflict')) return undefined;
      throw error;
    }
  }
  await setKey(ctx, hubClient, member, request.keyHash);
  return asMember(member);
}

async function setKey(ctx: Context, hubClient: KubeClient, member: Membership, keyHash: string): Promise<void> {
  const key = { namespace: member.metadata.namespace, name: member.metadata.name ?? '' };
  const uid = member.metadata.uid ?? '';
  await hubClient.patch(
    ctx,
    memberships,
    key,
    { type: 'merge', body: { metadata: { uid, labels: { [agentKeyLabel]: labelOf(keyHash) } } } },
    { fieldManager },
  );
  await hubClient.patch(
    ctx,
    memberships,
    key,
    { type: 'merge', body: { metadata: { uid }, status: { agentKey: keyHash } } },
    { fieldManager, subresource: 'status' },
  );
}

async function byUid(
  ctx: Context,
  hubClient: KubeClient,
  fleets: readonly string[],
  uid: string,
): Promise<Membership | undefined> {
  let restored: Membership | undefined;
  for (const namespace of fleets) {
    const { items } = await hubClient.listAll(ctx, memberships, { namespace });
    const found = items.find((one) => one.metadata.uid === uid);
    if (found !== undefined) return found;
    restored ??= items.find((one) => formerUids(one).includes(uid));
  }
  return restored;
}

function asMember(member: Membership): EnrolledMember {
  return {
    membershipUid: member.metadata.uid ?? '',
    fleet: member.metadata.namespace ?? '',
    name: member.metadata.name ?? '',
  };
}

function sameText(one: string, other: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(one), hash(other));
}
