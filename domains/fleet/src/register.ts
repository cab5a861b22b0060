/**
 * Registering a cluster, in the field's order (facts/fleet.md 1.2): look first, then make, and take back what was made
 * when the agent of a new membership does not come up. Repeating it is an update.
 */
import { sleep, type Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { Random } from '@polyanthus/ground-base/random';
import { newEnrolmentToken } from '@polyanthus/engine-tunnel/enrolment';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { unlessGone } from '@polyanthus/kube-client/gone';
import { customResourceDefinitions, secrets } from '@polyanthus/kube-kinds/core';
import { inClusterMemberships, memberships, type Membership } from '@polyanthus/kube-kinds/own/fleet';
import { fieldManager, ownedLabel } from '@polyanthus/kube-kinds/own/ownership';
import { dns1123Label } from '@polyanthus/kube-objects/names';
import { isStatus } from '@polyanthus/kube-objects/status';
import { enrolmentSecret } from './enrolment.ts';
import { fleetErrors } from './errors.ts';
import { lockCrd } from './lock-crd.ts';
import { readMemberFacts, type MemberFacts } from './member-facts.ts';
import { fleetOwnerId } from './membership-names.ts';

/** How the agent gets into the cluster. */
export type AgentMode = 'deploy' | 'manifest' | 'external';

/** What registering works with. */
export interface RegisterOptions {
  readonly hubClient: KubeClient;
  readonly memberClient: KubeClient;
  readonly fleet: string;
  readonly name: string;
  readonly agent: AgentMode;
  readonly description?: string;
  /** Absent: as it is, `full` for a new membership. */
  readonly ceiling?: 'full' | 'readonly';
  /** Read another product's lock CRD instead of refusing. */
  readonly adopt: boolean;
  readonly random: Random;
  /** How long an enrolment token is good for. */
  readonly tokenTtlMs: number;
}

/** What registering made. `token` lets one agent in, once; undefined when the agent enrols by its ServiceAccount. */
export interface Registered {
  readonly membership: Membership;
  readonly facts: MemberFacts;
  readonly created: boolean;
  readonly token: string | undefined;
  /** Takes back what this call made. */
  readonly undo: (ctx: Context) => Promise<void>;
}

/** Registers up to the point where an agent may start. Errors: the codes of errors.ts and those of both APIs. */
export async function register(ctx: Context, options: RegisterOptions): Promise<Registered> {
  const problems = dns1123Label(options.name);
  if (problems.length > 0)
    throw fleetErrors.error(
      'InvalidMembershipName',
      `membership name ${JSON.stringify(options.name)}: ${problems.join('; ')}`,
    );
  const facts = await readMemberFacts(ctx, options.memberClient);
  checkLock(options, facts);
  const existing = await unlessGone(
    options.hubClient.get(ctx, memberships, { namespace: options.fleet, name: options.name }),
  );
  checkSameCluster(options, facts, existing);
  const undone: ((ctx: Context) => Promise<void>)[] = [];
  const undo = async (inner: Context): Promise<void> => {
    for (const step of undone.splice(0).reverse()) await step(inner);
  };
  try {
    const membership = await writeMembership(ctx, options, facts, existing, undone);
    await writeLock(ctx, options, facts, undone);
    const token = options.agent === 'external' ? await writeToken(ctx, options, membership) : undefined;
    return { membership, facts, created: existing === undefined, token, undo };
  } catch (error) {
    await undo(ctx);
    throw error;
  }
}

function checkLock(options: RegisterOptions, facts: MemberFacts): void {
  if (facts.lock.crd === 'foreign' && !options.adopt) {
    throw fleetErrors.error(
      'ForeignCrd',
      `the cluster has CustomResourceDefinition memberships.hub.gke.io without the label ${ownedLabel}=true${facts.lock.owner === undefined ? '' : `; its lock object names the owner ${facts.lock.owner}`}`,
    );
  }
  if (facts.lock.owner !== undefined && facts.lock.owner !== fleetOwnerId(options.fleet)) {
    throw fleetErrors.error(
      'OtherFleet',
      `the cluster belongs to ${facts.lock.owner}, not to ${fleetOwnerId(options.fleet)} (memberships.hub.gke.io/membership, spec.owner.id)`,
    );
  }
}

function checkSameCluster(options: RegisterOptions, facts: MemberFacts, existing: Membership | undefined): void {
  const known = existing?.spec?.externalId;
  if (known !== undefined && known !== facts.externalId) {
    throw fleetErrors.error(
      'NameTaken',
      `membership ${options.fleet}/${options.name} belongs to the cluster with kube-system uid ${known}; this one has ${facts.externalId}`,
    );
  }
}

async function writeMembership(
  ctx: Context,
  options: RegisterOptions,
  facts: MemberFacts,
  existing: Membership | undefined,
  undone: ((ctx: Context) => Promise<void>)[],
): Promise<Membership> {
  const body: Membership = {
    apiVersion: 'fleet.polyanthus.dev/v1',
    kind: 'Membership',
    metadata: { name: options.name, namespace: options.fleet },
    spec: {
      externalId: facts.externalId,
      agent: options.agent,
      // Never raised by the way: who lowered it meant it.
      ceiling: options.ceiling ?? existing?.spec?.ceiling ?? 'full',
      ...(options.description === undefined ? {} : { description: options.description }),
      authority: { issuer: facts.issuer, oidcJwks: facts.jwks },
    },
  };
  const key = { namespace: options.fleet, name: options.name };
  if (existing !== undefined)
    return options.hubClient.patch(ctx, memberships, key, { type: 'apply', body, force: true }, { fieldManager });
  const made = await options.hubClient.create(ctx, memberships, body, { fieldManager });
  undone.push((inner) =>
    ignoreGone(
      options.hubClient.delete(
        inner,
        memberships,
        key,
        made.metadata.uid === undefined ? {} : { preconditions: { uid: made.metadata.uid } },
      ),
    ),
  );
  return made;
}

async function writeLock(
  ctx: Context,
  options: RegisterOptions,
  facts: MemberFacts,
  undone: ((ctx: Context) => Promise<void>)[],
): Promise<void> {
  const { memberClient } = options;
  if (facts.lock.crd === 'foreign') return;
  const crd = lockCrd();
  await memberClient.patch(
    ctx,
    customResourceDefinitions,
    { name: crd.metadata.name ?? '' },
    { type: 'apply', body: crd, force: true },
    { fieldManager },
  );
  if (facts.lock.crd === 'absent')
    undone.push((inner) =>
      ignoreGone(memberClient.delete(inner, customResourceDefinitions, { name: crd.metadata.name ?? '' })),
    );
  const body = {
    apiVersion: 'hub.gke.io/v1beta1',
    kind: 'Membership',
    metadata: { name: 'membership', labels: { [ownedLabel]: 'true' } },
    spec: { owner: { id: fleetOwnerId(options.fleet) } },
  };
  await untilServed(ctx, () =>
    memberClient.patch(
      ctx,
      inClusterMemberships,
      { name: 'membership' },
      { type: 'apply', body, force: true },
      { fieldManager },
    ),
  );
  if (facts.lock.owner === undefined)
    undone.push((inner) => ignoreGone(memberClient.delete(inner, inClusterMemberships, { name: 'membership' })));
}

/** A fresh CRD is served a moment after it is accepted: NotFound is asked again, 50 times 100 ms at most. */
async function untilServed<T>(ctx: Context, attempt: () => Promise<T>): Promise<T> {
  for (let left = 50; ; left--) {
    try {
      return await attempt();
    } catch (error) {
      if (!isStatus(error, 'NotFound') || left === 0) throw error;
      await sleep(ctx, 100);
    }
  }
}

async function writeToken(ctx: Context, options: RegisterOptions, membership: Membership): Promise<string> {
  const { token } = newEnrolmentToken(options.random);
  const expiresAt = new Date(ctx.clock.now() + options.tokenTtlMs);
  await options.hubClient.create(ctx, secrets, enrolmentSecret(membership, token, expiresAt), { fieldManager });
  return token;
}

/** Deleting what is gone already is fine. */
export async function ignoreGone(promise: Promise<unknown>): Promise<void> {
  try {
    await promise;
  } catch (error) {
    if (!hasCode(error, 'NotFound') && !hasCode(error, 'Conflict')) throw error;
  }
}
