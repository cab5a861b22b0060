/** The ways to a target that are compared: direct, our tunnel bare, our hub as users run it, and the peer's proxy. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { testCertificates } from '@polyanthus/ground-http/testing';
import { startControlPlane, type ControlPlane } from '../../lab/src/control-plane.ts';
import { runFolder, start, startBy, type Started } from './children.ts';
import type { NetLink } from './net-link.ts';
import { joinMember, memberPath, startRealHub, type RealHub } from './real-hub.ts';
import { goProgram } from '../go-program.ts';

/** One way. `pids` are the hub's and the agent's processes. */
export interface Way {
  readonly name: 'direct' | 'bare' | 'hub' | 'remotedialer';
  readonly url: string;
  readonly token: string;
  readonly pids: readonly number[];
}

/** All ways to one target. */
export interface Ways {
  readonly target: string;
  readonly ways: readonly Way[];
  readonly hub: RealHub;
  readonly controlPlane?: ControlPlane;
}

const user = 'polyanthus:admin';

function role(...args: string[]): Promise<Started> {
  return roleOn([], ...args);
}

/** A role on the side of a link that `prefix` runs programs on. */
function roleOn(prefix: readonly string[], ...args: string[]): Promise<Started> {
  return startBy(prefix, process.execPath, [join(import.meta.dirname, 'processes.ts'), ...args]);
}

function kubeconfig(name: string, server: string, caPem: string, token: string): string {
  const file = join(runFolder, `${name}.kubeconfig`);
  const cluster = { server, 'certificate-authority-data': Buffer.from(caPem).toString('base64') };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    clusters: [{ name, cluster }],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
  };
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
  return file;
}

async function peer(target: string, token: string, link: Pick<NetLink, 'inside' | 'toHub'> = straight): Promise<Way> {
  const program = goProgram('gateway/remotedialer');
  const certFile = join(runFolder, 'peer.crt');
  const keyFile = join(runFolder, 'peer.key');
  writeFileSync(certFile, testCertificates.server.cert);
  writeFileSync(keyFile, testCertificates.server.key, { mode: 0o600 });
  const hub = await start(program, [
    'hub',
    `-cert=${certFile}`,
    `-key=${keyFile}`,
    `-target=${target}`,
    `-token=${token}`,
    `-impersonate=${user}`,
  ]);
  const address = `-hub=127.0.0.1:${await link.toHub(Number(hub.line))}`;
  const client = await startBy(link.inside, program, ['client', address], /connected/);
  return { name: 'remotedialer', url: `https://127.0.0.1:${hub.line}`, token: '', pids: [hub.pid, client.pid] };
}

async function ourHub(hub: RealHub, name: string, member: { kubeconfig: string; externalId: string }): Promise<Way> {
  const agent = await joinMember(hub, name, member);
  return { name: 'hub', url: hub.url + memberPath(name), token: hub.adminToken, pids: [hub.process.pid, agent.pid] };
}

const straight = { inside: [], toHub: (port: number) => Promise.resolve(port) };

/** Hub and peer with the bare server behind a link; direct goes over the link as well. */
export async function linkedWays(link: NetLink): Promise<Ways> {
  const target = Number((await roleOn(link.inside, 'target')).line);
  const hub = await startRealHub(join(runFolder, `hub-link-${target}`));
  const server = `https://localhost:${target}`;
  const agent = await joinMember(hub, 'linked', {
    kubeconfig: kubeconfig('linked', server, testCertificates.ca, 'x'),
    externalId: 'bare-server',
    hubUrl: `https://127.0.0.1:${await link.toHub(Number(new URL(hub.url).port))}`,
    inside: link.inside,
  });
  const ways: Way[] = [
    { name: 'direct', url: `https://127.0.0.1:${await link.toMember(target)}`, token: 'x', pids: [] },
    { name: 'hub', url: hub.url + memberPath('linked'), token: hub.adminToken, pids: [hub.process.pid, agent.pid] },
    await peer(`localhost:${target}`, 'x', link),
  ];
  return { target: 'bare HTTPS server', ways, hub };
}

/** The bare Node HTTPS server. */
export async function bareWays(nodeFlags: readonly string[] = []): Promise<Ways> {
  const target = Number((await role('target')).line);
  const bareHub = await role('hub');
  const bareAgent = await role('agent', bareHub.line, String(target));
  const hub = await startRealHub(join(runFolder, 'hub-bare'), 0, nodeFlags);
  const server = `https://localhost:${target}`;
  const ways: Way[] = [
    { name: 'direct', url: `https://127.0.0.1:${target}`, token: 'x', pids: [] },
    {
      name: 'bare',
      url: `https://127.0.0.1:${bareHub.line}/v1/projects/fleet-a/locations/global/memberships/member-1`,
      token: 'x',
      pids: [bareHub.pid, bareAgent.pid],
    },
    await ourHub(hub, 'bare', {
      kubeconfig: kubeconfig('bare', server, testCertificates.ca, 'x'),
      externalId: 'bare-server',
    }),
    await peer(`localhost:${target}`, 'x'),
  ];
  return { target: 'bare HTTPS server', ways, hub };
}

/** A real kube-apiserver. Every way arrives as the same user, so that flow control treats all alike. */
export async function kubeWays(): Promise<Ways> {
  const token = 'bench-user-token';
  const controlPlane = await startControlPlane({ tokens: [`${token},${user},bench,"bench:all"`] });
  const { url, caPem, adminToken } = controlPlane;
  const as = apiCaller(controlPlane);
  await as('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'bench' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: user }],
  });
  await as('POST', '/api/v1/namespaces/default/configmaps', configMap('b', 960));
  const system = (await untilFound(() => as('GET', '/api/v1/namespaces/kube-system'))) as { metadata: { uid: string } };
  const hub = await startRealHub(join(runFolder, 'hub-kube'));
  const ways: Way[] = [
    { name: 'direct', url, token, pids: [] },
    await ourHub(hub, 'kube', {
      kubeconfig: kubeconfig('kube', url, caPem, adminToken),
      externalId: system.metadata.uid,
    }),
    await peer(new URL(url).host, adminToken),
  ];
  return { target: 'kube-apiserver 1.37.2', ways, hub, controlPlane };
}

/** A ConfigMap with so many bytes of data. */
export function configMap(name: string, bytes: number): object {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: 'default' },
    data: { text: 'x'.repeat(bytes) },
  };
}

/** Calls of the administrator straight to the API server. */
export function apiCaller(
  controlPlane: ControlPlane,
): (method: string, path: string, body?: object) => Promise<unknown> {
  return async (method, path, body) => {
    const { background } = await import('@polyanthus/ground-base/context');
    const { createTransport } = await import('@polyanthus/ground-http/node-client');
    const { readBody } = await import('@polyanthus/ground-http/body');
    const transport = createTransport({
      baseUrl: controlPlane.url,
      tls: { ca: controlPlane.caPem },
    });
    const headers = { authorization: `Bearer ${controlPlane.adminToken}`, 'content-type': 'application/json' };
    const sent = body === undefined ? null : Buffer.from(JSON.stringify(body));
    const answer = await transport.request(background(), { method, url: path, headers, body: sent });
    const text = Buffer.from(await readBody(answer.body, 16 * 1024 * 1024)).toString('utf8');
    await transport.close();
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 500)}`);
    return JSON.parse(text) as unknown;
  };
}

async function untilFound<T>(read: () => Promise<T>): Promise<T> {
  for (let left = 100; ; left--) {
    try {
      return await read();
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
