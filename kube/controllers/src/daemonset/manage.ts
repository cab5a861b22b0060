/** One pod on every node that wants one, and none elsewhere (daemon_controller.go, manage). */
import type { Node, Pod } from '@polyanthus/kube-kinds/core';
import { isReady } from '@polyanthus/kube-kinds/ready';
import { keyOf } from '@polyanthus/kube-runtime/keys';
import { fitOf } from './placement.ts';
import { byAge, hashOf, isAvailable, isTerminating, type Changes, type Round } from './round.ts';
import { surgeOf } from './rollout.ts';

/** What the nodes as they are ask for. */
export function wantedChanges(round: Round): Changes {
  const nodes: string[] = [];
  const remove: Pod[] = [];
  const known = new Set<string>();
  for (const node of round.scope.nodeCache.list()) {
    known.add(node.metadata.name ?? '');
    const changes = onNode(round, node);
    nodes.push(...changes.nodes);
    remove.push(...changes.remove);
  }
  // Pods for nodes that do not exist are never bound; nobody else removes them.
  for (const [node, pods] of round.byNode)
    if (!known.has(node)) remove.push(...pods.filter((pod) => (pod.spec.nodeName ?? '') === '' && !isTerminating(pod)));
  return { nodes, remove };
}

function onNode(round: Round, node: Node): Changes {
  const name = node.metadata.name ?? '';
  const fit = fitOf(round.set, node);
  const pods = round.byNode.get(name);
  if (fit.run && pods === undefined) return { nodes: [name], remove: [] };
  if (pods === undefined) return { nodes: [], remove: [] };
  const living = pods.filter((pod) => !isTerminating(pod));
  if (!fit.stay) return { nodes: [], remove: living };
  const running = living.filter((pod) => pod.status?.phase !== 'Failed' && pod.status?.phase !== 'Succeeded');
  const ended = living.filter((pod) => !running.includes(pod) && mayReplace(round, name, pod));
  running.sort(byAge);
  if (surgeOf(round.set, 1) === 0) return { nodes: [], remove: [...ended, ...running.slice(1)] };
  if (running.length === 0) return { nodes: fit.run ? [name] : [], remove: ended };
  return { nodes: [], remove: [...ended, ...surplus(round, running)] };
}

function mayReplace({ scope, set, waitsMs }: Round, node: string, pod: Pod): boolean {
  const { recorder } = scope.writer;
  if (pod.status?.phase === 'Succeeded') {
    const message = `Found succeeded daemon pod ${keyOf(pod)} on node ${node}, will try to delete it`;
    recorder.record(set, 'Normal', 'SucceededDaemonPod', message);
    return true;
  }
  const waitMs = scope.failedPods.waitMs(`${set.metadata.uid}/${set.status?.observedGeneration ?? 0}/${node}`);
  if (waitMs > 0) {
    waitsMs.push(waitMs);
    return false;
  }
  const message = `Found failed daemon pod ${keyOf(pod)} on node ${node}, will try to kill it`;
  recorder.record(set, 'Warning', 'FailedDaemonPod', message);
  return true;
}

/** With surge the oldest new and the oldest old pod may be there at once, as long as only the old one serves. */
function surplus(round: Round, running: readonly Pod[]): readonly Pod[] {
  const newest = running.find((pod) => hashOf(pod) === round.hash);
  const oldest = running.find((pod) => hashOf(pod) !== round.hash);
  const more = running.filter((pod) => pod !== newest && pod !== oldest);
  if (newest === undefined || oldest === undefined) return more;
  return !isReady(oldest) || isAvailable(round, newest) ? [...more, oldest] : more;
}
