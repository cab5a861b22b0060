/** A hub in one process: API worker, controllers' worker, gateway and tunnels on this thread (DESIGN section 4 "Processes"). */
import type { Context } from '@polyanthus/ground-base/context';
import { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import { systemRandom } from '@polyanthus/ground-base/random';
import { writeKubeconfigContext } from '@polyanthus/kube-client/kubeconfig-write';
import { noUserCas } from './cluster-users.ts';
import { openAuditLog, type AuditLog } from './audit-log.ts';
import { dataDirectory, loadIdentity, type DataDirectory, type HubIdentity } from './data-directory.ts';
import { hubErrors } from './errors.ts';
import { frontUrl, serveFront } from './front-server.ts';
import { createFront } from './front.ts';
import type { HubApi } from './hub-api.ts';
import { openHubApi } from './open-hub-api.ts';
import { hubNamespace } from './hub-namespace.ts';
import { installOwnKinds } from './install.ts';
import { soleReplica } from './replicas.ts';
import { startWorker, type RunningWorker } from './workers.ts';
import type { OidcSettings } from './oidc.ts';
import type { RunbookWorkerData, ServedCluster } from './worker-messages.ts';

/** How a hub is started. */
export interface HubOptions {
  readonly dataDir: string;
  readonly listen: { readonly host: string; readonly port: number };
  /** Names and addresses by which agents and users reach it, beside localhost. */
  readonly hostNames: readonly string[];
  /** Whose users may sign in, beside the hub's own. */
  readonly oidc?: OidcSettings | undefined;
  /** Demo clusters to serve beside. */
  readonly served: readonly ServedCluster[];
}

/** A hub that serves. */
export interface RunningHub {
  readonly url: string;
  readonly directory: DataDirectory;
  readonly identity: HubIdentity;
  /** Ports of the demo clusters, by name. */
  readonly ports: Readonly<Record<string, number>>;
  /** Rejects when a part of it fails. */
  readonly failed: Promise<never>;
  stop(): Promise<void>;
}

/** Starts everything, in order; what was started is stopped when a later part fails. */
export async function startHub(ctx: Context, options: HubOptions): Promise<RunningHub> {
  const directory = dataDirectory(options.dataDir);
  const identity = await loadIdentity(ctx, directory, ['hub', ...options.served.map((one) => one.name)], systemRandom);
  const stops: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const step of stops.splice(0).reverse()) await step();
  };
  try {
    const api = await startWorker(ctx, 'api-worker', {
      storeDirectory: directory.store,
      socketPath: directory.apiSocket,
      secrets: identity.clusters,
      adminToken: identity.adminToken,
      oidc: options.oidc,
      served: options.served,
    });
    stops.push(() => api.stop());
    const hubApi = await openHubApi(ctx, { kind: 'embedded', socketPath: directory.apiSocket }, {});
    await installOwnKinds(ctx, hubApi.clientOf('installer'));
    const controllers = await startWorker(ctx, 'controllers-worker', {
      socketPath: directory.apiSocket,
      secrets: identity.clusters,
      served: options.served,
    });
    stops.push(() => controllers.stop());
    // Its own life: the front must outlive the signal that asks the hub to stop, to say goodbye to agents.
    const life = new AbortController();
    const audit = openAuditLog(ctx, directory.audit);
    stops.push(
      () => audit.close(),
      async () => life.abort(),
    );
    const url = await startFront({ ...ctx, signal: life.signal }, { identity, hubApi, audit, options }, stops);
    await writeAdminKubeconfig(directory, identity, url);
    const runbooks = await startWorker(ctx, 'runbook-worker', {
      address: { kind: 'embedded', socketPath: directory.apiSocket },
      door: { url, caPem: identity.clusters['hub']?.caCertificatePem ?? '' },
    } satisfies RunbookWorkerData);
    stops.push(() => runbooks.stop());
    return { url, directory, identity, ports: api.ports, failed: firstFailure(api, controllers, runbooks), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Gateway and tunnels on this thread; gives their URL. */
async function startFront(
  ctx: Context,
  hub: {
    readonly identity: HubIdentity;
    readonly hubApi: HubApi;
    readonly audit: AuditLog;
    readonly options: HubOptions;
  },
  stops: (() => Promise<void>)[],
): Promise<string> {
  const { identity, hubApi, options } = hub;
  const secrets = identity.clusters['hub'];
  if (secrets === undefined) throw hubErrors.error('IdentityUnreadable', 'the identity has no keys for the hub itself');
  const callerCaPems = [identity.agentCa.certificatePem, secrets.caCertificatePem];
  const front = await createFront(ctx, {
    hubId: identity.hubId,
    agentCa: identity.agentCa,
    callerCaPems,
    userCas: noUserCas,
    api: hubApi,
    replicas: soleReplica('hub-0', hubNamespace),
    audit: hub.audit.write,
    metrics: new MetricsRegistry(),
  });
  stops.push(() => front.close(0));
  const authority = { certificatePem: secrets.caCertificatePem, keyPem: secrets.caKeyPem };
  const listening = { listen: options.listen, hostNames: options.hostNames };
  const server = await serveFront(
    ctx,
    { ...listening, authority, callerCas: { ...noUserCas, pems: () => callerCaPems } },
    front,
  );
  stops.push(() => server.close(500));
  return frontUrl(listening, server.port);
}

function firstFailure(...workers: readonly RunningWorker[]): Promise<never> {
  const failed = Promise.race(workers.map((worker) => worker.failed));
  failed.catch(() => undefined);
  return failed;
}

/** The bootstrap administrator's way in (mode 0600). */
async function writeAdminKubeconfig(directory: DataDirectory, identity: HubIdentity, url: string): Promise<void> {
  await writeKubeconfigContext(directory.adminKubeconfig, {
    name: 'hub',
    cluster: {
      name: 'hub',
      fields: {
        server: url,
        'certificate-authority-data': Buffer.from(identity.clusters['hub']?.caCertificatePem ?? '').toString('base64'),
      },
    },
    user: { name: 'admin', fields: { token: identity.adminToken } },
    setCurrent: true,
  });
}
