/** This replica among the others of its hub: who holds which tunnel, and the internal port over which they forward. */
import type { Context } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import type { Handler, Transport } from '@polyanthus/ground-http/message';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { serve } from '@polyanthus/ground-http/node-server';
import { loadAuthority, type AuthorityFiles } from '@polyanthus/ground-pki/authority';
import { generateKey } from '@polyanthus/ground-pki/keys';
import type { TunnelHub } from '@polyanthus/engine-tunnel/hub';
import { createLeaseDirectory, type LeaseDirectory } from '@polyanthus/engine-tunnel/lease-directory';
import { createReplicaHandler, replicaOrganization } from '@polyanthus/engine-tunnel/replica';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { keepIssued, type IssuedCertificate } from './issued-certificate.ts';
import type { MemberCache } from './member-cache.ts';

/** What the front knows of replicas. */
export interface Replicas {
  readonly name: string;
  readonly directory: LeaseDirectory;
  /** The internal port of another live replica. */
  readonly transportTo: (replica: string) => Transport | undefined;
  /** Serves the others, and tells them that this one lives, until `ctx` is cancelled. */
  run(ctx: Context): Promise<void>;
  close(): Promise<void>;
}

/** How the front makes them, once it has its members and tunnels. */
export type MakeReplicas = (hubClient: KubeClient, members: MemberCache, tunnels: () => TunnelHub) => Replicas;

/** A hub of one process: epochs are kept in the Memberships, so that a restart does not begin them anew; no Lease. */
export function soleReplica(name: string, namespace: string): MakeReplicas {
  return (client, members) => ({
    name,
    directory: createLeaseDirectory({
      client,
      namespace,
      replica: name,
      internalUrl: '',
      findMembership: (uid) => members.byUid(uid),
    }),
    transportTo: () => undefined,
    run: async () => undefined,
    close: async () => undefined,
  });
}

/** One of several. */
export interface ReplicaOptions {
  /** A DNS label, unique among the replicas. */
  readonly name: string;
  /** Of the replicas' Leases. */
  readonly namespace: string;
  readonly listen: { readonly host: string; readonly port: number };
  /** The host by which the others reach this one. */
  readonly address: string;
  /** The CA of the hub's replicas, with its key. */
  readonly authority: AuthorityFiles;
}

/** The internal port while it listens, and how to become a replica on it. */
export interface ReplicaPort {
  readonly make: MakeReplicas;
}

const certificateTtlMs = 365 * 86_400_000;
/** A replica that is gone is soon known as gone. */
const replicaConnectTimeoutMs = 2_000;

/** Listens first, because the Lease names the port. Throws ListenFailed. */
export async function openReplicaPort(ctx: Context, options: ReplicaOptions): Promise<ReplicaPort> {
  const { name, authority: files } = options;
  const issue = (): Promise<IssuedCertificate> => certificateFor(ctx, options);
  let issued = await issue();
  let handler: Handler = async () => ({ status: 503, headers: {}, body: Buffer.from('this replica is starting\n') });
  const server = await serve(ctx, {
    handler: (inner, request) => handler(inner, request),
    listen: options.listen,
    tls: { ...issued, clientCas: [files.certificatePem] },
  });
  const renewed = new Set<(successor: IssuedCertificate) => void>();
  void keepIssued(ctx, issued, issue, (successor) => {
    issued = successor;
    server.setTls({ ...issued, clientCas: [files.certificatePem] });
    for (const tell of renewed) tell(issued);
  });
  const host = options.address.includes(':') ? `[${options.address}]` : options.address;
  const make: MakeReplicas = (client, members, tunnels) => {
    const directory = createLeaseDirectory({
      client,
      namespace: options.namespace,
      replica: name,
      internalUrl: `https://${host}:${server.port}`,
      findMembership: (uid) => members.byUid(uid),
    });
    const peers = new Peers(directory, { ...issued, ca: files.certificatePem });
    renewed.add((successor) => peers.renew(successor));
    return {
      name,
      directory,
      transportTo: (replica) => peers.transportTo(replica),
      run: async (inner) => {
        handler = createReplicaHandler(tunnels());
        await directory.run(inner);
      },
      close: async () => {
        await server.close(0);
        await peers.close();
      },
    };
  };
  return { make };
}

/** One certificate for both ends: the others dial by the replica's name, whatever its address. */
async function certificateFor(ctx: Context, options: ReplicaOptions): Promise<IssuedCertificate> {
  const key = await generateKey();
  const cert = await loadAuthority(options.authority, systemRandom).issueServer(ctx.clock.now(), {
    names: [options.name],
    ips: [],
    organizations: [replicaOrganization],
    publicKeyPem: key.publicKeyPem,
    client: true,
    ttlMs: certificateTtlMs,
  });
  return { cert, key: key.privateKeyPem };
}

/** Transports to the other replicas, one for each address that the directory names. */
class Peers {
  readonly #directory: LeaseDirectory;
  #tls: IssuedCertificate & { readonly ca: string };
  readonly #known = new Map<string, { readonly url: string; readonly transport: Transport }>();

  constructor(directory: LeaseDirectory, tls: IssuedCertificate & { readonly ca: string }) {
    this.#directory = directory;
    this.#tls = tls;
  }

  /** New connections show the new certificate; what is under way goes on to its end. */
  renew(successor: IssuedCertificate): void {
    this.#tls = { ...this.#tls, ...successor };
    for (const { transport } of this.#known.values()) void transport.close();
    this.#known.clear();
  }

  transportTo(replica: string): Transport | undefined {
    const url = this.#directory.urlOf(replica);
    const known = this.#known.get(replica);
    if (known !== undefined && known.url === url) return known.transport;
    // Answers under way there go on to their end or break by themselves.
    this.#known.delete(replica);
    void known?.transport.close();
    if (url === undefined || url === '') return undefined;
    const tls = { ...this.#tls, serverName: replica };
    const transport = createTransport({ baseUrl: url, tls, connectTimeoutMs: replicaConnectTimeoutMs });
    this.#known.set(replica, { url, transport });
    return transport;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#known.values()].map(({ transport }) => transport.close()));
  }
}
