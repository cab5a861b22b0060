/** How many requests one user, and one membership, may have under way at this replica. */
import { statusError } from '@polyanthus/kube-objects/status';

/** Requests under way at the same time, watches and streams included. */
export interface GatewayLimits {
  readonly inFlightPerUser: number;
  readonly inFlightPerMembership: number;
  readonly inFlight: number;
}

/** For a replica of 2 cores; one kubectl or controller stays far below a user's share. */
export const defaultGatewayLimits: GatewayLimits = {
  inFlightPerUser: 1_000,
  inFlightPerMembership: 4_000,
  inFlight: 20_000,
};

/** Counts; entries at zero are dropped, so that no number of names exhausts memory. */
export class InFlight {
  readonly #limits: GatewayLimits;
  readonly #counts = new Map<string, number>();

  constructor(limits: GatewayLimits) {
    this.#limits = limits;
  }

  /** Takes a place everywhere (without a membership: for the hub's own API), or throws TooManyRequests (StatusError) that names what is full. Give back once. */
  enter(username: string, membership?: string): () => void {
    const places = [
      { key: '', limit: this.#limits.inFlight, what: 'the gateway has' },
      { key: `user ${username}`, limit: this.#limits.inFlightPerUser, what: `user "${username}" has` },
    ];
    const ofMember = this.#limits.inFlightPerMembership;
    if (membership !== undefined)
      places.push({ key: `member ${membership}`, limit: ofMember, what: `membership ${membership} has` });
    const full = places.find(({ key, limit }) => (this.#counts.get(key) ?? 0) >= limit);
    if (full !== undefined) {
      throw statusError(
        'TooManyRequests',
        `${full.what} ${full.limit} requests under way, which is the limit; end watches and streams that nobody reads`,
        { retryAfterSeconds: 1 },
      );
    }
    for (const { key } of places) this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      for (const { key } of places) this.#leave(key);
    };
  }

  #leave(key: string): void {
    const count = (this.#counts.get(key) ?? 1) - 1;
    if (count === 0) this.#counts.delete(key);
    else this.#counts.set(key, count);
  }
}
