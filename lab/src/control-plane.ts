/** A real etcd and kube-apiserver on loopback for one test file; everything in one temporary folder, all ended at stop(). */
import { spawn, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { binary } from './parts.ts';

/** What a test needs of the running control plane. */
export interface ControlPlane {
  readonly version: string;
  /** `https://127.0.0.1:PORT`. */
  readonly url: string;
  readonly port: number;
  /** PEM of the server's own certificate, which is its own CA. */
  readonly caPem: string;
  /** Bearer token of a member of system:masters. */
  readonly adminToken: string;
  /** A kubeconfig with that token; its folder is removed at stop(). */
  readonly kubeconfig: string;
  readonly folder: string;
  /** Process ids, for tests that kill one. */
  readonly pids: { readonly etcd: number; readonly apiserver: number };
  /** Starts a further component of this version against it: `kube-controller-manager`, `kube-scheduler`. */
  component(name: string, args: readonly string[]): void;
  stop(): Promise<void>;
}

/** Options of one control plane. `extraArgs` are added to kube-apiserver's. */
export interface ControlPlaneOptions {
  readonly version?: '1.37.2' | '1.36.3';
  readonly extraArgs?: readonly string[];
  /** Lines of a token file: `token,user,uid,"group1,group2"`. */
  readonly tokens?: readonly string[];
}

/** Ports that were free a moment ago. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(async (server) => {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return (server.address() as { port: number }).port;
    }),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Starts both and waits until /readyz says ok (60 s at most). */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const version = options.version ?? '1.37.2';
  const etcd = binary('etcd', '3.7.0');
  const apiserver = binary('kube-apiserver', version);
  if (etcd === undefined || apiserver === undefined)
    throw new Error('etcd and kube-apiserver are not built; ask whyNotReal first');
  const folder = await mkdtemp(join(tmpdir(), 'polyanthus-cp-'));
  const [client = 0, peer = 0, port = 0] = await freePorts(3);
  const children: ChildProcess[] = [];
  const start = (path: string, args: readonly string[]): ChildProcess => {
    // It ends with this process, however that ends: a test run that is killed leaves nothing behind.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', path, ...args], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let tail = '';
    child.stderr?.on('data', (chunk: Buffer) => (tail = (tail + chunk.toString()).slice(-4000)));
    child.on(
      'exit',
      () => void writeFile(join(folder, `${path.split('/').at(-1) ?? 'child'}.log`), tail).catch(() => undefined),
    );
    children.push(child);
    return child;
  };
  const etcdProcess = start(etcd, etcdArgs(folder, client, peer));
  const adminToken = randomBytes(16).toString('hex');
  await writeKeys(folder, [`${adminToken},lab-admin,lab-admin,"system:masters"`, ...(options.tokens ?? [])]);
  const apiserverProcess = start(apiserver, [...apiserverArgs(folder, client, port), ...(options.extraArgs ?? [])]);
  const stop = async (): Promise<void> => {
    await Promise.all(children.map(endChild));
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await untilReady(folder, port, apiserverProcess);
    const caPem = await readFile(join(folder, 'certs/apiserver.crt'), 'utf8');
    const url = `https://127.0.0.1:${port}`;
    const kubeconfig = join(folder, 'kubeconfig');
    await writeFile(kubeconfig, kubeconfigText(url, caPem, adminToken), { mode: 0o600 });
    return {
      version,
      url,
      port,
      caPem,
      adminToken,
      kubeconfig,
      folder,
      stop,
      pids: { etcd: etcdProcess.pid ?? 0, apiserver: apiserverProcess.pid ?? 0 },
      component: (name, args) => void start(binary(name, version) ?? name, [`--kubeconfig=${kubeconfig}`, ...args]),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Starts kube-controller-manager with all of its controllers (unless `extraArgs` say otherwise), on a free port. */
export async function startControllerManager(plane: ControlPlane, extraArgs: readonly string[] = []): Promise<void> {
  const [port = 0] = await freePorts(1);
  plane.component('kube-controller-manager', [
    `--secure-port=${port}`,
    '--bind-address=127.0.0.1',
    '--leader-elect=false',
    '--use-service-account-credentials=false',
    `--service-account-private-key-file=${plane.folder}/sa.key`,
    `--root-ca-file=${plane.folder}/certs/apiserver.crt`,
    '--authentication-kubeconfig=',
    '--authorization-kubeconfig=',
    ...extraArgs,
  ]);
}

function etcdArgs(folder: string, client: number, peer: number): readonly string[] {
  const at = (port: number): string => `http://127.0.0.1:${port}`;
  return [
    `--data-dir=${folder}/etcd`,
    `--listen-client-urls=${at(client)}`,
    `--advertise-client-urls=${at(client)}`,
    `--listen-peer-urls=${at(peer)}`,
    `--initial-advertise-peer-urls=${at(peer)}`,
    `--initial-cluster=default=${at(peer)}`,
    '--log-level=error',
    '--unsafe-no-fsync',
  ];
}

async function writeKeys(folder: string, tokens: readonly string[]): Promise<void> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  await writeFile(join(folder, 'sa.key'), privateKey.export({ type: 'pkcs1', format: 'pem' }), { mode: 0o600 });
  await writeFile(join(folder, 'tokens.csv'), `${tokens.join('\n')}\n`, { mode: 0o600 });
}

function apiserverArgs(folder: string, etcdPort: number, port: number): readonly string[] {
  return [
    `--etcd-servers=http://127.0.0.1:${etcdPort}`,
    '--bind-address=127.0.0.1',
    '--advertise-address=127.0.0.1',
    `--secure-port=${port}`,
    `--cert-dir=${folder}/certs`,
    '--service-cluster-ip-range=10.96.0.0/16',
    '--authorization-mode=RBAC',
    `--token-auth-file=${folder}/tokens.csv`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-signing-key-file=${folder}/sa.key`,
    `--service-account-key-file=${folder}/sa.key`,
    '--endpoint-reconciler-type=none',
    '-v=0',
  ];
}

async function untilReady(folder: string, port: number, child: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    if (child.exitCode !== null)
      throw new Error(`kube-apiserver ended with code ${child.exitCode}; see ${folder}/kube-apiserver.log`);
    if (existsSync(join(folder, 'certs/apiserver.crt')) && (await probe(port))) return;
    await delay(200);
  }
  throw new Error('kube-apiserver was not ready within 60 s');
}

function probe(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const call = request(
      { host: '127.0.0.1', port, path: '/readyz', rejectUnauthorized: false, timeout: 2000 },
      (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      },
    );
    call.on('error', () => resolve(false));
    call.on('timeout', () => call.destroy());
    call.end();
  });
}

/** A kubeconfig of one cluster, one user with a bearer token, one context. */
export function kubeconfigText(server: string, caPem: string, token: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'lab',
    clusters: [
      { name: 'lab', cluster: { server, 'certificate-authority-data': Buffer.from(caPem).toString('base64') } },
    ],
    users: [{ name: 'lab', user: { token } }],
    contexts: [{ name: 'lab', context: { cluster: 'lab', user: 'lab' } }],
  });
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const late = delay(5000).then(() => child.kill('SIGKILL'));
  await ended;
  void late;
}
