/** Puts one logical cluster together: objects, kinds, who asks, who may. */
import type { Context } from '@polyanthus/ground-base/context';
import { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import type { Random } from '@polyanthus/ground-base/random';
import type { Handler } from '@polyanthus/ground-http/message';
import { staticTokenAuthenticator } from '@polyanthus/kube-access/authenticators';
import type { ReferenceGuard } from '@polyanthus/kube-access/reference-guard';
import type { UserInfo } from '@polyanthus/kube-access/user';
import { createAuthentication, type Authenticate, type AuthenticationOptions } from './access/authentication.ts';
import { startCsrSigner } from './access/csr-signer.ts';
import { createClusterIdentity, type ClusterIdentity } from './access/identity.ts';
import { bootstrap } from './bootstrap/bootstrap.ts';
import { Cluster } from './cluster.ts';
import { CrdController } from './crd/controller.ts';
import type { AuditSink } from '@polyanthus/kube-access/audit';
import { createInFlight, defaultInFlight } from './pipeline/in-flight.ts';
import { serveRequest } from './pipeline/serve.ts';
import type { ResourceDefinition } from './registry/definition.ts';
import { Registry } from './registry/registry.ts';
import type { KubeletDialer } from './kubelet-dialer.ts';
import type { WebhookDialer } from './webhook-dialer.ts';
import type { Store } from './store/store.ts';

/** One cluster of the server: its handler, its CA, its keys. */
export interface LogicalCluster {
  readonly name: string;
  /** Serves this cluster at the root path; callers prove who they are. */
  readonly handler: Handler;
  /** The same for a caller that this process trusts to be `user`: controllers of the hub, tests. Rights still count. */
  handlerAs(user: UserInfo): Handler;
  /** Its CA (serving and client certificates) and token keys; made at the first call unless they were given. */
  identity(): Promise<ClusterIdentity>;
  /** Ends its watches; what is stored stays. */
  close(): Promise<void>;
}

/** How callers of one cluster prove who they are, beyond its own certificates and ServiceAccount tokens. */
export interface ClusterOptions extends Omit<AuthenticationOptions, 'identity'> {
  /** Of an earlier start; a new one by default. */
  readonly identity?: ClusterIdentity;
  /** Rules on objects that hand out rights by naming others; none by default. */
  readonly referenceGuards?: readonly ReferenceGuard[];
  /** How exec, attach, port-forward and logs reach the nodes. */
  readonly dialKubelet?: KubeletDialer;
  /** How webhooks that are Services are reached; at their ready endpoints by default. */
  readonly dialWebhook?: WebhookDialer;
  /** Told of every finished request. */
  readonly audit?: AuditSink;
}

export interface LogicalClusterOptions extends Omit<ClusterOptions, 'identity'> {
  /** Made when first needed by default. */
  readonly identity?: ClusterIdentity | (() => Promise<ClusterIdentity>);
  readonly name: string;
  readonly store: Store;
  readonly random: Random;
  readonly builtin: ReadonlyMap<string, ResourceDefinition>;
}

export async function createLogicalCluster(ctx: Context, options: LogicalClusterOptions): Promise<LogicalCluster> {
  return (await openCluster(ctx, options)).logical;
}

/** A cluster and what only its own server may touch. */
export interface OpenCluster {
  readonly logical: LogicalCluster;
  readonly cluster: Cluster;
  readonly crds: CrdController;
}

/** `served` are the kinds of a store that holds a whole cluster already: nothing is written to it at the start. */
export async function openCluster(
  ctx: Context,
  options: LogicalClusterOptions,
  served?: Registry,
): Promise<OpenCluster> {
  const { name, store, random } = options;
  const metrics = new MetricsRegistry();
  const { identity: given = () => createClusterIdentity(ctx.clock.now(), random) } = options;
  let made: Promise<ClusterIdentity> | undefined;
  const identity = (): Promise<ClusterIdentity> =>
    (made ??= typeof given === 'function' ? given() : Promise.resolve(given));
  const cluster = new Cluster({
    name,
    store,
    random,
    metrics,
    identity,
    registry: served?.clone() ?? new Registry(options.builtin),
    referenceGuards: options.referenceGuards ?? [],
    tokenAuthenticators: [...(options.authenticators ?? []), staticTokenAuthenticator(options.staticTokens ?? [])],
    ...(options.dialKubelet === undefined ? {} : { dialKubelet: options.dialKubelet }),
    ...(options.dialWebhook === undefined ? {} : { dialWebhook: options.dialWebhook }),
  });
  if (served === undefined) await bootstrap(ctx, cluster);
  const crds = new CrdController(ctx, cluster);
  await crds.start(served !== undefined);
  startCsrSigner(ctx, cluster);
  const limits = createInFlight(
    defaultInFlight,
    metrics.gauge('apiserver_current_inflight_requests', 'Requests at work now.'),
  );
  const requests = metrics.counter('apiserver_request_total', 'Requests answered.');
  const pipeline = { cluster, limits, requests, ...(options.audit === undefined ? {} : { audit: options.audit }) };
  const serve =
    (authenticate: Authenticate): Handler =>
    (inner, request) =>
      serveRequest(inner, { ...pipeline, authenticate }, request);
  const logical: LogicalCluster = {
    name,
    identity,
    handler: serve(createAuthentication(cluster, { ...options, identity })),
    handlerAs: (user) => serve(() => Promise.resolve(user)),
    close: async () => cluster.close(),
  };
  return { logical, cluster, crds };
}
