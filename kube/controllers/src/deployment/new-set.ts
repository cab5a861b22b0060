/** The set of the Deployment's current template: finds it, keeps its annotations, or creates it. */
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import { describeError } from '@polyanthus/ground-base/log';
import { deployments, replicaSets, type Deployment, type ReplicaSet } from '@polyanthus/kube-kinds/core';
import { commit } from '@polyanthus/kube-runtime/committer';
import { controllerOf, controllerReference } from '../ownership.ts';
import { newSetSize, sizeOf, sum } from './counts.ts';
import { newSetAnnotations } from './revision.ts';
import type { Round } from './round.ts';
import { conditionOf, progressDeadlineSeconds } from './status.ts';
import { findNewSet, templateHash, templateHashLabel } from './template.ts';

/** Room for the hash in a name of 253. */
const nameMax = 242;

/** Brings the annotations of an existing new set up to date. */
export async function keepNewSet(ctx: Context, round: Round): Promise<void> {
  const before = round.newSet;
  if (before === undefined) return;
  const annotations = newSetAnnotations(round.deployment, round.oldSets, before);
  const minReadySeconds = round.deployment.spec.minReadySeconds ?? 0;
  const spec =
    (before.spec.minReadySeconds ?? 0) === minReadySeconds ? before.spec : { ...before.spec, minReadySeconds };
  round.newSet = await commit(ctx, round.env.client, replicaSets, {
    before,
    after: { ...before, metadata: { ...before.metadata, annotations }, spec },
  });
  if (
    progressDeadlineSeconds(round.deployment) === undefined ||
    conditionOf(round.deployment.status?.conditions, 'Progressing') !== undefined
  )
    return;
  round.progress = {
    type: 'Progressing',
    status: 'True',
    reason: 'FoundNewReplicaSet',
    message: `Found new replica set "${before.metadata.name ?? ''}"`,
  };
}

/** Creates the new set where there is none. A name that is taken by another template raises collisionCount and throws. */
export async function ensureNewSet(ctx: Context, round: Round): Promise<void> {
  if (round.newSet !== undefined) return;
  const wanted = draft(round);
  const name = wanted.metadata.name ?? '';
  try {
    round.newSet = await round.env.client.create(ctx, replicaSets, wanted);
  } catch (error) {
    if (hasCode(error, 'AlreadyExists')) {
      round.newSet = await ownOrCollision(ctx, round, wanted, error);
      return;
    }
    const message = `Failed to create new replica set "${name}": ${describeError(error)}`;
    round.recorder.record(round.deployment, 'Warning', 'ReplicaSetCreateError', message);
    if (progressDeadlineSeconds(round.deployment) !== undefined)
      round.progress = { type: 'Progressing', status: 'False', reason: 'ReplicaSetCreateError', message };
    throw error;
  }
  if (sizeOf(wanted) > 0)
    round.recorder.record(
      round.deployment,
      'Normal',
      'ScalingReplicaSet',
      `Scaled up replica set ${name} from 0 to ${sizeOf(wanted)}`,
    );
  if (progressDeadlineSeconds(round.deployment) !== undefined)
    round.progress = {
      type: 'Progressing',
      status: 'True',
      reason: 'NewReplicaSetCreated',
      message: `Created new replica set "${name}"`,
    };
}

function draft(round: Round): ReplicaSet {
  const { deployment, oldSets } = round;
  const hash = templateHash(deployment.spec.template, deployment.status?.collisionCount ?? 0);
  const labels = { ...deployment.spec.template.metadata?.labels, [templateHashLabel]: hash };
  const { selector, template, minReadySeconds } = deployment.spec;
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: `${(deployment.metadata.name ?? '').slice(0, nameMax)}-${hash}`,
      ...(deployment.metadata.namespace === undefined ? {} : { namespace: deployment.metadata.namespace }),
      labels,
      annotations: newSetAnnotations(deployment, oldSets, undefined),
      ownerReferences: [controllerReference(deployments, deployment)],
    },
    spec: {
      replicas: newSetSize(deployment, sum(oldSets, sizeOf), 0),
      ...(minReadySeconds === undefined ? {} : { minReadySeconds }),
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [templateHashLabel]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}

/** The cache was late and the set is ours, or two templates have one hash. */
async function ownOrCollision(ctx: Context, round: Round, wanted: ReplicaSet, error: unknown): Promise<ReplicaSet> {
  const { namespace, name = '' } = wanted.metadata;
  const live = await round.env.client.get(ctx, replicaSets, { namespace, name });
  const ours = controllerOf(live)?.uid === round.deployment.metadata.uid;
  if (ours && findNewSet(round.deployment, [live]) !== undefined) return live;
  const before: Deployment = round.deployment;
  const after: Deployment = {
    ...before,
    status: { ...before.status, collisionCount: (before.status?.collisionCount ?? 0) + 1 },
  };
  await commit(ctx, round.env.client, deployments, { before, after });
  throw error;
}
