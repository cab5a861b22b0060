/** A whole API in this process for the tests of other rooms: no socket, no disk, time as the caller wants it. */
import { systemClock, type Clock } from '@polyanthus/ground-base/clock';
import { background, type Context } from '@polyanthus/ground-base/context';
import { systemRandom, type Random } from '@polyanthus/ground-base/random';
import { inProcessTransport } from '@polyanthus/ground-http/in-process';
import type { Transport } from '@polyanthus/ground-http/message';
import type { UserInfo } from '@polyanthus/kube-access/user';
import { createApiServer, type ApiServer } from './api-server.ts';
import type { LogicalCluster } from './logical-cluster.ts';
import { createMemoryStore } from './store/memory.ts';
import type { Store } from './store/store.ts';

export interface TestCluster {
  readonly server: ApiServer;
  readonly cluster: LogicalCluster;
  readonly store: Store;
  /** As the administrator (system:masters). */
  readonly transport: Transport;
  /** As anybody else; their rights are those that RBAC gives. */
  transportAs(user: UserInfo): Transport;
  /** Carries the cluster's clock. */
  readonly ctx: Context;
  close(): Promise<void>;
}

export interface TestClusterOptions {
  /** A virtual clock, for instance; the system's by default. */
  readonly clock?: Clock;
  readonly random?: Random;
  readonly name?: string;
}

/** Who `transport` is. */
export const administrator: UserInfo = {
  username: 'kubernetes-admin',
  groups: ['system:masters', 'system:authenticated'],
};

/** Starts a server with one cluster (`test`) on a memory store. Close it at the end. */
export async function startTestCluster(options: TestClusterOptions = {}): Promise<TestCluster> {
  const clock = options.clock ?? systemClock;
  const ctx = background({ clock });
  const store = createMemoryStore({ clock });
  const server = await createApiServer({ store, random: options.random ?? systemRandom });
  const cluster = await server.createCluster(ctx, options.name ?? 'test');
  const transportAs = (user: UserInfo): Transport => inProcessTransport(cluster.handlerAs(user));
  return {
    server,
    cluster,
    store,
    ctx,
    transport: transportAs(administrator),
    transportAs,
    close: async () => {
      await server.close();
      await store.close();
    },
  };
}
