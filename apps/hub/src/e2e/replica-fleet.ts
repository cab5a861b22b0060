/** Fixture: three replicas of a hub on a real kube-apiserver, a member on another one, an agent behind a balancer. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { background } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { createAuthority, type Authority } from '@polyanthus/ground-pki/authority';
import { generateKey } from '@polyanthus/ground-pki/keys';
import { applyObjects } from '@polyanthus/domains-fleet/apply-objects';
import { register } from '@polyanthus/domains-fleet/register';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import { clusterRoles, customResourceDefinitions, secrets, serviceAccounts } from '@polyanthus/kube-kinds/core';
import { fleetRoleBindings, memberships, type Membership } from '@polyanthus/kube-kinds/own/fleet';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { kubeconfigText, startControlPlane, type ControlPlane } from '../../../../lab/src/control-plane.ts';

const ctx = background();
const root = join(import.meta.dirname, '../../../..');
export const hubSystem = 'polyanthus-system';
/** The user whose requests the tests send; her rights at the hub and in the member come from one fleet binding. */
export const aliceToken = 'alice-token';

/** A running `polyanthus hub run`. */
export interface Replica {
  readonly name: string;
  readonly port: number;
  readonly child: ChildProcess;
}

/** Waits for something that gets true within seconds, on a slow machine within a minute; the error says what did not. */
export async function eventually<T>(what: string, look: () => Promise<T | undefined>, withinMs = 60_000): Promise<T> {
  const until = performance.now() + withinMs;
  let last: unknown;
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined) return found;
    } catch (error) {
      last = error;
    }
    if (performance.now() > until) throw new Error(`not within ${withinMs} ms: ${what}`, { cause: last });
    await delay(25);
  }
}

/** A client of one control plane with a bearer token. */
export function planeClient(plane: ControlPlane, token = plane.adminToken): KubeClient {
  const headers = { authorization: `Bearer ${token}` };
  return createClient(
    createTransport({ baseUrl: plane.url, tls: { ca: plane.caPem }, headers: () => Promise.resolve(headers) }),
  );
}

function startHubPlane(usersCaFile: string): Promise<ControlPlane> {
  const tokens = [`${aliceToken},alice,alice-uid,"devs"`];
  return startControlPlane({ version: '1.37.2', tokens, extraArgs: [`--client-ca-file=${usersCaFile}`] });
}

/** Everything that the tests of replicas run on. */
export class ReplicaFleet {
  readonly folder: string;
  hubPlane: ControlPlane;
  readonly memberPlane: ControlPlane;
  readonly replicas: Replica[] = [];
  readonly balancer: Balancer;
  /** The CA of client certificates of the hub's cluster. */
  readonly #users: Authority;
  agent: ChildProcess | undefined;
  hubCaPem = '';

  private constructor(
    folder: string,
    planes: readonly [ControlPlane, ControlPlane],
    balancer: Balancer,
    users: Authority,
  ) {
    this.folder = folder;
    this.#users = users;
    [this.hubPlane, this.memberPlane] = planes;
    this.balancer = balancer;
  }

  /** Starts all of it, with the agent connected and alice's rights in place. */
  static async start(): Promise<ReplicaFleet> {
    const folder = await mkdtemp(join(tmpdir(), 'polyanthus-replicas-'));
    const users = await createAuthority({ commonName: 'cluster users', nowMs: Date.now(), random: systemRandom });
    const usersCaFile = join(folder, 'users-ca.pem');
    await writeFile(usersCaFile, users.certificatePem);
    const planes = await Promise.all([
      startHubPlane(usersCaFile),
      startControlPlane({ version: '1.36.3' }),
      promisify(execFile)(process.execPath, [join(root, 'apps/build.ts'), join(folder, 'dist')]),
    ]);
    const fleet = new ReplicaFleet(folder, [planes[0], planes[1]], await Balancer.start(), users);
    try {
      await fleet.#prepareHub();
      await Promise.all(['hub-a', 'hub-b', 'hub-c'].map((name) => fleet.startReplica(name)));
      const identity = await fleet.hubClient.get(ctx, secrets, {
        namespace: hubSystem,
        name: 'polyanthus-hub-identity',
      });
      fleet.hubCaPem = Buffer.from(identity.data?.['serving-ca.crt'] ?? '', 'base64').toString('utf8');
      await fleet.#joinMember();
      return fleet;
    } catch (error) {
      await fleet.stop();
      throw error;
    }
  }

  /** A client certificate of the hub's cluster. */
  async certified(commonName: string, organizations: readonly string[]): Promise<{ cert: string; key: string }> {
    const { publicKeyPem, privateKeyPem } = await generateKey();
    const wanted = { commonName, organizations, publicKeyPem, ttlMs: 3_600_000 };
    return { cert: await this.#users.issueClient(Date.now(), wanted), key: privateKeyPem };
  }

  get hubClient(): KubeClient {
    return planeClient(this.hubPlane);
  }
  get memberClient(): KubeClient {
    return planeClient(this.memberPlane);
  }

  /** Applies the manifests, and makes a kubeconfig of their ServiceAccount: replicas run with these rights alone. */
  async #prepareHub(): Promise<void> {
    const printed = await promisify(execFile)(process.execPath, [...this.#program, 'hub', 'manifests', '-o', 'json'], {
      maxBuffer: 1e8,
    });
    const { items } = JSON.parse(printed.stdout) as { readonly items: readonly KubeObject[] };
    await applyObjects(ctx, this.hubClient, items);
    await eventually('the CRDs are established', async () => {
      const found = await this.hubClient.list(ctx, customResourceDefinitions);
      const ready = found.items.every((crd) =>
        crd.status?.conditions?.some((one) => one.type === 'Established' && one.status === 'True'),
      );
      return ready ? true : undefined;
    });
    const account = { namespace: hubSystem, name: 'polyanthus-hub' };
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 3600 } };
    type Answer = { readonly status: { readonly token: string } };
    const { status } = await this.hubClient.createAt<Answer>(ctx, serviceAccounts, account, 'token', body);
    const text = kubeconfigText(this.hubPlane.url, this.hubPlane.caPem, status.token);
    await writeFile(join(this.folder, 'hub.kubeconfig'), text, { mode: 0o600 });
  }

  get #program(): readonly string[] {
    return [join(this.folder, 'dist/main.mjs')];
  }

  /** Starts a replica and puts it behind the balancer. */
  async startReplica(name: string): Promise<Replica> {
    const child = this.#spawn(name, [
      'hub',
      'run',
      `--kubeconfig=${join(this.folder, 'hub.kubeconfig')}`,
      '--listen=127.0.0.1:0',
      '--replica-listen=127.0.0.1:0',
      `--replica-name=${name}`,
      '--drain=5s',
      '--host-name=127.0.0.1',
      `--audit-log=${join(this.folder, `${name}.audit`)}`,
    ]);
    const url = await eventually(`${name} serves`, async () => {
      const said = await readFile(join(this.folder, `${name}.log`), 'utf8');
      if (child.exitCode !== null) throw new Error(said);
      return / serves at https:\/\/127\.0\.0\.1:(\d+)/.exec(said)?.[1];
    });
    const replica = { name, port: Number(url), child };
    this.replicas.push(replica);
    this.balancer.targets.add(replica.port);
    return replica;
  }

  /** The hub's cluster is lost: all replicas with it, and the hub starts again from a backup in another one. */
  async moveHub(): Promise<void> {
    const run = promisify(execFile);
    const file = join(this.folder, 'hub.backup');
    const admin = (plane: ControlPlane): string => `--kubeconfig=${plane.kubeconfig}`;
    await run(process.execPath, [...this.#program, 'hub', 'backup', admin(this.hubPlane), `--output=${file}`]);
    for (const one of this.replicas.toReversed()) await this.endReplica(one, 'SIGKILL');
    const lost = this.hubPlane;
    this.hubPlane = await startHubPlane(join(this.folder, 'users-ca.pem'));
    await lost.stop();
    await this.#prepareHub();
    await run(process.execPath, [...this.#program, 'hub', 'restore', admin(this.hubPlane), `--input=${file}`]);
    await Promise.all(['hub-x', 'hub-y'].map((name) => this.startReplica(name)));
  }

  /** Ends one at once or gently; the balancer learns of it as any does, by connections that fail. */
  async endReplica(replica: Replica, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const ended = replica.child.exitCode === null ? once(replica.child, 'exit') : undefined;
    replica.child.kill(signal);
    await ended;
    this.balancer.targets.delete(replica.port);
    this.replicas.splice(this.replicas.indexOf(replica), 1);
  }

  async #joinMember(): Promise<void> {
    const { hubClient, memberClient } = this;
    const made = await register(ctx, {
      hubClient,
      memberClient,
      fleet: 'default',
      name: 'member-1',
      agent: 'external',
      adopt: false,
      random: systemRandom,
      tokenTtlMs: 600_000,
    });
    await writeFile(join(this.folder, 'token'), made.token ?? '', { mode: 0o600 });
    await writeFile(join(this.folder, 'hub-ca.pem'), this.hubCaPem);
    // Of our own: the rules of `edit` come from the controller manager, which does not run here.
    const rules = [{ apiGroups: [''], resources: ['configmaps', 'namespaces'], verbs: ['*'] }];
    const role = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: 'config' },
      rules,
    };
    await memberClient.create(ctx, clusterRoles, role);
    await this.bindAlice();
    await this.startAgent();
  }

  /** Gives alice what she may, by one binding at the hub. */
  async bindAlice(): Promise<void> {
    await this.bind('alice', { user: 'alice' });
  }

  async bind(name: string, subject: { readonly user: string } | { readonly group: string }): Promise<void> {
    await this.hubClient.create(ctx, fleetRoleBindings, {
      apiVersion: 'fleet.polyanthus.dev/v1',
      kind: 'RBACRoleBinding',
      metadata: { name, namespace: 'default' },
      spec: { membership: 'member-1', ...subject, role: { customRole: 'config' } },
    });
  }

  /** Takes it back. The hub's Role goes by its controller; the garbage collector does not run here. */
  async unbindAlice(): Promise<void> {
    await this.hubClient.delete(ctx, fleetRoleBindings, { namespace: 'default', name: 'alice' });
  }

  /** Starts the agent, again with the identity that it has, and waits until alice gets through. */
  async startAgent(): Promise<void> {
    this.agent = this.#spawn('agent', [
      'agent',
      'run',
      `--hub=https://127.0.0.1:${this.balancer.port}`,
      `--hub-ca=${join(this.folder, 'hub-ca.pem')}`,
      '--membership=member-1',
      `--token-file=${join(this.folder, 'token')}`,
      `--state-dir=${join(this.folder, 'agent')}`,
      `--kubeconfig=${this.memberPlane.kubeconfig}`,
    ]);
    await eventually('the agent is connected', async () => ((await this.holder()) === undefined ? undefined : true));
  }

  /** The replica that holds the tunnel, once there is one. */
  async currentHolder(): Promise<Replica> {
    return eventually('a replica holds the tunnel', () => this.holder());
  }

  async killAgent(): Promise<void> {
    if (this.agent === undefined) return;
    const ended = once(this.agent, 'exit');
    this.agent.kill('SIGKILL');
    await ended;
  }

  async membership(): Promise<Membership> {
    return this.hubClient.get(ctx, memberships, { namespace: 'default', name: 'member-1' });
  }

  /** The replica that the Membership names as the holder of the tunnel. */
  async holder(): Promise<Replica | undefined> {
    const name = (await this.membership()).status?.holder?.replica;
    return this.replicas.find((one) => one.name === name);
  }

  async saidBy(name: string): Promise<string> {
    return readFile(join(this.folder, `${name}.log`), 'utf8');
  }

  #spawn(name: string, args: readonly string[]): ChildProcess {
    const log = join(this.folder, `${name}.log`);
    const child = spawn(
      '/bin/sh',
      ['-c', 'exec "$0" "$@" >>"$LOG" 2>&1', process.execPath, ...this.#program, ...args],
      {
        env: { PATH: process.env['PATH'], HOME: this.folder, LOG: log, POLYANTHUS_LOG: 'info' },
        stdio: 'ignore',
      },
    );
    return child;
  }

  async stop(): Promise<void> {
    const children = [this.agent, ...this.replicas.map((one) => one.child)].filter((one) => one !== undefined);
    await Promise.all(
      children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const ended = once(child, 'exit');
        child.kill('SIGKILL');
        await ended;
      }),
    );
    await this.balancer.stop();
    await Promise.all([this.hubPlane.stop(), this.memberPlane.stop()]);
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A TCP balancer that spreads connections over its targets in turn and passes by those that refuse. */
export class Balancer {
  readonly targets = new Set<number>();
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #next = 0;

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket: Socket) => void this.#serve(socket));
  }

  static async start(): Promise<Balancer> {
    const server = createServer({ pauseOnConnect: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Balancer(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async #serve(socket: Socket): Promise<void> {
    this.#keep(socket);
    const ports = [...this.targets];
    const first = this.#next++;
    for (let index = 0; index < ports.length; index++) {
      const target = connect(ports[(first + index) % ports.length] ?? 0, '127.0.0.1');
      this.#keep(target);
      try {
        await once(target, 'connect');
      } catch {
        continue;
      }
      socket.pipe(target).pipe(socket);
      const end = (): void => {
        // A reset is passed on as a reset: an orderly end would say more than is known.
        socket.resetAndDestroy();
        target.resetAndDestroy();
      };
      target.once('error', end);
      socket.once('error', end);
      target.once('close', () => socket.destroy());
      socket.once('close', () => target.destroy());
      socket.resume();
      return;
    }
    socket.resetAndDestroy();
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
