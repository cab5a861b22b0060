/** Everything that one round of the Deployment controller knows and has decided. */
import type { Context } from '@polyanthus/ground-base/context';
import { replicaSets, type Deployment, type ReplicaSet } from '@polyanthus/kube-kinds/core';
import { commit } from '@polyanthus/kube-runtime/committer';
import type { EventRecorder } from '@polyanthus/kube-runtime/events';
import type { ControllerEnv } from '../environment.ts';
import { sizeOf } from './counts.ts';
import { sizeAnnotations } from './revision.ts';
import type { StatusInput } from './status.ts';

/** State of one round; only the fields that are not readonly change during it. */
export interface Round {
  readonly env: ControllerEnv;
  readonly recorder: EventRecorder;
  readonly deployment: Deployment;
  /** The set with the Deployment's template; undefined until it is created. */
  newSet: ReplicaSet | undefined;
  /** All others; replaced by what the server answers to writes of this round. */
  oldSets: readonly ReplicaSet[];
  /** A Progressing condition that this round has decided. */
  progress: StatusInput['progress'];
  /** A pod of an old set that has not ended, for Recreate. */
  readonly oldPodsRunning: boolean;
}

/** Sets that have or want pods. */
export function active(sets: readonly ReplicaSet[]): readonly ReplicaSet[] {
  return sets.filter((set) => sizeOf(set) > 0);
}

/** Old sets, then the new one where it exists. */
export function allSets(round: Round): readonly ReplicaSet[] {
  return round.newSet === undefined ? round.oldSets : [...round.oldSets, round.newSet];
}

/** Writes a set's size, and what it was sized for, when they differ; answers whether its size changed. */
export async function scaleSet(
  ctx: Context,
  round: Round,
  set: ReplicaSet,
  replicas: number,
  always = false,
): Promise<boolean> {
  const before = sizeOf(set);
  if (before === replicas && !always) return false;
  const annotations = { ...set.metadata.annotations, ...sizeAnnotations(round.deployment) };
  const after = { ...set, metadata: { ...set.metadata, annotations }, spec: { ...set.spec, replicas } };
  replaceSet(round, await commit(ctx, round.env.client, replicaSets, { before: set, after }));
  if (before === replicas) return false;
  const direction = before < replicas ? 'up' : 'down';
  round.recorder.record(
    round.deployment,
    'Normal',
    'ScalingReplicaSet',
    `Scaled ${direction} replica set ${set.metadata.name ?? ''} from ${before} to ${replicas}`,
  );
  return true;
}

function replaceSet(round: Round, set: ReplicaSet): void {
  if (round.newSet?.metadata.uid === set.metadata.uid) round.newSet = set;
  else round.oldSets = round.oldSets.map((each) => (each.metadata.uid === set.metadata.uid ? set : each));
}
