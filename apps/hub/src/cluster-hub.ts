/**
 * One replica of a hub whose API is a Kubernetes cluster: gateway and tunnels on this thread, the internal port for the
 * other replicas, and the fleet's controllers in a worker while this one leads.
 */
import type { Context } from '@polyanthus/ground-base/context';
import { describeError } from '@polyanthus/ground-base/log';
import { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import { systemRandom } from '@polyanthus/ground-base/random';
import type { GatewayAudit } from '@polyanthus/engine-gateway/audit';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { memberships } from '@polyanthus/kube-kinds/own/fleet';
import { isStatus } from '@polyanthus/kube-objects/status';
import { followUserCas } from './cluster-users.ts';
import { sharedIdentity, type SharedIdentity } from './cluster-identity.ts';
import { hubErrors } from './errors.ts';
import { frontUrl, serveFront } from './front-server.ts';
import { createFront } from './front.ts';
import type { HubApi, HubApiAddress } from './hub-api.ts';
import { openHubApi } from './open-hub-api.ts';
import { openReplicaPort } from './replicas.ts';
import type { LeaderWorkerData, RunbookWorkerData } from './worker-messages.ts';
import { startWorker } from './workers.ts';

/** How a replica is started. */
export interface ClusterHubOptions {
  readonly address: Exclude<HubApiAddress, { readonly kind: 'embedded' }>;
  /** Where identity and Leases are. */
  readonly namespace: string;
  readonly identitySecret: string;
  readonly listen: { readonly host: string; readonly port: number };
  /** Names and addresses by which agents and users reach the hub, beside localhost. */
  readonly hostNames: readonly string[];
  readonly replica: {
    readonly name: string;
    readonly listen: { readonly host: string; readonly port: number };
    /** The host by which the other replicas reach this one. */
    readonly address: string;
  };
  /** Stays open: its owner closes it. */
  readonly audit: (line: GatewayAudit) => void;
  /** How long a stop waits for agents to open a tunnel elsewhere, and for answers under way. */
  readonly drainMs: number;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A replica that serves. */
export interface RunningClusterHub {
  readonly url: string;
  /** PEM: what agents and users trust. */
  readonly caPem: string;
  /** Rejects when a part of it fails. */
  readonly failed: Promise<never>;
  stop(): Promise<void>;
}

/** Starts everything, in order; what was started is stopped when a later part fails. Throws ClusterNotPrepared. */
export async function startClusterHub(ctx: Context, options: ClusterHubOptions): Promise<RunningClusterHub> {
  // Its own life: tunnels must outlive the signal that asks the replica to stop, to move elsewhere first.
  const life = new AbortController();
  const living: Context = { ...ctx, signal: life.signal };
  const stops: (() => Promise<void>)[] = [async () => life.abort()];
  const stop = async (): Promise<void> => {
    for (const step of stops.splice(0).reverse()) await step();
  };
  try {
    const api = await openHubApi(ctx, options.address, options.env);
    const identity = await prepared(() => openIdentity(ctx, api.clientOf('gateway'), options));
    const url = await startFront(living, { api, identity, options }, stops);
    const leader = await startWorker(ctx, 'leader-worker', {
      address: options.address,
      namespace: options.namespace,
      replica: options.replica.name,
    } satisfies LeaderWorkerData);
    stops.push(() => leader.stop());
    const caPem = identity.servingCa.certificatePem;
    const runbooks = await startWorker(ctx, 'runbook-worker', {
      address: options.address,
      door: { url: `https://127.0.0.1:${new URL(url).port}`, caPem },
    } satisfies RunbookWorkerData);
    stops.push(() => runbooks.stop());
    const failed = Promise.race([leader.failed, runbooks.failed]);
    failed.catch(() => undefined);
    return { url, caPem, failed, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Also asks for a membership: without the kinds, or the right to them, informers would wait for ever. */
async function openIdentity(ctx: Context, hubClient: KubeClient, options: ClusterHubOptions): Promise<SharedIdentity> {
  await hubClient.list(ctx, memberships, { limit: 1 });
  return sharedIdentity(ctx, hubClient, { namespace: options.namespace, name: options.identitySecret }, systemRandom);
}

async function prepared<T>(look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (cause) {
    if (!isStatus(cause, 'NotFound') && !isStatus(cause, 'Forbidden')) throw cause;
    const message = `the cluster is not ready to be a hub: ${describeError(cause)}`;
    throw hubErrors.error('ClusterNotPrepared', message, { cause });
  }
}

async function startFront(
  ctx: Context,
  hub: { readonly api: HubApi; readonly identity: SharedIdentity; readonly options: ClusterHubOptions },
  stops: (() => Promise<void>)[],
): Promise<string> {
  const { api, identity, options } = hub;
  const { namespace, replica } = options;
  const callerCaPems = [identity.agentCa.certificatePem];
  const metrics = new MetricsRegistry();
  const userCas = await followUserCas(ctx, api.clientOf('gateway'), metrics);
  const port = await openReplicaPort(ctx, { ...replica, namespace, authority: identity.replicaCa });
  const front = await createFront(ctx, {
    hubId: identity.hubId,
    agentCa: identity.agentCa,
    callerCaPems,
    userCas,
    api,
    replicas: port.make,
    audit: options.audit,
    metrics,
  });
  const listening = { listen: options.listen, hostNames: options.hostNames };
  const callerCas = { ...userCas, pems: () => [...callerCaPems, ...userCas.pems()] };
  const serving = { ...listening, authority: identity.servingCa, callerCas };
  const server = await serveFront(ctx, serving, front);
  // Together: the port takes no more callers while the tunnels move and what is under way ends.
  stops.push(async () => void (await Promise.all([front.close(options.drainMs), server.close(options.drainMs)])));
  return frontUrl(listening, server.port);
}
