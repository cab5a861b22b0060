/** pods/exec, attach, portforward and log: passed to the kubelet of the pod's node, streams as bytes in both directions. */
import type { Duplex } from 'node:stream';
import type { HeaderValues, ServerResponse, Transport } from '@polyanthus/ground-http/message';
import { relay } from '@polyanthus/ground-http/relay';
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import { notFound, statusError } from '@polyanthus/kube-objects/status';
import { attributesOf } from '../admission/webhooks/attributes.ts';
import { webhooksOf } from '../admission/webhooks/webhooks.ts';
import { listAt, objectAt, textAt, type ApiObject } from '../api-object.ts';
import { parseStored, readStored } from '../encode.ts';
import { requireCreate } from '../access/require-create.ts';
import type { Scope } from '../scope.ts';
import { storedOf } from '../verbs/get.ts';

export type { KubeletDialer } from '../kubelet-dialer.ts';

interface Stream {
  readonly path: string;
  readonly containers: boolean;
  /** The kind that webhooks are shown. */
  readonly options: string;
}

const streams: Readonly<Record<string, Stream>> = {
  exec: { path: 'exec', containers: true, options: 'PodExecOptions' },
  attach: { path: 'attach', containers: true, options: 'PodAttachOptions' },
  portforward: { path: 'portForward', containers: false, options: 'PodPortForwardOptions' },
};
/** Names that the pod API and the kubelet's API spell differently. */
const parameters: Readonly<Record<string, string>> = { stdin: 'input', stdout: 'output', stderr: 'error', tty: 'tty' };
/** Headers of an upgrade that the kubelet has to see; nothing of the caller's identity. */
const passed = [
  'connection',
  'upgrade',
  'x-stream-protocol-version',
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-protocol',
  'sec-websocket-extensions',
];

/** exec, attach, portforward. Opening one by GET (WebSocket) needs the right to create, too. */
export async function streamPod(scope: Scope, verb: string): Promise<ServerResponse> {
  const name = scope.subresource;
  const stream = streams[name];
  if (stream === undefined) throw statusError('NotFound', 'the server could not find the requested resource');
  if (verb === 'get') await requireCreate(scope);
  // Webhooks are asked before anybody looks whether the pod is there.
  const asked = await admitConnect(scope, stream.options);
  const pod = readStored(storedOf(scope), scope.definition);
  const container = stream.containers ? `/${encodeURIComponent(containerOf(scope, pod, asked))}` : '';
  const { transport, place } = await kubeletOf(scope, pod, true);
  const query = kubeletQuery(asked);
  const url = `/${stream.path}/${place}${container}${query === '' ? '' : `?${query}`}`;
  const result = await transport.upgrade(scope.ctx, {
    method: scope.request.method,
    url,
    headers: upgradeHeaders(scope.request.headers),
    body: null,
  });
  if (result.kind === 'refused') return result.response;
  const { socket, head, headers } = result;
  return {
    status: 101,
    headers,
    body: null,
    upgrade: (client: Duplex, clientHead: Uint8Array) =>
      void relay(scope.ctx, client, socket, { headFromA: clientHead, headFromB: head }),
  };
}

const flags = ['stdin', 'stdout', 'stderr', 'tty'];

/** Webhooks see the query as an object, and may change it. */
async function admitConnect(scope: Scope, kind: string): Promise<URLSearchParams> {
  const object = connectOptions(scope.query, kind);
  const attributes = attributesOf(scope, 'CONNECT', object, undefined, { kind: { group: '', version: 'v1', kind } });
  const after = await webhooksOf(scope.cluster).admit(attributes);
  return after === undefined || after === object ? scope.query : queryOf(after);
}

function connectOptions(query: URLSearchParams, kind: string): JsonObject {
  const options: Record<string, JsonObject[string]> = { kind, apiVersion: 'v1' };
  for (const [key, value] of query) {
    if (flags.includes(key)) options[key] = value === 'true' || value === '1';
    if (key === 'container') options[key] = value;
  }
  const command = query.getAll('command');
  const ports = query.getAll('ports').flatMap((text) => text.split(','));
  if (command.length > 0 || kind === 'PodExecOptions') options['command'] = command.length > 0 ? command : null;
  if (ports.length > 0) options['ports'] = ports.map(Number);
  return options;
}

function queryOf(options: JsonObject): URLSearchParams {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(options)) {
    if (key === 'kind' || key === 'apiVersion' || value === undefined || value === null) continue;
    for (const one of Array.isArray(value) ? (value as readonly JsonObject[string][]) : [value])
      query.append(key, String(one));
  }
  return query;
}

/** log: an ordinary answer, followed for as long as the client reads. */
export async function podLog(scope: Scope): Promise<ServerResponse> {
  const pod = readStored(storedOf(scope), scope.definition);
  const container = containerOf(scope, pod, scope.query);
  if (textAt(objectAt(pod, 'spec'), 'nodeName') === '')
    return { status: 200, headers: { 'content-type': 'text/plain' }, body: null };
  const { transport, place } = await kubeletOf(scope, pod, false);
  const query = kubeletQuery(scope.query);
  const url = `/containerLogs/${place}/${encodeURIComponent(container)}${query === '' ? '' : `?${query}`}`;
  const answer = await transport.request(scope.ctx, { method: 'GET', url, headers: { accept: '*/*' }, body: null });
  if (answer.status === 200)
    return { ...answer, headers: { 'content-type': 'text/plain', 'cache-control': 'no-cache, private' } };
  return answer;
}

/** The container asked for; the only one when none is. */
function containerOf(scope: Scope, pod: ApiObject, query: URLSearchParams): string {
  const spec = objectAt(pod, 'spec');
  const names = (key: string): string[] => listAt(spec, key).map((one) => textAt(one, 'name'));
  const [containers, init] = [names('containers'), names('initContainers')];
  const asked = query.get('container') ?? '';
  if (asked !== '') {
    if ([...containers, ...init, ...names('ephemeralContainers')].includes(asked)) return asked;
    throw statusError('BadRequest', `container ${asked} is not valid for pod ${scope.name}`);
  }
  const [only] = containers;
  if (containers.length === 1 && only !== undefined) return only;
  const also = init.length === 0 ? '' : ` or one of the init containers: [${init.join(' ')}]`;
  throw statusError(
    'BadRequest',
    `a container name must be specified for pod ${scope.name}, choose one of: [${containers.join(' ')}]${also}`,
  );
}

async function kubeletOf(
  scope: Scope,
  pod: ApiObject,
  stream: boolean,
): Promise<{ transport: Transport; place: string }> {
  const node = textAt(objectAt(pod, 'spec'), 'nodeName');
  if (node === '') throw statusError('BadRequest', `pod ${scope.name} does not have a host assigned`);
  const stored = scope.cluster.find('', 'nodes', '', node);
  if (stored === undefined) throw notFound('', 'nodes', node);
  const dial = scope.cluster.dialKubelet;
  if (dial === undefined)
    throw statusError(
      'ServiceUnavailable',
      `this server has no way to the kubelets of its nodes, so ${stream ? 'streams' : 'logs'} of pod ${scope.name} cannot be opened`,
    );
  const place = `${encodeURIComponent(scope.namespace)}/${encodeURIComponent(scope.name)}`;
  return { transport: await dial(scope.ctx, parseStored(stored)), place };
}

function kubeletQuery(query: URLSearchParams): string {
  const out = new URLSearchParams();
  for (const [key, value] of query) {
    const flag = parameters[key];
    if (key === 'container') continue;
    if (flag === undefined) out.append(key, value);
    else if (value === 'true' || value === '1') out.append(flag, '1');
  }
  return out.toString();
}

function upgradeHeaders(headers: HeaderValues): HeaderValues {
  return Object.fromEntries(passed.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])));
}
