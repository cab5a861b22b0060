/** What the hub knows about members' agents; `domains/fleet` keeps it in Memberships and Secrets. */
import type { Context } from '@polyanthus/ground-base/context';

/** A membership that an agent belongs to. */
export interface EnrolledMember {
  readonly membershipUid: string;
  /** Namespace of the Membership. */
  readonly fleet: string;
  readonly name: string;
}

/** Persistence of enrolment; failures of the store are thrown as they are. */
export interface EnrolmentStore {
  /**
   * Uses a token, whose SHA-256 (hex) is given, for the agent key whose SubjectPublicKeyInfo has this SHA-256 (hex), and
   * makes that key the membership's. One transaction: of two callers with different keys one gets undefined. The same key
   * may come again while the token is valid, so that a lost answer costs nothing. Unknown, expired (`nowMs`) and used
   * tokens are undefined.
   */
  redeem(
    ctx: Context,
    token: {
      readonly tokenHash: string;
      readonly keyHash: string;
      readonly externalId: string;
      readonly nowMs: number;
    },
  ): Promise<EnrolledMember | undefined>;
  /** Whose key that is at this moment. */
  memberOfKey(ctx: Context, keyHash: string): Promise<EnrolledMember | undefined>;
  /** The member's own ServiceAccount issuer and keys (JSON Web Key Set), for enrolment by its agent's token. */
  authorityOf(
    ctx: Context,
    membershipUid: string,
  ): Promise<
    | { readonly member: EnrolledMember; readonly issuer: string; readonly jwks: string; readonly externalId: string }
    | undefined
  >;
  /** Makes this key the membership's; the one before it no longer opens a tunnel. */
  replaceKey(ctx: Context, membershipUid: string, keyHash: string): Promise<void>;
}
