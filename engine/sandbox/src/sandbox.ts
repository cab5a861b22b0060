/** One logical cluster in memory, made and thrown away in a millisecond; its state can be held on to and gone back to. */
import type { Context } from '@polyanthus/ground-base/context';
import type { Random } from '@polyanthus/ground-base/random';
import { inProcessTransport } from '@polyanthus/ground-http/in-process';
import type { Handler } from '@polyanthus/ground-http/message';
import type { UserInfo } from '@polyanthus/kube-access/user';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import { forkCluster, type ClusterBase, type ForkableCluster, type ForkOptions } from '@polyanthus/kube-server/fork';
import type { KubeletDialer } from '@polyanthus/kube-server/kubelet-dialer';
import type { LoadOutcome } from '@polyanthus/kube-server/load';
import type { Snapshot } from './snapshot.ts';

/** Everything in a sandbox at one moment, Secrets included; shares memory with it. For files: snapshot.ts. */
export type SandboxState = ClusterBase;

/** What a sandbox is made with. */
export interface SandboxOptions {
  readonly random: Random;
  /** What it begins with; absent: what every new cluster has. */
  readonly from?: SandboxState;
  /** A bearer token of the administrator, for callers over the network. */
  readonly token?: string;
  /** How exec and logs reach simulated nodes. */
  readonly dialKubelet?: KubeletDialer;
}

/** A cluster in memory. */
export interface Sandbox {
  /** For callers who prove who they are: the token, certificates and ServiceAccount tokens of this cluster. */
  readonly handler: Handler;
  /** As the administrator. Stays good over `restore`. */
  readonly client: KubeClient;
  objectCount(): number;
  /** Its state now, in time that does not depend on its size. */
  state(): SandboxState;
  /** Goes back to a state of this sandbox. Watches end, and clients of before must list again (410 Expired). */
  restore(ctx: Context, state: SandboxState): Promise<void>;
  /** Puts a copy of a cluster in, uids and status included; what cannot be loaded is named with the reason. */
  load(ctx: Context, snapshot: Snapshot): Promise<LoadOutcome>;
  /** Ends its watches; nothing of it is left. */
  close(): Promise<void>;
}

const administrator: UserInfo = { username: 'sandbox-admin', groups: ['system:masters', 'system:authenticated'] };

/** Makes one; `ctx` gives its clock. Keys and certificates are made when a caller first needs them. */
export async function createSandbox(ctx: Context, options: SandboxOptions): Promise<Sandbox> {
  const { from, token, random, dialKubelet } = options;
  const forkOptions: ForkOptions = {
    random,
    ...(token === undefined ? {} : { staticTokens: [{ token, user: administrator }] }),
    ...(dialKubelet === undefined ? {} : { dialKubelet }),
  };
  let cluster: ForkableCluster = await forkCluster(ctx, {
    ...forkOptions,
    ...(from === undefined ? {} : { base: from }),
  });
  let asAdministrator = cluster.handlerAs(administrator);
  return {
    handler: (inner, request) => cluster.handler(inner, request),
    client: createClient(inProcessTransport((inner, request) => asAdministrator(inner, request))),
    objectCount: () => cluster.objectCount(),
    state: () => cluster.freeze(),
    restore: async (inner, state) => {
      const before = cluster;
      const revisionMin = before.freeze().content.revision + 1;
      cluster = await forkCluster(inner, {
        ...forkOptions,
        identity: () => before.identity(),
        base: state,
        sameCluster: true,
        revisionMin,
      });
      asAdministrator = cluster.handlerAs(administrator);
      await before.close();
    },
    load: (inner, snapshot) =>
      cluster.load(
        inner,
        snapshot.resources.flatMap(({ objects }) => objects),
      ),
    close: () => cluster.close(),
  };
}
