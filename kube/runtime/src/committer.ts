/**
 * One patch a round: compares what was read with what is wanted and writes the difference, metadata and spec or status,
 * never both in one round (kcp's committer; whoever changes both has decided on a state that nobody has seen).
 */
import type { Context } from '@polyanthus/ground-base/context';
import type { KubeClient, WriteOptions } from '@polyanthus/kube-client/client';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import { jsonEqual } from './equal.ts';
import { keyOf } from './keys.ts';

/** A change of one object: before and after. */
export interface Commit<T extends KubeObject> {
  /** As it was read; untouched. */
  readonly before: T;
  /** As it shall be. */
  readonly after: T;
  readonly fieldManager?: string;
}

/** What would be written: a JSON merge patch and where it goes; undefined when nothing changes. Throws when both parts change. */
export function planCommit(
  before: KubeObject,
  after: KubeObject,
): { readonly body: Record<string, unknown>; readonly subresource?: 'status' } | undefined {
  const { status: beforeStatus, ...beforeMain } = before as KubeObject & { readonly status?: unknown };
  const { status: afterStatus, ...afterMain } = after as KubeObject & { readonly status?: unknown };
  const main = mergeDiff(beforeMain, afterMain) as Record<string, unknown> | undefined;
  const status = mergeDiff(beforeStatus ?? {}, afterStatus ?? {});
  if (main !== undefined && status !== undefined) {
    throw new Error(
      `programmer error: spec and status of ${before.kind} ${keyOf(before)} changed in one round: ${JSON.stringify({ ...main, status })}`,
    );
  }
  if (status !== undefined) return { body: { ...preconditions(before), status }, subresource: 'status' };
  if (main === undefined) return undefined;
  const { metadata } = preconditions(before);
  return { body: { ...main, metadata: { ...(main['metadata'] as object | undefined), ...metadata } } };
}

/** Writes the difference; the object as the server has it afterwards. A Conflict means that somebody was faster. */
export async function commit<T extends KubeObject>(
  ctx: Context,
  client: KubeClient,
  type: ResourceType<T>,
  change: Commit<T>,
): Promise<T> {
  const plan = planCommit(change.before, change.after);
  if (plan === undefined) return change.before;
  const options: WriteOptions = {
    ...(plan.subresource === undefined ? {} : { subresource: plan.subresource }),
    ...(change.fieldManager === undefined ? {} : { fieldManager: change.fieldManager }),
  };
  const { namespace, name = '' } = change.before.metadata;
  return client.patch(ctx, type, { namespace, name }, { type: 'merge', body: plan.body }, options);
}

/** uid and resourceVersion in the patch: it fails on a successor of the same name and on a newer version. */
function preconditions(object: KubeObject): { readonly metadata: Record<string, unknown> } {
  return { metadata: { uid: object.metadata.uid, resourceVersion: object.metadata.resourceVersion } };
}

/** The JSON merge patch (RFC 7386) from `before` to `after`, or undefined when they are equal. Lists are replaced whole. */
export function mergeDiff(before: unknown, after: unknown): unknown {
  if (jsonEqual(before, after)) return undefined;
  if (!isObject(before) || !isObject(after)) return after;
  const patch: Record<string, unknown> = {};
  for (const key of Object.keys(before)) if (before[key] !== undefined && after[key] === undefined) patch[key] = null;
  for (const [key, value] of Object.entries(after)) {
    if (value === undefined) continue;
    const part = before[key] === undefined ? value : mergeDiff(before[key], value);
    if (part !== undefined) patch[key] = part;
  }
  return patch;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
