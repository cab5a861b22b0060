/** When each node was last heard of, by this process's clock: nobody's wall clock is believed. */
import type { Clock } from '@polyanthus/ground-base/clock';
import type { Lease, Node } from '@polyanthus/kube-kinds/core';
import { conditionOf } from './node-state.ts';

/** Silence after which a node is given up; a node that never reported has a little longer to start. */
const graceMs = 50_000;
const startupGraceMs = 60_000;

interface Heard {
  readonly atMs: number;
  readonly heartbeat: string | null | undefined;
  readonly leaseVersion: string | undefined;
  readonly renewTime: string | undefined;
}

/** Signs of life by node name: a new heartbeat in the Ready condition, or a renewed Lease. */
export class Heartbeats {
  readonly #clock: Clock;
  readonly #heard = new Map<string, Heard>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes note of what node and lease show now. Answers how long until the node counts as silent; 0 or less when it does. */
  untilSilentMs(node: Node, lease: Lease | undefined): number {
    const name = node.metadata.name ?? '';
    const ready = conditionOf(node, 'Ready');
    const nowMs = this.#clock.monotonic();
    const before = this.#heard.get(name);
    const heartbeat = ready?.lastHeartbeatTime;
    const renewTime = lease?.spec?.renewTime;
    const renewed = renewTime !== undefined && (before?.renewTime === undefined || renewTime > before.renewTime);
    const alive = before === undefined || (ready !== undefined && before.heartbeat !== heartbeat) || renewed;
    const heard = {
      atMs: alive ? nowMs : before.atMs,
      heartbeat,
      leaseVersion: renewed || before === undefined ? lease?.metadata.resourceVersion : before.leaseVersion,
      renewTime: renewed ? renewTime : before?.renewTime,
    };
    this.#heard.set(name, heard);
    return heard.atMs + (ready === undefined ? startupGraceMs : graceMs) - nowMs;
  }

  /** Whether the cache has fallen behind: the API server has a Lease of the node that was not seen yet. */
  isNews(name: string, live: Lease | undefined): boolean {
    return live !== undefined && live.metadata.resourceVersion !== this.#heard.get(name)?.leaseVersion;
  }

  /** As if it had been heard of now. */
  touch(name: string): void {
    const known = this.#heard.get(name);
    if (known !== undefined) this.#heard.set(name, { ...known, atMs: this.#clock.monotonic() });
  }

  forget(name: string): void {
    this.#heard.delete(name);
  }
}
