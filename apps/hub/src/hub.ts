/** A hub in one process: API worker, controllers' worker, gateway and tunnels on this thread (DESIGN section 4 "Processes"). */
import { sleep, type Context } from '@polyanthus/ground-base/context';
import { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import { systemRandom } from '@polyanthus/ground-base/random';
import { serve, type RunningServer } from '@polyanthus/ground-http/node-server';
import { loadAuthority } from '@polyanthus/ground-pki/authority';
import { generateKey } from '@polyanthus/ground-pki/keys';
import { writeKubeconfigContext } from '@polyanthus/kube-client/kubeconfig-write';
import { clusterRoleBindings, customResourceDefinitions, namespaces } from '@polyanthus/kube-kinds/core';
import { ownCrds } from '@polyanthus/kube-kinds/own/crds';
import { fieldManager, isOwned } from '@polyanthus/kube-kinds/own/ownership';
import { statusError } from '@polyanthus/kube-objects/status';
import { orUndefined } from '@polyanthus/domains-fleet/member-facts';
import { administratorsBinding, administratorsGroup } from './administrators.ts';
import { dataDirectory, loadIdentity, type DataDirectory, type HubIdentity } from './data-directory.ts';
import { hubErrors } from './errors.ts';
import { createFront, type Front } from './front.ts';
import { localClient } from './local-client.ts';
import { startWorker, type RunningWorker } from './workers.ts';
import type { ServedCluster } from './worker-messages.ts';

/** How a hub is started. */
export interface HubOptions {
  readonly dataDir: string;
  readonly listen: { readonly host: string; readonly port: number };
  /** Names and addresses by which agents and users reach it, beside localhost. */
  readonly hostNames: readonly string[];
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
      served: options.served,
    });
    stops.push(() => api.stop());
    await installOwnKinds(ctx, directory.apiSocket);
    const controllers = await startWorker(ctx, 'controllers-worker', {
      socketPath: directory.apiSocket,
      secrets: identity.clusters,
      served: options.served,
    });
    stops.push(() => controllers.stop());
    // Its own life: the front must outlive the signal that asks the hub to stop, to say goodbye to agents.
    const life = new AbortController();
    const front = await createFront(
      { ...ctx, signal: life.signal },
      { identity, socketPath: directory.apiSocket, auditPath: directory.audit, metrics: new MetricsRegistry() },
    );
    stops.push(async () => {
      await front.close();
      life.abort();
    });
    const server = await listen({ ...ctx, signal: life.signal }, options, identity, front);
    stops.push(() => server.close(500));
    const url = `https://${urlHost(options)}:${server.port}`;
    await writeAdminKubeconfig(directory, identity, url);
    return { url, directory, identity, ports: api.ports, failed: firstFailure(api, controllers), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function firstFailure(...workers: readonly RunningWorker[]): Promise<never> {
  const failed = Promise.race(workers.map((worker) => worker.failed));
  failed.catch(() => undefined);
  return failed;
}

/** The hub's CRDs. One of the same name that is not ours is refused, never changed. */
async function installOwnKinds(ctx: Context, socketPath: string): Promise<void> {
  const hubClient = localClient(socketPath, 'hub', 'polyanthus:installer');
  for (const crd of ownCrds) {
    const key = { name: crd.metadata.name ?? '' };
    const live = await orUndefined(hubClient.get(ctx, customResourceDefinitions, key));
    if (live !== undefined && !isOwned(live))
      throw statusError(
        'Conflict',
        `CustomResourceDefinition ${key.name} exists and is not polyanthus's: remove it, or give the hub a cluster of its own`,
      );
    await hubClient.patch(
      ctx,
      customResourceDefinitions,
      key,
      { type: 'apply', body: crd, force: true },
      { fieldManager },
    );
  }
  for (const crd of ownCrds) await untilEstablished(ctx, hubClient, crd.metadata.name ?? '');
  await hubClient.patch(
    ctx,
    clusterRoleBindings,
    { name: administratorsGroup },
    { type: 'apply', body: administratorsBinding, force: true },
    { fieldManager },
  );
  await hubClient.patch(
    ctx,
    namespaces,
    { name: 'default' },
    { type: 'merge', body: { metadata: { labels: { 'fleet.polyanthus.dev/fleet': 'default' } } } },
    { fieldManager },
  );
}

async function untilEstablished(ctx: Context, hubClient: ReturnType<typeof localClient>, name: string): Promise<void> {
  for (let left = 100; ; left--) {
    const crd = await hubClient.get(ctx, customResourceDefinitions, { name });
    if (
      crd.status?.conditions?.some((condition) => condition.type === 'Established' && condition.status === 'True') ===
      true
    )
      return;
    if (left === 0)
      throw hubErrors.error('WorkerFailed', `CustomResourceDefinition ${name} was not established within 10 s`);
    await sleep(ctx, 100);
  }
}

async function listen(ctx: Context, options: HubOptions, identity: HubIdentity, front: Front): Promise<RunningServer> {
  const secrets = identity.clusters['hub'];
  if (secrets === undefined) throw hubErrors.error('IdentityUnreadable', 'the identity has no keys for the hub itself');
  const authority = loadAuthority({ certificatePem: secrets.caCertificatePem, keyPem: secrets.caKeyPem }, systemRandom);
  const key = await generateKey();
  const isAddress = (name: string): boolean => /^[\d.]+$|:/.test(name);
  const cert = await authority.issueServer(ctx.clock.now(), {
    names: ['localhost', ...options.hostNames.filter((name) => !isAddress(name))],
    ips: ['127.0.0.1', '::1', ...options.hostNames.filter(isAddress)],
    publicKeyPem: key.publicKeyPem,
    ttlMs: 365 * 86_400_000,
  });
  return serve(ctx, {
    handler: front.handler,
    listen: options.listen,
    tls: { cert, key: key.privateKeyPem, clientCas: [secrets.caCertificatePem, identity.agentCa.certificatePem] },
  });
}

function urlHost(options: HubOptions): string {
  const [first] = options.hostNames;
  const host =
    first ?? (options.listen.host === '0.0.0.0' || options.listen.host === '::' ? '127.0.0.1' : options.listen.host);
  return host.includes(':') ? `[${host}]` : host;
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
