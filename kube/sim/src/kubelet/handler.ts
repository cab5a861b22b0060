/** The kubelet's HTTPS API of a simulated node: exec, attach, port-forward, logs, pods, healthz (kubelet server/server.go). */
import type { Duplex } from 'node:stream';
import type { Context } from '@polyanthus/ground-base/context';
import type { Body, Handler, ServerRequest, ServerResponse } from '@polyanthus/ground-http/message';
import type { Container, Pod } from '@polyanthus/kube-kinds/core';
import { servePortForward } from '@polyanthus/kube-stream/port-forward-server';
import {
  exitStatus,
  optionsOfQuery,
  type CommandStatus,
  type RemoteCommandStreams,
} from '@polyanthus/kube-stream/remote-command';
import { serveRemoteCommand } from '@polyanthus/kube-stream/remote-command-server';
import type { ContainerBehaviour } from './behaviour.ts';
import { logOptionsOf, readLogs, untilGone } from './logs.ts';
import { connectPort } from './ports.ts';
import { runCommand, type ShellWorld } from './shell.ts';

export interface KubeletOptions {
  /** The node's pods, as they are now. */
  readonly pods: () => readonly Pod[];
  readonly behaviour: (pod: Pod, container: Container) => ContainerBehaviour;
  /** Whether the caller may use the API: a client certificate (`request.peer`) or a bearer token. `/healthz` is open. */
  readonly authenticate: (request: ServerRequest) => Promise<boolean>;
}

/** What a path names. */
interface Target {
  readonly pod: Pod;
  readonly container: Container | undefined;
  readonly query: URLSearchParams;
}

type Route = (ctx: Context, request: ServerRequest, target: Target, options: KubeletOptions) => ServerResponse;

/** By the first segment, with the least and most segments after it; the uid of a pod may stand before the container. */
const routes: Readonly<
  Record<string, { readonly container: boolean; readonly methods: readonly string[]; readonly serve: Route }>
> = {
  exec: { container: true, methods: ['GET', 'POST'], serve: serveExec },
  attach: { container: true, methods: ['GET', 'POST'], serve: serveAttach },
  portForward: { container: false, methods: ['GET', 'POST'], serve: servePorts },
  containerLogs: { container: true, methods: ['GET'], serve: serveLogs },
};

/** The API as a handler; put TLS and the client CAs of the API server before it with `serve` of ground/http. */
export function createKubeletHandler(options: KubeletOptions): Handler {
  return async (ctx, request) => {
    const url = new URL(request.url, 'https://kubelet');
    if (url.pathname === '/healthz') return plain(200, 'ok');
    if (!(await options.authenticate(request))) return plain(401, 'Unauthorized');
    if (url.pathname === '/pods' || url.pathname === '/pods/') return podList(options);
    const [, name = '', ...segments] = url.pathname.split('/').map(decoded);
    const route = Object.hasOwn(routes, name) ? routes[name] : undefined;
    if (route === undefined) return plain(404, '404 page not found');
    if (!route.methods.includes(request.method)) return plain(405, 'Method Not Allowed');
    const target = findTarget(options, segments, route.container, url.searchParams);
    return typeof target === 'string' ? plain(404, target) : route.serve(ctx, request, target, options);
  };
}

function findTarget(
  options: KubeletOptions,
  segments: readonly string[],
  withContainer: boolean,
  query: URLSearchParams,
): Target | string {
  const least = withContainer ? 3 : 2;
  if (segments.length < least || segments.length > least + 1) return '404 page not found';
  const [namespace, name] = segments;
  const uid = segments.length > least ? segments[2] : undefined;
  const pod = options
    .pods()
    .find(
      ({ metadata }) =>
        metadata.namespace === namespace && metadata.name === name && (uid === undefined || metadata.uid === uid),
    );
  if (pod === undefined) return `pod "${name}" does not exist`;
  if (!withContainer) return { pod, container: undefined, query };
  const containerName = segments.at(-1);
  const container = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].find(
    (one) => one.name === containerName,
  );
  return container === undefined
    ? `container "${containerName}" not found in pod "${name}"`
    : { pod, container, query };
}

function serveExec(ctx: Context, request: ServerRequest, target: Target, options: KubeletOptions): ServerResponse {
  const command = target.query.getAll('command');
  const world = worldOf(target, options);
  return serveCommand(ctx, request, target, async (inner, streams) =>
    exitStatus(await runCommand(inner, world, streams, command)),
  );
}

/** A container's own process echoes its input, or shows what it logs until the client goes. */
function serveAttach(ctx: Context, request: ServerRequest, target: Target, options: KubeletOptions): ServerResponse {
  const world = worldOf(target, options);
  return serveCommand(ctx, request, target, async (inner, streams) => {
    if (streams.stdin !== undefined) return exitStatus(await runCommand(inner, world, streams, ['cat']));
    if (world.behaviour.liveLogs === undefined) await untilGone(inner);
    else for await (const line of world.behaviour.liveLogs(inner)) streams.stdout?.write(`${line.text}\n`);
    return exitStatus(0);
  });
}

function serveCommand(
  ctx: Context,
  request: ServerRequest,
  target: Target,
  run: (ctx: Context, streams: RemoteCommandStreams) => Promise<CommandStatus>,
): ServerResponse {
  const options = optionsOfQuery(target.query, 'kubelet');
  return options === undefined
    ? plain(400, 'you must specify at least 1 of stdin, stdout, stderr')
    : serveRemoteCommand(ctx, request, options, run);
}

function servePorts(ctx: Context, request: ServerRequest, { pod }: Target, options: KubeletOptions): ServerResponse {
  return servePortForward(ctx, request, async (_ctx, port): Promise<Duplex> => {
    for (const container of pod.spec.containers) {
      const behaviour = options.behaviour(pod, container).ports?.[port];
      if (behaviour !== undefined) return connectPort(behaviour);
    }
    throw new Error(
      `failed to connect to localhost:${port} inside namespace "${pod.metadata.namespace}", IPv4: dial tcp4 127.0.0.1:${port}: connect: connection refused`,
    );
  });
}

function serveLogs(ctx: Context, _request: ServerRequest, target: Target, options: KubeletOptions): ServerResponse {
  const logOptions = logOptionsOf(target.query, ctx.clock.now());
  if (logOptions === undefined) return plain(422, '{"message": "Invalid request."}');
  const { behaviour } = worldOf(target, options);
  const history = behaviour.logs?.(logOptions.previous) ?? (logOptions.previous ? undefined : []);
  const { name } = target.pod.metadata;
  if (history === undefined)
    return plain(400, `previous terminated container "${target.container?.name}" in pod "${name}" not found`);
  return {
    status: 200,
    headers: { 'content-type': 'text/plain' },
    body: readLogs(ctx, behaviour, history, logOptions),
  };
}

function worldOf({ pod, container }: Target, options: KubeletOptions): ShellWorld {
  if (container === undefined) throw new Error('a route without its container');
  const behaviour = options.behaviour(pod, container);
  const declared = Object.fromEntries((container.env ?? []).map(({ name, value }) => [name, value ?? '']));
  const env = {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOSTNAME: pod.metadata.name ?? '',
    ...declared,
    ...behaviour.env,
  };
  return { hostname: env.HOSTNAME, env, behaviour };
}

function podList(options: KubeletOptions): ServerResponse {
  const list = { kind: 'PodList', apiVersion: 'v1', metadata: {}, items: options.pods() };
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: new TextEncoder().encode(JSON.stringify(list)),
  };
}

function plain(status: number, text: string): ServerResponse {
  const body: Body = new TextEncoder().encode(text);
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body };
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
