/** How fast nodes are given up: one every ten seconds in a zone, more slowly or not at all when many fail at once. */
import type { Clock } from '@polyanthus/ground-base/clock';
import type { Node } from '@polyanthus/kube-kinds/core';
import { isNodeReady, zoneOf } from './node-state.ts';

/** kube-controller-manager's --node-eviction-rate, --secondary-node-eviction-rate, --unhealthy-zone-threshold, --large-cluster-size-threshold. */
const nodesPerSecond = 0.1;
const nodesPerSecondInTrouble = 0.01;
const unhealthyShare = 0.55;
const largeZone = 50;
/** When nothing may be given up, the question is asked again after this time. */
const askAgainMs = 10_000;
const ignoreLabel = 'node.kubernetes.io/exclude-disruption';

/** Ready and other nodes of a zone, those aside that count for nothing. */
interface Zone {
  ready: number;
  unready: number;
}

function zonesOf(nodes: readonly Node[]): ReadonlyMap<string, Zone> {
  const zones = new Map<string, Zone>();
  for (const node of nodes) {
    if (node.metadata.labels?.[ignoreLabel] !== undefined) continue;
    const zone = zones.get(zoneOf(node)) ?? { ready: 0, unready: 0 };
    if (isNodeReady(node)) zone.ready += 1;
    else zone.unready += 1;
    zones.set(zoneOf(node), zone);
  }
  return zones;
}

/** Whether no node at all is ready: more likely we are cut off than they are. */
export function isBlackout(nodes: readonly Node[]): boolean {
  const zones = [...zonesOf(nodes).values()];
  return zones.length > 0 && zones.every(({ ready }) => ready === 0);
}

/** Nodes a second that may be given up in a zone of this state. */
export function evictionRate({ ready, unready }: { readonly ready: number; readonly unready: number }): number {
  const partial = ready > 0 && unready > 2 && unready / (ready + unready) >= unhealthyShare;
  if (!partial) return nodesPerSecond;
  return ready + unready > largeZone ? nodesPerSecondInTrouble : 0;
}

/** One bucket a zone, of one token. */
export class EvictionPace {
  readonly #clock: Clock;
  readonly #nextMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** 0 when the node may be given up now, which takes the zone's token; else how long to wait before asking again. */
  waitMs(node: Node, nodes: readonly Node[]): number {
    const name = zoneOf(node);
    const rate = evictionRate(zonesOf(nodes).get(name) ?? { ready: 0, unready: 1 });
    if (rate === 0) return askAgainMs;
    const nowMs = this.#clock.monotonic();
    const nextMs = this.#nextMs.get(name) ?? nowMs;
    if (nextMs > nowMs) return nextMs - nowMs;
    this.#nextMs.set(name, nowMs + 1000 / rate);
    return 0;
  }
}
