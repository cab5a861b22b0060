/** A whole API in this process for the tests of other rooms: no socket, no disk, time as the caller wants it. */
import { systemClock, type Clock } from '@polyanthus/ground-base/clock';
import { background, type Context } from '@polyanthus/ground-base/context';
import { systemRandom, type Random } from '@polyanthus/ground-base/random';
import { inProcessTransport } from '@polyanthus/ground-http/in-process';
import { readBody } from '@polyanthus/ground-http/body';
import type { HeaderValues, Transport } from '@polyanthus/ground-http/message';
import type { ReferenceGuard } from '@polyanthus/kube-access/reference-guard';
import type { UserInfo } from '@polyanthus/kube-access/user';
import type { ApiObject } from './api-object.ts';
import { createApiServer, type ApiServer } from './api-server.ts';
import type { LogicalCluster } from './logical-cluster.ts';
import { createMemoryStore } from './store/memory.ts';
import type { AuditSink } from '@polyanthus/kube-access/audit';
import type { KubeletDialer } from './kubelet-dialer.ts';
import type { WebhookDialer } from './webhook-dialer.ts';
import type { Store } from './store/store.ts';

/** One logical cluster in memory, and what a test may look at. */
export interface TestCluster {
  readonly server: ApiServer;
  readonly cluster: LogicalCluster;
  readonly store: Store;
  /** As the administrator (system:masters). */
  readonly transport: Transport;
  /** As anybody else; their rights are those that RBAC gives. */
  transportAs(user: UserInfo): Transport;
  /** Carries the cluster's clock. */
  readonly ctx: Context;
  close(): Promise<void>;
}

export interface TestClusterOptions {
  /** A virtual clock, for instance; the system's by default. */
  readonly clock?: Clock;
  readonly random?: Random;
  readonly name?: string;
  /** How exec and logs reach simulated kubelets. */
  readonly dialKubelet?: KubeletDialer;
  readonly dialWebhook?: WebhookDialer;
  readonly audit?: AuditSink;
  readonly referenceGuards?: readonly ReferenceGuard[];
}

/** Who `transport` is. */
export const administrator: UserInfo = {
  username: 'kubernetes-admin',
  groups: ['system:masters', 'system:authenticated'],
};

/** Starts a server with one cluster (`test`) on a memory store. Close it at the end. */
export async function startTestCluster(options: TestClusterOptions = {}): Promise<TestCluster> {
  const clock = options.clock ?? systemClock;
  const ctx = background({ clock });
  const store = createMemoryStore({ clock });
  const server = await createApiServer({ store, random: options.random ?? systemRandom });
  const { name = 'test', clock: _clock, random: _random, ...rest } = options;
  const cluster = await server.createCluster(ctx, name, rest);
  const transportAs = (user: UserInfo): Transport => inProcessTransport(cluster.handlerAs(user));
  return {
    server,
    cluster,
    store,
    ctx,
    transport: transportAs(administrator),
    transportAs,
    close: async () => {
      await server.close();
      await store.close();
    },
  };
}

/** An answer, its body read whole: parsed when it is JSON. */
export interface ApiAnswer {
  readonly status: number;
  readonly headers: HeaderValues;
  readonly body: unknown;
}

export interface ApiCall {
  readonly method: string;
  readonly url: string;
  /** Sent as JSON; a text or bytes go as they are. */
  readonly body?: unknown;
  readonly type?: string;
  readonly headers?: HeaderValues;
}

/** One raw request, for tests of status codes, headers and words. */
export async function callApi(ctx: Context, transport: Transport, call: ApiCall): Promise<ApiAnswer> {
  const { method, url, body, type = 'application/json', headers = {} } = call;
  const sent =
    body === undefined
      ? null
      : body instanceof Uint8Array
        ? body
        : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  const response = await transport.request(ctx, {
    method,
    url,
    headers: { ...(sent === null ? {} : { 'content-type': type }), 'user-agent': 'test/1', ...headers },
    body: sent,
  });
  const text = Buffer.from(await readBody(response.body, 64 * 1024 * 1024)).toString();
  return { status: response.status, headers: response.headers, body: parsed(text) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Reads the lines of a watch as they come; `return` ends it. */
export async function* watchApi(
  ctx: Context,
  transport: Transport,
  url: string,
  headers: HeaderValues = {},
): AsyncGenerator<WatchLine> {
  const response = await transport.request(ctx, { method: 'GET', url, headers, body: null });
  if (response.status !== 200 || response.body === null || response.body instanceof Uint8Array)
    throw new Error(`a watch was answered with ${response.status}`);
  let rest = '';
  for await (const piece of response.body) {
    const lines = (rest + Buffer.from(piece).toString()).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield JSON.parse(line) as WatchLine;
  }
}

export interface WatchLine {
  readonly type: string;
  readonly object: ApiObject;
}
