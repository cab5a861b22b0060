/** What registering must know of a cluster before it changes anything there (facts/fleet.md 1.2, register's order). */
import { sleep, withTimeout, type Context } from '@polyanthus/ground-base/context';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { unlessGone } from '@polyanthus/kube-client/gone';
import { customResourceDefinitions, namespaces } from '@polyanthus/kube-kinds/core';
import { inClusterMemberships } from '@polyanthus/kube-kinds/own/fleet';
import { agentNamespace, isOwned } from '@polyanthus/kube-kinds/own/ownership';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { resourceType } from '@polyanthus/kube-objects/resource';
import { fleetErrors } from './errors.ts';

interface AccessReview extends KubeObject {
  readonly spec: object;
  readonly status?: { readonly allowed?: boolean };
}
const selfSubjectAccessReviews = resourceType<AccessReview>(
  'authorization.k8s.io',
  'v1',
  'selfsubjectaccessreviews',
  'SelfSubjectAccessReview',
  false,
);

/** The lock as found: absent, ours to write, or held by a fleet through a CRD that may be another product's. */
export interface LockState {
  readonly crd: 'absent' | 'ours' | 'foreign';
  /** `spec.owner.id` of the lock object. */
  readonly owner: string | undefined;
}

/** Facts of one cluster. */
export interface MemberFacts {
  /** uid of kube-system: which cluster this is. */
  readonly externalId: string;
  readonly version: string;
  readonly issuer: string;
  /** JSON Web Key Set of the cluster's ServiceAccount tokens. */
  readonly jwks: string;
  readonly lock: LockState;
}

/** A kube-apiserver answers 406 to who takes application/json alone. */
const jwksAccept = 'application/jwk-set+json, application/json;q=0.9';

const lockCrdName = 'memberships.hub.gke.io';
const leftoversTimeoutMs = 120_000;

/** Reads all facts; the first that cannot be read says why registering cannot go on. */
export async function readMemberFacts(ctx: Context, memberClient: KubeClient): Promise<MemberFacts> {
  await requireAdmin(ctx, memberClient);
  await untilLeftoversGone(ctx, memberClient);
  const externalId = (await memberClient.get(ctx, namespaces, { name: 'kube-system' })).metadata.uid ?? '';
  const version = (await memberClient.getJson<{ readonly gitVersion: string }>(ctx, '/version')).gitVersion;
  return { externalId, version, ...(await readIssuer(ctx, memberClient)), lock: await readLock(ctx, memberClient) };
}

/**
 * Waits while what an earlier membership left is being deleted: an apply to it would be accepted, and be gone with it.
 * Throws DeadlineExceeded, which names what does not end.
 */
async function untilLeftoversGone(ctx: Context, memberClient: KubeClient): Promise<void> {
  const leftovers: readonly (readonly [string, (inner: Context) => Promise<KubeObject>])[] = [
    [`namespace ${agentNamespace}`, (inner) => memberClient.get(inner, namespaces, { name: agentNamespace })],
    [lockCrdName, (inner) => memberClient.get(inner, customResourceDefinitions, { name: lockCrdName })],
  ];
  for (const [name, read] of leftovers) {
    await withTimeout(ctx, leftoversTimeoutMs, `waiting for the end of the deletion of ${name}`, async (inner) => {
      while ((await unlessGone(read(inner)))?.metadata.deletionTimestamp !== undefined) await sleep(inner, 250);
    });
  }
}

async function requireAdmin(ctx: Context, memberClient: KubeClient): Promise<void> {
  const review: AccessReview = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    metadata: {},
    spec: { resourceAttributes: { verb: '*', group: '*', resource: '*' } },
  };
  const answer = await memberClient.create(ctx, selfSubjectAccessReviews, review);
  if (answer.status?.allowed !== true)
    throw fleetErrors.error(
      'NotClusterAdmin',
      "the account of this kubeconfig context may not do everything in the cluster (\"kubectl auth can-i '*' '*' --all-namespaces\" says no)",
    );
}

async function readIssuer(
  ctx: Context,
  memberClient: KubeClient,
): Promise<{ readonly issuer: string; readonly jwks: string }> {
  try {
    const discovery = await memberClient.getJson<{ readonly issuer: string }>(ctx, '/.well-known/openid-configuration');
    const jwks = await memberClient.getJson<object>(ctx, '/openid/v1/jwks', jwksAccept);
    return { issuer: discovery.issuer, jwks: JSON.stringify(jwks) };
  } catch (cause) {
    throw fleetErrors.error('IssuerUnreadable', "the cluster's ServiceAccount issuer could not be read", { cause });
  }
}

/** The CRD decides first: one that is not ours by label is only ever read. */
export async function readLock(ctx: Context, memberClient: KubeClient): Promise<LockState> {
  const crd = await unlessGone(memberClient.get(ctx, customResourceDefinitions, { name: lockCrdName }));
  if (crd === undefined) return { crd: 'absent', owner: undefined };
  const lock = await unlessGone(memberClient.get(ctx, inClusterMemberships, { name: 'membership' }));
  return { crd: isOwned(crd) ? 'ours' : 'foreign', owner: lock?.spec.owner.id };
}
