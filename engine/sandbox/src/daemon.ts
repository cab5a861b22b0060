/** The process that holds sandboxes: one loopback port with TLS, a folder of mode 0700 that says how to reach it. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Context, withCancel } from '@polyanthus/ground-base/context';
import type { Random } from '@polyanthus/ground-base/random';
import { makeDirectory, removeDurably, writeDurably } from '@polyanthus/ground-files/durable';
import { lockFile } from '@polyanthus/ground-files/lock';
import { serve } from '@polyanthus/ground-http/node-server';
import { createAuthority } from '@polyanthus/ground-pki/authority';
import { generateKey } from '@polyanthus/ground-pki/keys';
import { writeKubeconfigContext } from '@polyanthus/kube-client/kubeconfig-write';
import { controlHandler, type SandboxView } from './control.ts';
import { Sandboxes, type NamedSandbox } from './sandboxes.ts';

/** How to reach the process; secret, mode 0600. */
export interface DaemonAddress {
  readonly pid: number;
  readonly url: string;
  readonly caPem: string;
  readonly token: string;
}

export interface DaemonOptions {
  readonly directory: string;
  readonly pid: number;
  readonly random: Random;
  /** Ends when there was no sandbox for so long; absent: only with `ctx`. */
  readonly idleMs?: number;
}

/** Ready; `ended` resolves when it has stopped and left nothing behind. */
export interface RunningDaemon {
  readonly address: DaemonAddress;
  readonly ended: Promise<void>;
}

/** Where the files of a folder are. */
export const daemonPaths = (directory: string) => ({
  address: join(directory, 'server.json'),
  lock: join(directory, 'server.lock'),
  log: join(directory, 'server.log'),
  kubeconfig: (name: string) => join(directory, `${name}.kubeconfig`),
});

const certificateTtlMs = 365 * 86_400_000;
const graceMs = 500;

/** Starts it; it runs until `ctx` is cancelled or it has been idle. Throws FileLocked when another runs in the folder. */
export async function startDaemon(ctx: Context, options: DaemonOptions): Promise<RunningDaemon> {
  const { directory, random } = options;
  const paths = daemonPaths(directory);
  await makeDirectory(directory);
  const lock = lockFile(paths.lock, options.pid);
  const { ctx: life, cancel } = withCancel(ctx);
  try {
    await removeKubeconfigs(directory);
    const sandboxes = new Sandboxes(life, random);
    const idle = idleTimer(life, sandboxes, options.idleMs, cancel);
    const token = Buffer.from(random.bytes(24)).toString('base64url');
    const tls = await certificate(ctx, random);
    const view = (one: NamedSandbox): SandboxView => viewOf(one, address, paths.kubeconfig(one.name));
    const server = await serve(ctx, {
      listen: { host: '127.0.0.1', port: 0 },
      tls,
      handler: controlHandler({
        sandboxes,
        token,
        view,
        onCreated: (one) => writeKubeconfig(paths.kubeconfig(one.name), one, address),
        onDeleted: async (name) => {
          await removeDurably(paths.kubeconfig(name));
          idle();
        },
      }),
    });
    const address: DaemonAddress = { pid: options.pid, url: `https://${server.address}`, caPem: tls.caPem, token };
    await writeDurably(paths.address, `${JSON.stringify(address)}\n`);
    idle();
    const ended = whenAborted(life.signal).then(async () => {
      await removeDurably(paths.address);
      await server.close(graceMs);
      await sandboxes.close();
      await removeKubeconfigs(directory);
      lock.release();
    });
    return { address, ended };
  } catch (error) {
    cancel();
    lock.release();
    throw error;
  }
}

const whenAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** Call it whenever the last sandbox may have gone. */
function idleTimer(ctx: Context, sandboxes: Sandboxes, idleMs: number | undefined, end: () => void): () => void {
  return () => {
    if (idleMs === undefined || sandboxes.list().length > 0) return;
    ctx.clock.after(idleMs, () => (sandboxes.list().length === 0 ? end() : undefined), { unref: true });
  };
}

async function certificate(ctx: Context, random: Random): Promise<{ cert: string; key: string; caPem: string }> {
  const nowMs = ctx.clock.now();
  const authority = await createAuthority({ commonName: 'polyanthus sandboxes', nowMs, random });
  const key = await generateKey();
  const cert = await authority.issueServer(nowMs, {
    names: ['localhost'],
    ips: ['127.0.0.1'],
    publicKeyPem: key.publicKeyPem,
    ttlMs: certificateTtlMs,
  });
  return { cert, key: key.privateKeyPem, caPem: authority.certificatePem };
}

const serverOf = (name: string, { url }: DaemonAddress): string => `${url}/clusters/sandbox-${name}`;

function viewOf(one: NamedSandbox, address: DaemonAddress, kubeconfig: string): SandboxView {
  return {
    apiVersion: 'sandbox.polyanthus.dev/v1',
    kind: 'Sandbox',
    metadata: { name: one.name, creationTimestamp: new Date(one.createdMs).toISOString().replace(/\.\d+Z$/, 'Z') },
    spec: { nodes: one.nodes },
    status: { server: serverOf(one.name, address), kubeconfig, objects: one.sandbox.objectCount(), pid: address.pid },
  };
}

async function writeKubeconfig(path: string, { name, token }: NamedSandbox, address: DaemonAddress): Promise<void> {
  const context = `sandbox-${name}`;
  await writeKubeconfigContext(path, {
    name: context,
    cluster: {
      name: context,
      fields: {
        server: serverOf(name, address),
        'certificate-authority-data': Buffer.from(address.caPem).toString('base64'),
      },
    },
    user: { name: context, fields: { token } },
    setCurrent: true,
  });
}

/** What a killed predecessor left: its sandboxes are gone. */
async function removeKubeconfigs(directory: string): Promise<void> {
  for (const name of await readdir(directory))
    if (name.endsWith('.kubeconfig')) await removeDurably(join(directory, name));
}
