/** The nodes that this simulation runs. */
import { simErrors } from '../errors.ts';
import { PodAddresses } from './addresses.ts';
import { defaultPodCidr, type SimNode } from './node.ts';

/** A node with the addresses that it gives to pods. */
export interface RunningNode {
  readonly node: SimNode;
  readonly hostIp: string;
  readonly podCidr: string;
  readonly addresses: PodAddresses;
  /** When the outage of this moment ends (Infinity: never); undefined when there is none. */
  readonly silentUntilMs: (nowMs: number) => number | undefined;
}

/** Nodes by name. */
export class NodeRegistry {
  readonly #nodes = new Map<string, RunningNode>();
  #count = 0;
  readonly #now: () => number;

  /** `now` is the wall clock, milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  get names(): readonly string[] {
    return [...this.#nodes.keys()];
  }

  get(name: string): RunningNode | undefined {
    return this.#nodes.get(name);
  }

  /** Throws SimulatedNodeInvalid when the name is taken or the pod range is none. */
  add(node: SimNode): RunningNode {
    if (this.#nodes.has(node.name))
      throw simErrors.error('SimulatedNodeInvalid', `there are two nodes named "${node.name}"`);
    const podCidr = node.podCidr ?? defaultPodCidr(this.#count++);
    const addedMs = this.#now();
    const running: RunningNode = {
      node,
      podCidr,
      hostIp: node.address ?? '127.0.0.1',
      addresses: new PodAddresses(podCidr),
      silentUntilMs: (nowMs) => {
        const at = nowMs - addedMs;
        const outage = node.outages?.find(({ fromMs, untilMs = Infinity }) => fromMs <= at && at < untilMs);
        return outage === undefined ? undefined : addedMs + (outage.untilMs ?? Infinity);
      },
    };
    this.#nodes.set(node.name, running);
    return running;
  }

  remove(name: string): void {
    this.#nodes.delete(name);
  }
}
