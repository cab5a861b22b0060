/** The hub's one port: tunnels and enrolment by their paths, all else through the gateway. */
import { sleep, type Context } from '@polyanthus/ground-base/context';
import type { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import { systemRandom } from '@polyanthus/ground-base/random';
import type { Handler } from '@polyanthus/ground-http/message';
import type { HttpFault } from '@polyanthus/ground-http/server-exchange';
import { loadAuthority, type AuthorityFiles } from '@polyanthus/ground-pki/authority';
import { agentSubjects } from '@polyanthus/domains-fleet/agent-manifest';
import { createEnrolmentStore } from '@polyanthus/domains-fleet/enrolment';
import type { GatewayAudit } from '@polyanthus/engine-gateway/audit';
import { createGateway, type Gateway } from '@polyanthus/engine-gateway/gateway';
import { withProvenCertificate } from '@polyanthus/engine-tunnel/agent-proof';
import {
  createEnrolmentHandler,
  createRenewal,
  enrolmentPath,
  type AgentDecision,
  type EnrolmentOptions,
} from '@polyanthus/engine-tunnel/enrolment';
import { tunnelPath } from '@polyanthus/engine-tunnel/hello';
import { createTunnelHub, type TunnelHub } from '@polyanthus/engine-tunnel/hub';
import type { Membership } from '@polyanthus/kube-kinds/own/fleet';
import { createInformers } from '@polyanthus/kube-runtime/informers';
import { doorAudit } from './agent-audit.ts';
import { createConnections } from './connections.ts';
import type { UserCas } from './cluster-users.ts';
import { createAuthenticate } from './hub-access.ts';
import type { HubApi } from './hub-api.ts';
import { createMemberCache, type MemberCache } from './member-cache.ts';
import { probes } from './probes.ts';
import type { MakeReplicas } from './replicas.ts';

/** What the front is made of. */
export interface FrontOptions {
  /** A uuid: what agents sign as the hub they mean. */
  readonly hubId: string;
  readonly agentCa: AuthorityFiles;
  /** PEM of the hub's own CAs, whose client certificates say who a caller is. */
  readonly callerCaPems: readonly string[];
  /** CAs of a cluster that is the hub's API: their certificates name users too, but none of the hub's own names. */
  readonly userCas: UserCas;
  readonly api: HubApi;
  readonly replicas: MakeReplicas;
  readonly audit: (line: GatewayAudit) => void;
  readonly metrics: MetricsRegistry;
}

/** The running front. */
export interface Front {
  readonly handler: Handler;
  /** For the server in front of it. */
  readonly onFault: (fault: HttpFault) => void;
  readonly tunnels: TunnelHub;
  /** Asks agents to open a tunnel elsewhere, waits `drainMs` at most until they have, then ends what is left. */
  close(drainMs: number): Promise<void>;
}

const agentCertificateTtlMs = 30 * 86_400_000;

/** Starts the informers and waits for them: the gateway never decides on half a picture. `ctx` ends all of it. */
export async function createFront(ctx: Context, options: FrontOptions): Promise<Front> {
  const { api, metrics } = options;
  const hubClient = api.clientOf('gateway');
  const informers = createInformers(hubClient, { random: systemRandom, metrics });
  const members = createMemberCache(hubClient, metrics);
  const replicas = options.replicas(hubClient, members, () => tunnels);
  const door = doorAudit(ctx, systemRandom, options.audit);
  const enrolment = enrolmentOptions(options, createEnrolmentStore(hubClient, members.fleets), door.enrolment);
  const connections = createConnections({
    hubClient,
    members,
    replica: replicas.name,
    directory: replicas.directory,
    tunnels: () => tunnels,
  });
  const agents = { hubId: options.hubId, agentCaPems: [options.agentCa.certificatePem] };
  const tunnels: TunnelHub = createTunnelHub(ctx, {
    ...agents,
    store: enrolment.store,
    directory: replicas.directory,
    random: systemRandom,
    replica: replicas.name,
    replicaTransport: replicas.transportTo,
    renew: createRenewal(enrolment),
    onRefused: door.tunnelRefused,
    onChange: (agent, open) => void connections.changed(ctx, agent, open),
  });
  const { authorize, recheck } = access(ctx, api, informers, () => gateway);
  const gateway: Gateway = createGateway({
    authenticate: createAuthenticate(hubClient, options.callerCaPems, options.userCas.pems),
    authorize,
    findMember: members.find,
    transportTo: (uid) => tunnels.transportTo(uid),
    hubApi: api.callers,
    audit: options.audit,
    clock: ctx.clock,
    random: systemRandom,
  });
  followMembers(ctx, { members, tunnels, recheck, replica: replicas.name });
  members.informer.start(ctx);
  informers.start(ctx);
  await Promise.all([members.informer.synced, informers.synced(ctx)]);
  const running = [replicas.run(ctx), connections.run(ctx)];
  let closing = false;
  const byPath: Readonly<Record<string, Handler>> = {
    [tunnelPath]: tunnels.handleUpgrade,
    [enrolmentPath]: createEnrolmentHandler(enrolment),
    ...probes(() => !closing),
  };
  return {
    tunnels,
    onFault: door.fault,
    handler: frontHandler(byPath, (inner, request) =>
      gateway.handler(inner, withProvenCertificate(inner, request, agents)),
    ),
    close: async (drainMs) => {
      closing = true;
      await drain(ctx, tunnels, drainMs);
      await connections.settled();
      await replicas.close();
      void Promise.allSettled(running);
    },
  };
}

function enrolmentOptions(
  options: FrontOptions,
  store: EnrolmentOptions['store'],
  onDecision: (decision: AgentDecision) => void,
): EnrolmentOptions {
  return {
    hubId: options.hubId,
    store,
    onDecision,
    agentSubjects,
    authority: loadAuthority(options.agentCa, systemRandom),
    certificateTtlMs: agentCertificateTtlMs,
  };
}

function frontHandler(byPath: Readonly<Record<string, Handler>>, through: Handler): Handler {
  return (ctx, request) => {
    const path = request.url.split('?', 1)[0] ?? '';
    const own = Object.hasOwn(byPath, path) ? byPath[path] : undefined;
    return (own ?? through)(ctx, request);
  };
}

/** Who may, and what closes the streams of those who no longer may. */
function access(
  ctx: Context,
  api: HubApi,
  informers: Parameters<HubApi['authorizer']>[1],
  gateway: () => Gateway,
): { readonly authorize: ReturnType<HubApi['authorizer']>; readonly recheck: () => void } {
  const recheck = debounced(ctx, () => {
    gateway()
      .closeNoLongerAllowed(ctx)
      .catch((error: unknown) => ctx.log.warn('open streams could not be checked', { error }));
  });
  return { authorize: api.authorizer(ctx, informers, recheck), recheck };
}

/** A new holder is named before its tunnel is open; until then the old one serves. */
const movedMs = 1_000;

/** A tunnel ends with its membership or its key, and makes way for a newer one at another replica. */
function followMembers(
  ctx: Context,
  of: {
    readonly members: MemberCache;
    readonly tunnels: TunnelHub;
    readonly recheck: () => void;
    readonly replica: string;
  },
): void {
  const tunnelOf = (member: Membership) => of.tunnels.localTunnel(member.metadata.uid ?? '');
  of.members.informer.onEvent({
    onUpdate: (before, after) => {
      if (before.metadata.generation !== after.metadata.generation) of.recheck();
      const tunnel = tunnelOf(after);
      const { agentKey, holder } = after.status ?? {};
      if (tunnel === undefined) return;
      if (agentKey !== tunnel.identity.keyHash && agentKey !== before.status?.agentKey) void tunnel.close();
      else if (holder !== undefined && holder.epoch > tunnel.identity.epoch && holder.replica !== of.replica)
        ctx.clock.after(movedMs, () => tunnel.retire(), { unref: true });
    },
    onDelete: (member) => {
      void tunnelOf(member)?.close();
      of.recheck();
    },
  });
}

const drainStepMs = 50;

async function drain(ctx: Context, tunnels: TunnelHub, drainMs: number): Promise<void> {
  tunnels.drain('the hub is stopping', { stopAccepting: true });
  const untilMs = ctx.clock.monotonic() + drainMs;
  while (tunnels.tunnels().length > 0 && ctx.clock.monotonic() < untilMs) await sleep(ctx, drainStepMs);
  await tunnels.close();
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
