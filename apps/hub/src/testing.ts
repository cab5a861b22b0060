/** Fixtures: the demo as a process of its own, and what may be left of it. Linux: processes are looked up in /proc. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { background } from '@polyanthus/ground-base/context';
import { contextName } from '@polyanthus/domains-fleet/membership-names';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { contextOf, loadKubeconfig } from '@polyanthus/kube-client/kubeconfig';
import { createClient } from '@polyanthus/kube-client/rest';
import { transportFor } from '@polyanthus/kube-client/transport-of';

const main = join(import.meta.dirname, '../../cli/src/main.ts');

/** A `polyanthus` that runs from sources. */
export interface TestProcess {
  readonly pid: number;
  readonly output: () => string;
  /** Resolves when the output has `text`; rejects with the output when the process ends without it. */
  until(text: string): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  /** The exit code, or the signal. */
  readonly ended: Promise<number | string>;
}

/** Starts `polyanthus ARGS` with nothing but Node on its PATH. */
export function startPolyanthus(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  folder?: string,
): TestProcess {
  const child = spawn(process.execPath, [main, ...args], {
    // Where it writes logs of runs; absent: here.
    ...(folder === undefined ? {} : { cwd: folder }),
    env: { PATH: dirname(process.execPath), HOME: '/nonexistent', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const heard = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      for (const tell of heard) tell();
    });
  }
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string);
  return {
    pid: child.pid ?? 0,
    output: () => output,
    until: async (text) => {
      const found = new Promise<void>((resolve) => {
        const look = (): void => (output.includes(text) ? resolve() : undefined);
        heard.add(look);
        look();
      });
      const gone = ended.then((code) => {
        if (!output.includes(text)) throw new Error(`ended with ${code} without ${JSON.stringify(text)}:\n${output}`);
      });
      await Promise.race([found, gone]);
    },
    kill: (signal) => void child.kill(signal),
    ended,
  };
}

/** The demo with its data in `folder`, on a free port. */
export function startDemo(folder: string, ...more: readonly string[]): TestProcess {
  return startPolyanthus(['demo', `--data-dir=${folder}`, '--listen=127.0.0.1:0', ...more]);
}

/** The last line of a demo that serves. */
export const demoServes = 'Ctrl-C stops everything.';

/** A folder below the system's temporary one; short, because a unix socket's path is. */
export function temporaryFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'polyanthus-'));
}

/** A client by one context of a kubeconfig. */
export async function clientOf(kubeconfig: string, context: string): Promise<KubeClient> {
  const found = contextOf(await loadKubeconfig({ files: [kubeconfig], explicit: true }), context);
  return createClient(await transportFor(background(), found, { env: {} }));
}

/** A client of a demo's member through its gateway, as the administrator. */
export function memberThroughGateway(folder: string, name: string): Promise<KubeClient> {
  return clientOf(join(folder, 'admin.kubeconfig'), contextName('default', name));
}

/** Command lines of running processes that name `folder`. */
export async function processesOf(folder: string): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return lines.filter((line) => line.includes(folder)).map((line) => line.replaceAll('\0', ' ').trim());
}

/** Every port that the kubeconfigs of a data directory name. */
export async function portsOf(folder: string): Promise<readonly number[]> {
  const files = ['admin.kubeconfig', ...['paris', 'osaka', 'edge'].map((name) => `agents/${name}/member.kubeconfig`)];
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')));
  return [
    ...new Set(texts.flatMap((text) => [...text.matchAll(/127\.0\.0\.1:(\d+)/g)].map((match) => Number(match[1])))),
  ];
}

/** Whether something listens at the port. */
export async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
