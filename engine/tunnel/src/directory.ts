/** Which hub replica holds a member's tunnel. */
import type { Context } from '@polyanthus/ground-base/context';

/** Who holds a tunnel. */
export interface Holder {
  /** Name of the replica. */
  readonly replica: string;
  /** A higher one wins. */
  readonly epoch: number;
}

/** The directory as one replica sees it; every call is safe against the other replicas. */
export interface TunnelDirectory {
  /** The live holder, or undefined when there is none or its replica no longer renews its Lease. */
  holderOf(ctx: Context, membershipUid: string): Promise<Holder | undefined>;
  /** Makes this replica the holder and gives the epoch, one above the last. The one before it loses at once. */
  claim(ctx: Context, membershipUid: string): Promise<number>;
  /** No longer the holder, when the epoch is still that. */
  release(ctx: Context, membershipUid: string, epoch: number): Promise<void>;
}

/** Shared by the hubs of one process: for a single replica, and for tests of several. */
export class MemoryDirectory {
  readonly #holders = new Map<string, Holder | { readonly replica: undefined; readonly epoch: number }>();

  /** The directory as `replica` sees it. */
  of(replica: string): TunnelDirectory {
    return {
      holderOf: async (_ctx, membershipUid) => {
        const holder = this.#holders.get(membershipUid);
        return holder?.replica === undefined ? undefined : holder;
      },
      claim: async (_ctx, membershipUid) => {
        const epoch = (this.#holders.get(membershipUid)?.epoch ?? 0) + 1;
        this.#holders.set(membershipUid, { replica, epoch });
        return epoch;
      },
      release: async (_ctx, membershipUid, epoch) => {
        if (this.#holders.get(membershipUid)?.epoch === epoch)
          this.#holders.set(membershipUid, { replica: undefined, epoch });
      },
    };
  }
}
