/** The hub's one port: tunnels and enrolment by their paths, all else through the gateway. */
import { createWriteStream } from 'node:fs';
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import { systemRandom } from '@polyanthus/ground-base/random';
import type { Handler } from '@polyanthus/ground-http/message';
import { loadAuthority } from '@polyanthus/ground-pki/authority';
import { agentSubjects } from '@polyanthus/domains-fleet/agent-manifest';
import { recordConnection } from '@polyanthus/domains-fleet/connection-status';
import { createEnrolmentStore } from '@polyanthus/domains-fleet/enrolment';
import { createGateway, type Gateway } from '@polyanthus/engine-gateway/gateway';
import { MemoryDirectory } from '@polyanthus/engine-tunnel/directory';
import {
  createEnrolmentHandler,
  createRenewal,
  enrolmentPath,
  type EnrolmentOptions,
} from '@polyanthus/engine-tunnel/enrolment';
import { tunnelPath } from '@polyanthus/engine-tunnel/hello';
import { createTunnelHub, type TunnelHub } from '@polyanthus/engine-tunnel/hub';
import type { TunnelIdentity } from '@polyanthus/engine-tunnel/hub-tunnel';
import { memberships } from '@polyanthus/kube-kinds/own/fleet';
import { createInformers } from '@polyanthus/kube-runtime/informers';
import { joinKey } from '@polyanthus/kube-runtime/keys';
import type { HubIdentity } from './data-directory.ts';
import { createAuthenticate, createAuthorize } from './hub-access.ts';
import { localClient, localTransport } from './local-client.ts';

/** What the front is made of. */
export interface FrontOptions {
  readonly identity: HubIdentity;
  readonly socketPath: string;
  readonly auditPath: string;
  readonly metrics: MetricsRegistry;
}

/** The running front. */
export interface Front {
  readonly handler: Handler;
  readonly tunnels: TunnelHub;
  /** Asks agents to go elsewhere, then ends what is left. */
  close(): Promise<void>;
}

const agentCertificateTtlMs = 30 * 86_400_000;
const replicaName = 'hub-0';

/** Starts the informers and waits for them: the gateway never decides on half a picture. */
export async function createFront(ctx: Context, options: FrontOptions): Promise<Front> {
  const { identity, metrics } = options;
  const hubClient = localClient(options.socketPath, 'hub', 'polyanthus:gateway');
  const informers = createInformers(hubClient, { random: systemRandom, metrics });
  const members = informers.of(memberships);
  let gateway: Gateway | undefined;
  const recheck = debounced(
    ctx,
    () =>
      void gateway
        ?.closeNoLongerAllowed(ctx)
        .catch((error: unknown) => ctx.log.warn('open streams could not be checked', { error })),
  );
  const authorize = createAuthorize(informers, recheck);
  members.onEvent({ onUpdate: recheck, onDelete: recheck });
  informers.start(ctx);
  await informers.synced(ctx);
  const fleets = (): readonly string[] => [
    ...new Set(['default', ...members.list().map((one) => one.metadata.namespace ?? '')]),
  ];
  const enrolment = enrolmentOptions(identity, createEnrolmentStore(hubClient, fleets));
  const tunnels = createTunnelHub(ctx, {
    hubId: identity.hubId,
    agentCaPems: [identity.agentCa.certificatePem],
    store: enrolment.store,
    directory: new MemoryDirectory().of(replicaName),
    random: systemRandom,
    replica: replicaName,
    replicaTransport: () => undefined,
    renew: createRenewal(enrolment),
    onChange: (agent, open) => void record(ctx, hubClient, tunnels, agent, open),
  });
  const audit = createWriteStream(options.auditPath, { flags: 'a', mode: 0o600 });
  audit.on('error', (error) => ctx.log.error('the audit log cannot be written', { error }));
  gateway = createGateway({
    authenticate: createAuthenticate(hubClient, [
      identity.agentCa.certificatePem,
      identity.clusters['hub']?.caCertificatePem ?? '',
    ]),
    authorize,
    findMember: (fleet, name) => {
      const found = members.get(joinKey(fleet, name));
      return found === undefined
        ? undefined
        : { uid: found.metadata.uid ?? '', fleet, name, ceiling: found.spec?.ceiling ?? 'full' };
    },
    transportTo: (uid) => tunnels.transportTo(uid),
    hubApi: localTransport(options.socketPath, 'hub'),
    audit: (line) => void audit.write(`${JSON.stringify(line)}\n`),
    clock: ctx.clock,
    random: systemRandom,
  });
  const enrol = createEnrolmentHandler(enrolment);
  const through = gateway.handler;
  return {
    tunnels,
    handler: (inner, request) => {
      const path = request.url.split('?', 1)[0];
      if (path === tunnelPath) return tunnels.handleUpgrade(inner, request);
      return path === enrolmentPath ? enrol(inner, request) : through(inner, request);
    },
    close: async () => {
      tunnels.drain('the hub is stopping', { stopAccepting: true });
      await tunnels.close();
      await new Promise((resolve) => audit.end(resolve));
    },
  };
}

function enrolmentOptions(identity: HubIdentity, store: EnrolmentOptions['store']): EnrolmentOptions {
  const agentCa = loadAuthority(identity.agentCa, systemRandom);
  return {
    hubId: identity.hubId,
    store,
    agentSubjects,
    authority: agentCa,
    certificateTtlMs: agentCertificateTtlMs,
  };
}

/** One run soon after the last of many calls. */
function debounced(ctx: Context, fn: () => void): () => void {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    ctx.clock.after(
      200,
      () => {
        waiting = false;
        fn();
      },
      { unref: true },
    );
  };
}

async function record(
  ctx: Context,
  hubClient: ReturnType<typeof localClient>,
  tunnels: TunnelHub,
  agent: TunnelIdentity,
  open: boolean,
): Promise<void> {
  const [fleet = '', name = ''] = agent.membership.split('/');
  // A tunnel that was replaced closes after its successor has opened: the member is still connected.
  if (!open && tunnels.localTunnel(agent.membershipUid) !== undefined) return;
  try {
    const kubernetesVersion = open ? await memberVersion(ctx, tunnels, agent.membershipUid) : undefined;
    await recordConnection(ctx, hubClient, {
      fleet,
      name,
      connected: open,
      agentVersion: agent.agentVersion,
      replica: replicaName,
      epoch: agent.epoch,
      ...(kubernetesVersion === undefined ? {} : { kubernetesVersion }),
    });
  } catch (error) {
    if (!ctx.signal.aborted && !hasCode(error, 'Cancelled'))
      ctx.log.warn('a connection could not be recorded', { membership: agent.membership, error });
  }
}

async function memberVersion(ctx: Context, tunnels: TunnelHub, uid: string): Promise<string | undefined> {
  const { readBody } = await import('@polyanthus/ground-http/body');
  const { probeHeader } = await import('@polyanthus/engine-tunnel/wire');
  try {
    const response = await tunnels
      .transportTo(uid)
      .request(ctx, { method: 'GET', url: '/version', headers: { [probeHeader]: '1' }, body: null });
    const text = Buffer.from(await readBody(response.body, 64 * 1024)).toString('utf8');
    return response.status === 200 ? (JSON.parse(text) as { readonly gitVersion?: string }).gitVersion : undefined;
  } catch (error) {
    ctx.log.debug('the version of a member could not be asked', { uid, error });
    return undefined;
  }
}
