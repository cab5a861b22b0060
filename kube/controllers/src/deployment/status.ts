/** The status of a Deployment from its sets (kube-controller-manager's deployment/progress.go and sync.go). */
import type { Deployment, ReplicaSet } from '@polyanthus/kube-kinds/core';
import { kubeTime, parseKubeTime } from '@polyanthus/kube-runtime/times';
import { withoutZeros } from '../zeros.ts';
import { desiredReplicas, fenceposts, sizeOf, sum } from './counts.ts';

type Status = NonNullable<Deployment['status']>;
/** apps/v1 DeploymentCondition. */
export type DeploymentCondition = NonNullable<Status['conditions']>[number];

/** kubectl writes MaxInt32 for "never". */
const noDeadline = 2_147_483_647;

/** The deadline in seconds; undefined when none runs. */
export function progressDeadlineSeconds(deployment: Deployment): number | undefined {
  const seconds = deployment.spec.progressDeadlineSeconds;
  return seconds === undefined || seconds === noDeadline ? undefined : seconds;
}

/** The condition of this type, if there is one. */
export function conditionOf(
  conditions: readonly DeploymentCondition[] | undefined,
  type: string,
): DeploymentCondition | undefined {
  return conditions?.find((condition) => condition.type === type);
}

/** Replaces the condition unless status and reason are the same; the transition time follows the status alone. */
export function withCondition(
  conditions: readonly DeploymentCondition[],
  wanted: Omit<DeploymentCondition, 'lastUpdateTime' | 'lastTransitionTime'>,
  nowMs: number,
  renew = false,
): readonly DeploymentCondition[] {
  const before = conditionOf(conditions, wanted.type);
  if (!renew && before?.status === wanted.status && before.reason === wanted.reason) return conditions;
  const now = kubeTime(nowMs);
  const lastTransitionTime = before?.status === wanted.status ? (before.lastTransitionTime ?? now) : now;
  return [
    ...conditions.filter((condition) => condition !== before),
    { ...wanted, lastUpdateTime: now, lastTransitionTime },
  ];
}

/** What a status is computed from. */
export interface StatusInput {
  readonly deployment: Deployment;
  readonly newSet: ReplicaSet | undefined;
  readonly oldSets: readonly ReplicaSet[];
  /** A condition that this round has decided already. */
  readonly progress: Omit<DeploymentCondition, 'lastUpdateTime' | 'lastTransitionTime'> | undefined;
  /** False while paused, scaling or deleting: no progress is judged then. */
  readonly rollout: boolean;
  readonly nowMs: number;
}

/** The status to write. */
export function deploymentStatus(input: StatusInput): Status {
  const counted = counts(input);
  let conditions = availability(input, counted, input.deployment.status?.conditions ?? []);
  if (input.progress !== undefined) conditions = withCondition(conditions, input.progress, input.nowMs);
  else if (input.rollout) conditions = progressing(input, counted, conditions);
  conditions = replicaFailure(input, conditions);
  const { collisionCount } = input.deployment.status ?? {};
  return { ...withoutZeros({ ...counted }), ...(collisionCount === undefined ? {} : { collisionCount }), conditions };
}

type Counts = Readonly<
  Record<
    | 'observedGeneration'
    | 'replicas'
    | 'updatedReplicas'
    | 'readyReplicas'
    | 'availableReplicas'
    | 'unavailableReplicas',
    number
  >
>;

function counts({ deployment, newSet, oldSets }: StatusInput): Counts {
  const all = newSet === undefined ? oldSets : [...oldSets, newSet];
  const availableReplicas = sum(all, (set) => set.status?.availableReplicas);
  return {
    observedGeneration: deployment.metadata.generation ?? 0,
    replicas: sum(all, (set) => set.status?.replicas),
    updatedReplicas: newSet?.status?.replicas ?? 0,
    readyReplicas: sum(all, (set) => set.status?.readyReplicas),
    availableReplicas,
    unavailableReplicas: Math.max(0, sum(all, sizeOf) - availableReplicas),
  };
}

function availability(
  { deployment, nowMs }: StatusInput,
  status: Status,
  conditions: readonly DeploymentCondition[],
): readonly DeploymentCondition[] {
  const least = desiredReplicas(deployment) - fenceposts(deployment).maxUnavailable;
  const enough = (status.availableReplicas ?? 0) >= least;
  const wanted = enough
    ? {
        type: 'Available',
        status: 'True' as const,
        reason: 'MinimumReplicasAvailable',
        message: 'Deployment has minimum availability.',
      }
    : {
        type: 'Available',
        status: 'False' as const,
        reason: 'MinimumReplicasUnavailable',
        message: 'Deployment does not have minimum availability.',
      };
  return withCondition(conditions, wanted, nowMs);
}

/** Every wanted pod is new, available, and nothing else is left. */
export function isComplete(deployment: Deployment, status: Status | undefined): boolean {
  const desired = desiredReplicas(deployment);
  return (
    (status?.updatedReplicas ?? 0) === desired &&
    (status?.replicas ?? 0) === desired &&
    (status?.availableReplicas ?? 0) === desired &&
    (status?.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  );
}

function progressing(
  input: StatusInput,
  status: Status,
  conditions: readonly DeploymentCondition[],
): readonly DeploymentCondition[] {
  const { deployment, newSet, nowMs } = input;
  const deadline = progressDeadlineSeconds(deployment);
  const current = conditionOf(conditions, 'Progressing');
  if (deadline === undefined) return conditions.filter((condition) => condition !== current);
  if (status.replicas === status.updatedReplicas && current?.reason === 'NewReplicaSetAvailable') return conditions;
  const subject =
    newSet === undefined
      ? `Deployment "${deployment.metadata.name ?? ''}"`
      : `ReplicaSet "${newSet.metadata.name ?? ''}"`;
  const wanted = (status: 'True' | 'False', reason: string, message: string) => ({
    type: 'Progressing',
    status,
    reason,
    message: `${subject} ${message}`,
  });
  if (isComplete(deployment, status))
    return withCondition(conditions, wanted('True', 'NewReplicaSetAvailable', 'has successfully progressed.'), nowMs);
  if (hasMoved(deployment.status, status))
    return withCondition(conditions, wanted('True', 'ReplicaSetUpdated', 'is progressing.'), nowMs, true);
  if (timedOut(current, deadline, nowMs))
    return withCondition(conditions, wanted('False', 'ProgressDeadlineExceeded', 'has timed out progressing.'), nowMs);
  return conditions;
}

function hasMoved(before: Status | undefined, after: Status): boolean {
  const old = (status: Status | undefined): number => (status?.replicas ?? 0) - (status?.updatedReplicas ?? 0);
  return (
    (after.updatedReplicas ?? 0) > (before?.updatedReplicas ?? 0) ||
    old(after) < old(before) ||
    (after.readyReplicas ?? 0) > (before?.readyReplicas ?? 0) ||
    (after.availableReplicas ?? 0) > (before?.availableReplicas ?? 0)
  );
}

function timedOut(current: DeploymentCondition | undefined, deadlineSeconds: number, nowMs: number): boolean {
  if (current === undefined || current.reason === 'NewReplicaSetAvailable') return false;
  if (current.reason === 'ProgressDeadlineExceeded') return true;
  const sinceMs = parseKubeTime(current.lastUpdateTime) ?? nowMs;
  return sinceMs + deadlineSeconds * 1000 < nowMs;
}

/** When a rollout that does not move must be looked at again; undefined when no deadline runs. */
export function progressCheckInMs(deployment: Deployment, status: Status, nowMs: number): number | undefined {
  const deadline = progressDeadlineSeconds(deployment);
  const current = conditionOf(status.conditions, 'Progressing');
  if (deadline === undefined || current === undefined || isComplete(deployment, status)) return undefined;
  if (current.reason === 'ProgressDeadlineExceeded' || current.reason === 'NewReplicaSetAvailable') return undefined;
  const sinceMs = parseKubeTime(current.lastUpdateTime) ?? nowMs;
  // One second more, because the condition's time has whole seconds.
  return Math.max(1000, sinceMs + deadline * 1000 + 1000 - nowMs);
}

function replicaFailure(
  { newSet, oldSets }: StatusInput,
  conditions: readonly DeploymentCondition[],
): readonly DeploymentCondition[] {
  const others = conditions.filter((condition) => condition.type !== 'ReplicaFailure');
  const sets = newSet === undefined ? oldSets : [newSet, ...oldSets];
  const failure = sets
    .flatMap((set) => set.status?.conditions ?? [])
    .find((condition) => condition.type === 'ReplicaFailure');
  if (failure === undefined) return others.length === conditions.length ? conditions : others;
  const known = conditionOf(conditions, 'ReplicaFailure');
  const since = failure.lastTransitionTime ?? undefined;
  const wanted: DeploymentCondition = {
    ...failure,
    ...(since === undefined ? {} : { lastUpdateTime: known?.lastUpdateTime ?? since }),
  };
  return [...others, wanted];
}
