/** The fleet role at the hub's API, whose client certificate is renewed before its end. */
import { sleep, withCancel, type Context } from '@polyanthus/ground-base/context';
import { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import { systemRandom } from '@polyanthus/ground-base/random';
import type { Transport } from '@polyanthus/ground-http/message';
import { runMemberController } from '@polyanthus/domains-fleet/member-controller';
import { createClient } from '@polyanthus/kube-client/rest';
import type { AgentIdentity } from './identity.ts';

/** What the role works with. */
export interface FleetRoleOptions {
  readonly identity: AgentIdentity;
  /** A new way to the hub's API with the certificate that the identity has now. */
  readonly reach: () => Transport;
  readonly member: Transport;
  readonly fleet: string;
  readonly membership: string;
  readonly renewBeforeMs: number;
}

/** How often the certificate is looked at. */
const lookEveryMs = 3_600_000;

/** Runs until the context is cancelled. A new certificate starts the controller anew on a connection of its own. */
export async function runFleetRole(ctx: Context, options: FleetRoleOptions): Promise<void> {
  const memberClient = createClient(options.member);
  const { fleet, membership } = options;
  while (!ctx.signal.aborted) {
    const hub = options.reach();
    const scope = withCancel(ctx);
    void untilNewCertificate(scope.ctx, options).finally(() => scope.cancel());
    const ends = { hubClient: createClient(hub), memberClient };
    const metrics = new MetricsRegistry();
    try {
      await runMemberController(scope.ctx, { ...ends, fleet, membership, random: systemRandom, metrics });
    } catch (error) {
      // Not yet in step with the hub when the next certificate came.
      if (ctx.signal.aborted || !scope.ctx.signal.aborted) throw error;
    } finally {
      scope.cancel();
      await hub.close();
    }
  }
}

/** Also the tunnel role, in the same process, renews it. Trouble is logged, and the certificate kept while it is good. */
async function untilNewCertificate(ctx: Context, options: FleetRoleOptions): Promise<void> {
  const { identity } = options;
  const { cert } = identity.tls();
  while (!ctx.signal.aborted && identity.tls().cert === cert) {
    await sleep(ctx, lookEveryMs).catch(() => undefined);
    if (ctx.signal.aborted) return;
    await identity
      .keepFresh(ctx, options.renewBeforeMs)
      .catch((error: unknown) => ctx.log.error('the certificate could not be renewed', { error }));
  }
}
