/**
 * Claims on targets: an annotation with run and epoch. It keeps two runs from the same object, and as every claim is a
 * write, what a predecessor sends late with the resourceVersion it had read is a conflict.
 */
import type { Context } from '@polyanthus/ground-base/context';
import { claimAnnotation, type RunTarget } from '@polyanthus/kube-kinds/own/runbook';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { resourceType, type ResourceType } from '@polyanthus/kube-objects/resource';
import { isStatus } from '@polyanthus/kube-objects/status';
import { runbookErrors } from './errors.ts';
import type { RunHandle } from './handle.ts';
import { slide } from './lanes.ts';
import { releaseCommand } from './release-command.ts';

/** Writes at once. */
const parallel = 16;
const conflictsMax = 8;

/** How a target is addressed. */
export function typeOf(target: RunTarget): ResourceType {
  const [group, version] = target.apiVersion.includes('/') ? target.apiVersion.split('/') : ['', target.apiVersion];
  return resourceType(group ?? '', version ?? '', target.resource, target.kind, target.namespace !== undefined);
}

/** What the claim of this executor says. */
export function claimOf(handle: RunHandle): string {
  const { namespace = '', name = '', uid = '' } = handle.run.metadata;
  return `${namespace}/${name}/${uid}/${handle.epoch}`;
}

/** Puts this executor's claim on every target that is still there. Errors: TargetClaimed, RunTakenOver. */
export async function claimTargets(ctx: Context, handle: RunHandle): Promise<void> {
  await slide(handle.run.spec.targets, parallel, (target) =>
    changeTarget(ctx, handle, target, (live) => {
      const claim = live.metadata.annotations?.[claimAnnotation];
      if (claim !== undefined && !isOwn(handle, claim)) throw claimed(target, claim);
      return { metadata: { annotations: { [claimAnnotation]: claimOf(handle) } } };
    }).catch(ignoreGone),
  );
}

/** Takes this run's claims away. */
export async function releaseTargets(ctx: Context, handle: RunHandle): Promise<void> {
  await slide(handle.run.spec.targets, parallel, (target) =>
    changeTarget(ctx, handle, target, (live) => {
      const claim = live.metadata.annotations?.[claimAnnotation];
      if (claim === undefined || !isOwn(handle, claim)) return undefined;
      return { metadata: { annotations: { [claimAnnotation]: null } } };
    }).catch(ignoreGone),
  );
}

/** As StepScope.change: only while the target carries the claim of this very epoch. Errors: TargetReplaced, TargetClaimed, RunTakenOver. */
export async function changeClaimed(
  ctx: Context,
  handle: RunHandle,
  target: RunTarget,
  patch: (live: KubeObject) => object | undefined,
): Promise<void> {
  await changeTarget(ctx, handle, target, (live) => {
    const claim = live.metadata.annotations?.[claimAnnotation] ?? '';
    if (claim !== claimOf(handle)) throw claimed(target, claim);
    return patch(live);
  });
}

/** Reads, then makes sure of the epoch, then writes with uid and resourceVersion: in this order nothing slips through. */
async function changeTarget(
  ctx: Context,
  handle: RunHandle,
  target: RunTarget,
  patch: (live: KubeObject) => object | undefined,
): Promise<void> {
  const { clusterClient } = handle.options;
  const type = typeOf(target);
  for (let left = conflictsMax; ; left--) {
    const live = await readTarget(ctx, handle, target);
    await handle.guard(ctx);
    const body = patch(live) as { readonly metadata?: object } | undefined;
    if (body === undefined) return;
    const { uid, resourceVersion } = live.metadata;
    try {
      await clusterClient.patch(
        ctx,
        type,
        { namespace: target.namespace, name: target.name },
        { type: 'merge', body: { ...body, metadata: { ...body.metadata, uid, resourceVersion } } },
      );
      return;
    } catch (error) {
      if (!isStatus(error, 'Conflict') || left === 0) throw error;
    }
  }
}

/** The target as it is now, uncached. Throws TargetReplaced. */
export async function readTarget(ctx: Context, handle: RunHandle, target: RunTarget): Promise<KubeObject> {
  const name = `${target.kind} ${target.namespace === undefined ? '' : `${target.namespace}/`}${target.name}`;
  let live: KubeObject;
  try {
    live = await handle.options.clusterClient.get(ctx, typeOf(target), {
      namespace: target.namespace,
      name: target.name,
    });
  } catch (error) {
    if (isStatus(error, 'NotFound')) throw runbookErrors.error('TargetReplaced', `${name} is gone`);
    throw error;
  }
  if (live.metadata.uid === target.uid) return live;
  throw runbookErrors.error(
    'TargetReplaced',
    `${name} is another object now: its uid is ${live.metadata.uid ?? ''}, not ${target.uid}`,
  );
}

function isOwn(handle: RunHandle, claim: string): boolean {
  return claim.split('/')[2] === handle.run.metadata.uid;
}

function claimed(target: RunTarget, claim: string): Error {
  const [namespace = '', run = '', , epoch = ''] = claim.split('/');
  const holder = claim === '' ? 'its claim was taken away' : `it is held by run ${namespace}/${run}, epoch ${epoch}`;
  const next =
    claim === ''
      ? 'Find out who took it away, then `polyanthus runbook resume RUN`.'
      : `Wait for that run, or: polyanthus runbook abort ${run}; when it no longer exists: ${releaseCommand(target)}`;
  return runbookErrors.error('TargetClaimed', `${target.kind} ${target.name}: ${holder}`, { next });
}

function ignoreGone(error: unknown): void {
  if (!(error instanceof Error) || (error as { code?: string }).code !== 'TargetReplaced') throw error;
}
