/**
 * One run, its executor killed whenever the next thing about a step was stored: `node kill-each-step.ts CONFIG`, from outside
 * of the tests' process. The executor reaches the API through a proxy here, which sees that a RunStep was stored and kills the
 * executor (SIGKILL) before that has the answer; another one is started at once, and so on until one ends by itself. The
 * Lease of a dead executor is deleted instead of being waited for. Prints what happened as one line of JSON.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { argv, stdout } from 'node:process';
import { runsNamespace } from '@polyanthus/engine-runbook/kinds';

/** What is to be run. */
export interface KillConfig {
  /** Administrator of the cluster, with a client certificate. */
  readonly kubeconfig: string;
  /** Written: the same by way of the proxy. */
  readonly proxied: string;
  readonly folder: string;
  /** Of the command line. */
  readonly main: string;
  readonly run: string;
  /** Arguments of the first executor, and of all that follow. */
  readonly first: readonly string[];
  readonly next: readonly string[];
}

/** One kill. */
export interface Kill {
  /** `STEP/TARGET STATE`: what was stored. */
  readonly after: string;
  /** Since the start of the executor that was killed. */
  readonly seconds: number;
}

/** What became of it. */
export interface KillFigures {
  readonly kills: readonly Kill[];
  /** Exit code of the last executor, and what it said. */
  readonly code: number;
  readonly said: string;
}

const config = JSON.parse(argv[2] ?? '') as KillConfig;
const killedAt = new Set(['Intended', 'Acted', 'Proven']);
const kubeconfig = readFileSync(config.kubeconfig, 'utf8');
const field = (name: string): string => new RegExp(`^\\s*${name}: (\\S+)$`, 'm').exec(kubeconfig)?.[1] ?? '';
const pem = (name: string): Buffer => Buffer.from(field(name), 'base64');
const server = new URL(field('server'));
const agent = new Agent({
  keepAlive: true,
  ca: pem('certificate-authority-data'),
  cert: pem('client-certificate-data'),
  key: pem('client-key-data'),
});

interface StoredStep {
  readonly spec: { readonly step: string; readonly target?: { readonly name: string } };
  readonly status?: { readonly state?: string };
}

const kills: Kill[] = [];
let executor: ChildProcess | undefined;
let startedMs = 0;
let said = '';

/** Whether the executor is killed for this write, which was stored. */
function strikes(body: Buffer): boolean {
  const { spec, status } = JSON.parse(body.toString('utf8')) as StoredStep;
  const after = `${spec.step}/${spec.target?.name ?? ''} ${status?.state ?? ''}`;
  if (!killedAt.has(status?.state ?? '') || kills.some((one) => one.after === after)) return false;
  if (executor === undefined || executor.killed) return false;
  kills.push({ after, seconds: (performance.now() - startedMs) / 1000 });
  executor.kill('SIGKILL');
  return true;
}

/** Writes of steps go one by one, so that lanes side by side have each of theirs struck. */
let turn: Promise<void> = Promise.resolve();

function pass(incoming: IncomingMessage, outgoing: ServerResponse): void {
  const sender = executor;
  const body: Buffer[] = [];
  incoming.on('data', (piece: Buffer) => body.push(piece));
  incoming.on('end', () => {
    const send = (): Promise<void> => forward(incoming, Buffer.concat(body), outgoing, sender);
    if (!isStepWrite(incoming)) void send();
    else turn = turn.then(send);
  });
}

const isStepWrite = ({ method, url = '' }: IncomingMessage): boolean =>
  method === 'PUT' && /\/runsteps\/[^/]+\/status/.test(url);

/** Resolves when the answer has begun, or there will be none. */
function forward(
  incoming: IncomingMessage,
  body: Buffer,
  outgoing: ServerResponse,
  sender: ChildProcess | undefined,
): Promise<void> {
  const { method = 'GET', url = '/', headers } = incoming;
  if (isStepWrite(incoming) && sender?.killed === true) return Promise.resolve();
  const { host: _host, ...rest } = headers;
  return new Promise((resolve) => {
    const upstream = httpsRequest(
      { host: server.hostname, port: server.port, path: url, method, headers: rest, agent },
      (answer) => {
        if (isStepWrite(incoming) && answer.statusCode === 200 && strikes(body)) answer.resume();
        else answer.pipe(outgoing.writeHead(answer.statusCode ?? 500, answer.headers));
        resolve();
      },
    );
    upstream.on('error', () => {
      outgoing.destroy();
      resolve();
    });
    outgoing.on('close', () => upstream.destroy());
    upstream.end(body);
  });
}

function deleteLease(): Promise<void> {
  const path = `/apis/coordination.k8s.io/v1/namespaces/${runsNamespace}/leases/runbook-${config.run}`;
  return new Promise((resolve, reject) => {
    const deletion = httpsRequest(
      { host: server.hostname, port: server.port, path, method: 'DELETE', agent },
      (answer) => void answer.resume().on('end', () => resolve()),
    );
    deletion.on('error', reject).end();
  });
}

/** Runs one executor to its end; its exit code, or undefined when it was killed. */
async function execute(args: readonly string[]): Promise<number | undefined> {
  startedMs = performance.now();
  const child = spawn(process.execPath, [config.main, ...args, `--kubeconfig=${config.proxied}`], {
    cwd: config.folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  executor = child;
  said = '';
  for (const output of [child.stdout, child.stderr]) output.on('data', (piece: Buffer) => (said += piece.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return code ?? undefined;
}

const proxy = createServer(pass).listen(0, '127.0.0.1');
await once(proxy, 'listening');
const { port } = proxy.address() as AddressInfo;
writeFileSync(
  config.proxied,
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server: `http://127.0.0.1:${port}` } }],
    users: [{ name: 'u', user: {} }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  }),
);
let code = await execute(config.first);
while (code === undefined) {
  await deleteLease();
  code = await execute(config.next);
}
proxy.close();
proxy.closeAllConnections();
agent.destroy();
stdout.write(`${JSON.stringify({ kills, code, said } satisfies KillFigures)}\n`);
