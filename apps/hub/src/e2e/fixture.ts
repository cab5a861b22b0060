/** A hub as users run it, real members joined to it by agents outside of them, and real kubectl: all child processes. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { systemRandom } from '@polyanthus/ground-base/random';
import { createCsr, loadAuthority } from '@polyanthus/ground-pki/authority';
import { generateKey } from '@polyanthus/ground-pki/keys';
import type { GatewayAudit } from '@polyanthus/engine-gateway/audit';
import {
  freePorts,
  startControlPlane,
  type ControlPlane,
  type ControlPlaneOptions,
} from '../../../../lab/src/control-plane.ts';
import { binary, whyNotReal } from '../../../../lab/src/parts.ts';
import { auditAnnotations } from '../audit-event.ts';
import type { HubIdentity } from '../data-directory.ts';
import { bundle, run, start, type Running, type RunOptions, type Said } from './processes.ts';

/** The newest kubectl, and our floor. */
export const kubectls = ['1.37.2', '1.32.13'] as const;

/** Why these tests cannot run here, if so. */
export const whyNot = whyNotReal(
  ['etcd', '3.7.0'],
  ['kube-apiserver', '1.37.2'],
  ['kube-apiserver', '1.36.3'],
  ['kube-controller-manager', '1.37.2'],
  ['kube-controller-manager', '1.36.3'],
  ['kubectl', '1.37.2'],
  ['kubectl', '1.32.13'],
);

/** For the name of a `describe`. */
export const skipped = whyNot === undefined ? '' : ` (skipped: ${whyNot})`;

/** A file that proves who somebody is, as the fields of a kubeconfig's user. */
export type UserFields = Readonly<Record<string, string>>;

/** A cluster that is joined, and the process that joins it. */
export interface Member {
  readonly name: string;
  readonly plane: ControlPlane;
  agent: Running;
  readonly agentArgs: readonly string[];
  readonly stateDir: string;
}

/** How long the tests wait for what takes a second at most: a busy machine gets more. Times that count are figures. */
export const soonMs = 60_000;

/** Asks again every 50 ms until the answer is neither undefined nor false; throws what `describe` says after `withinMs`. */
export async function until<T>(
  withinMs: number,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  describe: () => string = () => '',
): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const found = await ask();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms. ${describe()}`);
    await delay(50);
  }
}

/** Arguments with some of their values replaced. */
export function withArgs(args: readonly string[], changed: Readonly<Record<string, string>>): readonly string[] {
  return args.map((arg) => {
    const name = arg.split('=')[0] ?? '';
    return changed[name] === undefined ? arg : `${name}=${changed[name]}`;
  });
}

/** What the tests read of an event. */
interface AuditEvent {
  readonly auditID: string;
  readonly requestURI: string;
  readonly verb: string;
  readonly user: { readonly username: string; readonly groups: readonly string[] };
  readonly impersonatedUser?: { readonly username: string };
  readonly userAgent?: string;
  readonly responseStatus: { readonly code: number };
  readonly requestReceivedTimestamp: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/** The gateway's line that an event was made of. */
function auditedLine(event: AuditEvent): GatewayAudit {
  const { annotations, impersonatedUser, userAgent } = event;
  const membership = annotations[auditAnnotations.membership];
  return {
    time: event.requestReceivedTimestamp,
    auditId: event.auditID,
    user: event.user.username,
    groups: event.user.groups,
    ...(impersonatedUser === undefined ? {} : { impersonated: impersonatedUser.username }),
    sourceAddress: annotations[auditAnnotations.source] ?? '',
    ...(userAgent === undefined ? {} : { userAgent }),
    ...(membership === undefined ? {} : { membership }),
    verb: event.verb,
    uri: event.requestURI,
    allowed: annotations[auditAnnotations.decision] === 'allow',
    reason: annotations[auditAnnotations.reason] ?? '',
    status: event.responseStatus.code,
    durationMs: 0,
    end: (annotations[auditAnnotations.end] ?? 'broken') as GatewayAudit['end'],
  };
}

/** One hub and all that a test file does with it. */
export class TestFleet {
  readonly folder: string;
  readonly port: number;
  readonly main: string;
  readonly #upArgs: readonly string[];
  readonly #members: Member[] = [];
  readonly #planes: ControlPlane[] = [];
  readonly #running: Running[] = [];
  hub!: Running;
  identity!: HubIdentity;

  private constructor(folder: string, main: string, port: number, upArgs: readonly string[]) {
    this.folder = folder;
    this.main = main;
    this.port = port;
    this.#upArgs = upArgs;
  }

  /** Bundles the product and starts its hub. */
  static async start(upArgs: readonly string[] = []): Promise<TestFleet> {
    const folder = await mkdtemp(join(tmpdir(), 'polyanthus-e2e-'));
    const main = await bundle(folder).catch(async (error: unknown) => {
      await rm(folder, { recursive: true, force: true });
      throw error;
    });
    const [port = 0] = await freePorts(1);
    const fleet = new TestFleet(folder, main, port, upArgs);
    await fleet.startHub().catch(async (error: unknown) => {
      await fleet.stop();
      throw error;
    });
    return fleet;
  }

  get url(): string {
    return `https://127.0.0.1:${this.port}`;
  }
  get dataDir(): string {
    return join(this.folder, 'hub');
  }
  get adminKubeconfig(): string {
    return join(this.dataDir, 'admin.kubeconfig');
  }
  get hubCaFile(): string {
    return join(this.folder, 'hub-ca.pem');
  }
  get hubCaPem(): string {
    return this.identity.clusters['hub']?.caCertificatePem ?? '';
  }

  /** Starts the hub on its folder, the same port every time; gives the milliseconds until it served. */
  async startHub(): Promise<number> {
    const started = performance.now();
    this.hub = this.begin('up', `--data-dir=${this.dataDir}`, `--listen=127.0.0.1:${this.port}`, ...this.#upArgs);
    await this.hub.saying(/The hub serves at \S+/);
    const ms = performance.now() - started;
    this.identity = JSON.parse(await readFile(join(this.dataDir, 'identity.json'), 'utf8')) as HubIdentity;
    await writeFile(this.hubCaFile, this.hubCaPem);
    return ms;
  }

  /** `polyanthus …` that goes on; ended at `stop`. */
  begin(...args: string[]): Running {
    const running = start(process.execPath, [this.main, ...args], { HOME: this.folder });
    this.#running.push(running);
    return running;
  }

  /** `polyanthus …` to its end. */
  polyanthus(args: readonly string[], options: RunOptions = {}): Promise<Said> {
    return run(process.execPath, [this.main, ...args], { ...options, env: { HOME: this.folder, ...options.env } });
  }

  /** `polyanthus fleet …` as the hub's administrator; throws when it fails. */
  async fleet(...args: string[]): Promise<string> {
    const said = await this.polyanthus(['fleet', ...args, `--hub-kubeconfig=${this.adminKubeconfig}`]);
    if (said.code !== 0) throw new Error(`polyanthus fleet ${args.join(' ')}: ${said.err}`);
    return said.out;
  }

  /** A control plane that joins nothing yet. */
  async plane(version: '1.37.2' | '1.36.3', options: ControlPlaneOptions = {}): Promise<ControlPlane> {
    const plane = await startControlPlane({ ...options, version });
    this.#planes.push(plane);
    return plane;
  }

  /** A control plane with the controllers that fill admin, edit and view; registered, its agent connected. */
  async join(name: string, version: '1.37.2' | '1.36.3', options: ControlPlaneOptions = {}): Promise<Member> {
    const plane = await this.plane(version, options);
    plane.component('kube-controller-manager', [
      '--controllers=clusterrole-aggregation-controller,namespace-controller,serviceaccount-controller',
      '--leader-elect=false',
      '--secure-port=0',
    ]);
    return this.joinPlane(name, plane);
  }

  /** Registers a running control plane and starts its agent. */
  async joinPlane(name: string, plane: ControlPlane, hubUrl = this.url, hubCaFile = this.hubCaFile): Promise<Member> {
    const tokenFile = join(this.folder, `${name}.token`);
    await this.fleet(
      'register',
      name,
      '--agent=external',
      `--token-output-file=${tokenFile}`,
      `--kubeconfig=${plane.kubeconfig}`,
    );
    const stateDir = join(this.folder, `agent-${name}`);
    const agentArgs = [
      'agent',
      'run',
      `--hub=${hubUrl}`,
      `--hub-ca=${hubCaFile}`,
      `--membership=${name}`,
      `--token-file=${tokenFile}`,
      `--state-dir=${stateDir}`,
      `--kubeconfig=${plane.kubeconfig}`,
    ];
    const member: Member = { name, plane, agentArgs, stateDir, agent: this.begin(...agentArgs) };
    await member.agent.saying(/connected to/);
    this.#members.push(member);
    return member;
  }

  /** Starts the member's agent again and waits for its tunnel. */
  async restartAgent(member: Member): Promise<void> {
    member.agent = this.begin(...member.agentArgs);
    await member.agent.saying(/connected to/);
  }

  /** The gateway's path of a member. */
  memberPath(member: string): string {
    return `/v1/projects/default/locations/global/memberships/${member}`;
  }

  /** A kubeconfig for the hub (path '') or a member through it. */
  async kubeconfig(user: UserFields, path = ''): Promise<string> {
    const file = join(this.folder, `kubeconfig-${randomUUID()}`);
    const cluster = {
      server: `${this.url}${path}`,
      'certificate-authority-data': Buffer.from(this.hubCaPem).toString('base64'),
    };
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'c',
      clusters: [{ name: 'c', cluster }],
      users: [{ name: 'u', user }],
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
    };
    await writeFile(file, JSON.stringify(config), { mode: 0o600 });
    return file;
  }

  /** kubectl of a version with a kubeconfig; a cache of its own unless the arguments say otherwise. */
  kubectl(version: string, kubeconfig: string, args: readonly string[], options: RunOptions = {}): Promise<Said> {
    return run(
      binary('kubectl', version) ?? 'kubectl',
      [`--kubeconfig=${kubeconfig}`, `--cache-dir=${kubeconfig}.cache-${version}`, ...args],
      options,
    );
  }

  /** kubectl that goes on. */
  watchKubectl(version: string, kubeconfig: string, ...args: string[]): Running {
    const running = start(binary('kubectl', version) ?? 'kubectl', [
      `--kubeconfig=${kubeconfig}`,
      `--cache-dir=${kubeconfig}.cache-${version}`,
      ...args,
    ]);
    this.#running.push(running);
    return running;
  }

  /** The newest kubectl, straight at a member or (without one) as the hub's administrator; throws when it fails. */
  async admin(where: Member | ControlPlane | undefined, args: readonly string[], stdin?: string): Promise<string> {
    const kubeconfig =
      where === undefined ? this.adminKubeconfig : 'plane' in where ? where.plane.kubeconfig : where.kubeconfig;
    const said = await this.kubectl('1.37.2', kubeconfig, args, stdin === undefined ? {} : { stdin });
    if (said.code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${said.err}`);
    return said.out;
  }

  /** A user of the hub by a CertificateSigningRequest that its administrator approves. */
  async userByCsr(name: string): Promise<UserFields> {
    const keys = await generateKey();
    const request = Buffer.from(await createCsr(keys, name)).toString('base64');
    const csrName = `csr-${randomUUID()}`;
    const csr = {
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      metadata: { name: csrName },
      spec: { request, signerName: 'kubernetes.io/kube-apiserver-client', usages: ['client auth'] },
    };
    await this.admin(undefined, ['create', '-f', '-'], JSON.stringify(csr));
    await this.admin(undefined, ['certificate', 'approve', csrName]);
    const certificate = await until(
      soonMs,
      async () =>
        (await this.admin(undefined, ['get', 'csr', csrName, '-o', 'jsonpath={.status.certificate}'])) || undefined,
    );
    return {
      'client-certificate-data': certificate,
      'client-key-data': Buffer.from(keys.privateKeyPem).toString('base64'),
    };
  }

  /** A certificate that the hub's own CA gave, as only its administrator could make the hub do. */
  async certified(
    commonName: string,
    organizations: readonly string[],
    ttlMs = 3_600_000,
    agoMs = 0,
  ): Promise<UserFields> {
    const secrets = this.identity.clusters['hub'];
    const authority = loadAuthority(
      { certificatePem: secrets?.caCertificatePem ?? '', keyPem: secrets?.caKeyPem ?? '' },
      systemRandom,
    );
    const keys = await generateKey();
    const pem = await authority.issueClient(Date.now() - agoMs, {
      commonName,
      organizations,
      publicKeyPem: keys.publicKeyPem,
      ttlMs,
    });
    return {
      'client-certificate-data': Buffer.from(pem).toString('base64'),
      'client-key-data': Buffer.from(keys.privateKeyPem).toString('base64'),
    };
  }

  /** A ServiceAccount of the hub, by a token of its own. */
  async userByServiceAccount(namespace: string, name: string): Promise<UserFields> {
    await this.admin(undefined, ['create', 'serviceaccount', name, '-n', namespace]);
    return { token: (await this.admin(undefined, ['create', 'token', name, '-n', namespace])).trim() };
  }

  /** The lines of the audit log so far. */
  async audit(): Promise<readonly GatewayAudit[]> {
    const text = await readFile(join(this.dataDir, 'audit.log'), 'utf8').catch(() => '');
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => auditedLine(JSON.parse(line) as AuditEvent));
  }

  /** Ends everything, the hub last, and removes the folder. */
  async stop(): Promise<void> {
    await Promise.all(this.#running.filter((one) => one !== this.hub).map((one) => one.stop()));
    await Promise.all([this.hub.stop(), ...this.#planes.map((plane) => plane.stop())]);
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
