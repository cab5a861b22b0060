/** Puts one logical cluster together: objects, kinds, who asks, who may. */
import type { Context } from '@polyanthus/ground-base/context';
import { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import type { Random } from '@polyanthus/ground-base/random';
import type { Handler, ServerRequest } from '@polyanthus/ground-http/message';
import type { UserInfo } from '@polyanthus/kube-access/user';
import { statusError } from '@polyanthus/kube-objects/status';
import { bootstrap } from './bootstrap/bootstrap.ts';
import { Cluster, type Authorizer } from './cluster.ts';
import { CrdController } from './crd/controller.ts';
import { createInFlight, defaultInFlight } from './pipeline/in-flight.ts';
import { serveRequest, type PipelineParts } from './pipeline/serve.ts';
import { Registry } from './registry/registry.ts';
import type { ResourceDefinition } from './registry/definition.ts';
import type { Store } from './store/store.ts';

export interface LogicalCluster {
  readonly name: string;
  /** Serves this cluster at the root path; callers prove who they are. */
  readonly handler: Handler;
  /** The same for a caller that this process trusts to be `user`: controllers of the hub, tests. Rights still count. */
  handlerAs(user: UserInfo): Handler;
  close(): Promise<void>;
}

export interface LogicalClusterOptions {
  readonly name: string;
  readonly store: Store;
  readonly random: Random;
  readonly builtin: ReadonlyMap<string, ResourceDefinition>;
}

/** Members of system:masters may do everything, whatever RBAC says. */
const masters: Authorizer = (attributes) => ({
  allowed: attributes.user.groups.includes('system:masters'),
  reason: '',
});

export async function createLogicalCluster(ctx: Context, options: LogicalClusterOptions): Promise<LogicalCluster> {
  const { name, store, random } = options;
  const metrics = new MetricsRegistry();
  const cluster = new Cluster({
    name,
    store,
    random,
    metrics,
    registry: new Registry(options.builtin),
    authorizers: [masters],
    checkEscalation: () => Promise.resolve(),
  });
  await bootstrap(ctx, cluster);
  await new CrdController(ctx, cluster).start();
  const limits = createInFlight(
    defaultInFlight,
    metrics.gauge('apiserver_current_inflight_requests', 'Requests at work now.'),
  );
  const serve = (authenticate: PipelineParts['authenticate']): Handler => {
    const parts: PipelineParts = { cluster, authenticate, limits };
    return (inner, request: ServerRequest) => serveRequest(inner, parts, request);
  };
  return {
    name,
    handler: serve(() => Promise.reject(statusError('Unauthorized', 'Unauthorized'))),
    handlerAs: (user) => serve(() => Promise.resolve(user)),
    close: async () => cluster.close(),
  };
}
