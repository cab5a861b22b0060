/** The nodes that a run is for, by name: all that are missing are named at once. */
import type { Context } from '@polyanthus/ground-base/context';
import { didYouMean } from '@polyanthus/ground-cli-kit/suggest';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { nodes } from '@polyanthus/kube-kinds/core';
import type { RunTarget } from '@polyanthus/kube-kinds/own/runbook';
import { pathSegmentName } from '@polyanthus/kube-objects/names';
import { isStatus, type StatusError } from '@polyanthus/kube-objects/status';
import { lifecycleErrors } from './errors.ts';

/** Names of nodes that a message shows. */
const shownMax = 10;

/** Targets in the order of `names`, each once. Errors: NodeUnknown, and what the API says. */
export async function nodeTargets(
  ctx: Context,
  client: KubeClient,
  names: readonly string[],
): Promise<readonly RunTarget[]> {
  const found: RunTarget[] = [];
  const missing: string[] = [];
  for (const name of new Set(names)) {
    const target = await targetOf(ctx, client, name);
    if (target === undefined) missing.push(name);
    else found.push(target);
  }
  if (missing.length > 0) throw await unknownNodes(ctx, client, missing);
  return found;
}

async function targetOf(ctx: Context, client: KubeClient, name: string): Promise<RunTarget | undefined> {
  if (name === '' || pathSegmentName(name).length > 0) return undefined;
  try {
    const { metadata } = await client.get(ctx, nodes, { name });
    return { apiVersion: 'v1', kind: 'Node', resource: 'nodes', name, uid: metadata.uid ?? '' };
  } catch (error) {
    // Of something else it is no answer of a cluster: a hub that does not know the member says so, or a stranger answers.
    if (isStatus(error, 'NotFound') && (error as StatusError).status.details?.kind === nodes.resource) return undefined;
    throw error;
  }
}

async function unknownNodes(ctx: Context, client: KubeClient, missing: readonly string[]): Promise<Error> {
  const known = await client.listAll(ctx, nodes).then(
    ({ items }) => items.map((node) => node.metadata.name ?? ''),
    // Who may not list nodes is told without.
    () => [],
  );
  const shown = missing.slice(0, shownMax).map((name) => `${JSON.stringify(name)}${didYouMean(name, known)}`);
  const more = missing.length > shownMax ? ` and ${missing.length - shownMax} more` : '';
  const there = known.length === 0 || known.length > shownMax ? '' : `; there are ${known.join(', ')}`;
  return lifecycleErrors.error('NodeUnknown', `the cluster has no node ${shown.join(', ')}${more}${there}`);
}
