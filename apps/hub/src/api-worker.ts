/** Worker: the embedded API server over its store, on a unix socket for this process, on ports for demo clusters. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker, workerData } from 'node:worker_threads';
import type { Context } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import type { Handler } from '@polyanthus/ground-http/message';
import { serve, type RunningServer } from '@polyanthus/ground-http/node-server';
import { loadAuthority } from '@polyanthus/ground-pki/authority';
import { generateKey } from '@polyanthus/ground-pki/keys';
import { bindGuard } from '@polyanthus/domains-fleet/bind-guard';
import { handoverGuard } from '@polyanthus/domains-fleet/handover-guard';
import { remoteHeadersAuthenticator } from '@polyanthus/kube-access/authenticators';
import { tokenIssuerName, type ClusterIdentity } from '@polyanthus/kube-server/access/identity';
import { createApiServer } from '@polyanthus/kube-server/api-server';
import type { LogicalCluster } from '@polyanthus/kube-server/logical-cluster';
import { openSqliteStore } from '@polyanthus/kube-server/store/sqlite';
import { startWorkerFromSource, type StartWorker } from '@polyanthus/kube-server/store/sqlite-thread';
import type { UserInfo } from '@polyanthus/kube-access/user';
import { administratorsGroup } from './administrators.ts';
import type { ClusterSecrets } from './data-directory.ts';
import { createKubeletDialer } from './kubelet-dialer.ts';
import { oidcUsers } from './oidc.ts';
import { runWorker } from './worker-main.ts';
import type { ApiWorkerData } from './worker-messages.ts';

const data = workerData as ApiWorkerData;
const certificateTtlMs = 365 * 86_400_000;

function identityOf(secrets: ClusterSecrets): ClusterIdentity {
  return {
    authority: loadAuthority({ certificatePem: secrets.caCertificatePem, keyPem: secrets.caKeyPem }, systemRandom),
    tokenIssuer: {
      issuer: tokenIssuerName,
      signingKeyPem: secrets.tokenKeyPem,
      publicKeyPems: [secrets.tokenPublicKeyPem],
    },
  };
}

/** Only the unix socket may say who somebody is. */
function withoutRemoteHeaders(handler: Handler): Handler {
  return (ctx, request) =>
    handler(ctx, {
      ...request,
      headers: Object.fromEntries(Object.entries(request.headers).filter(([name]) => !name.startsWith('x-remote-'))),
    });
}

/** At the hub an ordinary user with a binding, since nobody enters a member as system:masters; master of demo clusters. */
const administrator = (cluster: string): UserInfo => ({
  username: 'polyanthus:admin',
  groups: [cluster === 'hub' ? administratorsGroup : 'system:masters'],
});

async function servePort(ctx: Context, cluster: LogicalCluster, port: number): Promise<RunningServer> {
  const { authority } = await cluster.identity();
  const key = await generateKey();
  const cert = await authority.issueServer(ctx.clock.now(), {
    names: ['localhost', 'kubernetes.default.svc'],
    ips: ['127.0.0.1', '::1'],
    publicKeyPem: key.publicKeyPem,
    ttlMs: certificateTtlMs,
  });
  return serve(ctx, {
    handler: withoutRemoteHeaders(cluster.handler),
    listen: { host: '127.0.0.1', port },
    tls: { cert, key: key.privateKeyPem, clientCas: [authority.certificatePem] },
  });
}

/** In a bundle the store's thread is a file beside this one. */
const startStoreThread: StartWorker = (given) => {
  const bundled = join(import.meta.dirname, 'sqlite-worker.mjs');
  return existsSync(bundled) ? new Worker(bundled, { workerData: given, execArgv: [] }) : startWorkerFromSource(given);
};

await runWorker(async (ctx) => {
  const store = await openSqliteStore(ctx, {
    directory: data.storeDirectory,
    clock: ctx.clock,
    startWorker: startStoreThread,
  });
  const server = await createApiServer({ store, random: systemRandom });
  const ports: Record<string, number> = {};
  const listeners: RunningServer[] = [];
  for (const [name, secrets] of Object.entries(data.secrets)) {
    const served = data.served.find((one) => one.name === name);
    if (served === undefined && name !== 'hub') continue;
    const identity = identityOf(secrets);
    // The hub's own cluster has no nodes.
    const dialKubelet = served === undefined ? {} : { dialKubelet: await createKubeletDialer(ctx, identity.authority) };
    const cluster = await server.createCluster(ctx, name, {
      identity,
      authenticators: [
        remoteHeadersAuthenticator,
        ...(name === 'hub' && data.oidc !== undefined ? [oidcUsers(data.oidc)] : []),
      ],
      staticTokens: [{ token: data.adminToken, user: administrator(name) }],
      ...dialKubelet,
      referenceGuards: name === 'hub' ? [bindGuard, handoverGuard] : [],
    });
    if (served === undefined) continue;
    const listener = await servePort(ctx, cluster, served.port);
    ports[name] = listener.port;
    listeners.push(listener);
  }
  listeners.push(await serve(ctx, { handler: server.handler, listen: { path: data.socketPath } }));
  return {
    ports,
    stop: async () => {
      await Promise.all(listeners.map((listener) => listener.close(1000)));
      await server.close();
      await store.close();
    },
  };
});
