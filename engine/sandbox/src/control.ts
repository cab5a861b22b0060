/** What `polyanthus sandbox` and the process that holds the sandboxes say to each other: JSON over its loopback port. */
import { CodedError } from '@polyanthus/ground-base/errors';
import type { Context } from '@polyanthus/ground-base/context';
import { describeError } from '@polyanthus/ground-base/log';
import { readBody } from '@polyanthus/ground-http/body';
import { fixedEquals } from './token.ts';
import type { Handler, ServerRequest, ServerResponse } from '@polyanthus/ground-http/message';
import { jsonAnswer } from '@polyanthus/kube-server/answers';
import type { LoadOutcome } from '@polyanthus/kube-server/load';
import { sandboxErrors } from './errors.ts';
import type { NamedSandbox, Sandboxes } from './sandboxes.ts';
import { readSnapshot, writeSnapshot } from './snapshot-file.ts';
import { takeSnapshot } from './snapshot.ts';

/** A sandbox as it is shown. */
export interface SandboxView {
  readonly apiVersion: 'sandbox.polyanthus.dev/v1';
  readonly kind: 'Sandbox';
  readonly metadata: { readonly name: string; readonly creationTimestamp: string };
  readonly spec: { readonly nodes: number };
  readonly status: {
    readonly server: string;
    readonly kubeconfig: string;
    readonly objects: number;
    /** The process in whose memory it is. */
    readonly pid: number;
  };
}

/** Answers of the control paths, by the request that gets them. */
export interface ControlAnswers {
  readonly 'GET /sandboxes': { readonly items: readonly SandboxView[] };
  readonly 'POST /sandboxes': SandboxView;
  readonly 'DELETE /sandboxes/NAME': SandboxView;
  readonly 'POST /sandboxes/NAME/load': LoadOutcome;
  readonly 'POST /sandboxes/NAME/snapshot': { readonly objects: number; readonly kinds: number };
}

export interface ControlBody {
  readonly name?: string;
  readonly nodes?: number;
  /** Absolute: both sides are processes of one user on one machine. */
  readonly path?: string;
  readonly replace?: boolean;
  readonly silentNodes?: boolean;
  readonly dryRun?: boolean;
}

export interface ControlOptions {
  readonly sandboxes: Sandboxes;
  readonly token: string;
  readonly view: (sandbox: NamedSandbox) => SandboxView;
  /** After a sandbox came, before it is answered. */
  readonly onCreated: (sandbox: NamedSandbox) => Promise<void>;
  readonly onDeleted: (name: string) => Promise<void>;
}

const bodyBytesMax = 64 * 1024;
const clusterPath = /^\/clusters\/sandbox-([a-z0-9-]+)(?=[/?]|$)/;
const controlPath = /^\/sandboxes(?:\/([a-z0-9-]+)(?:\/(load|snapshot))?)?$/;

/** `/clusters/sandbox-NAME/…` is a sandbox's API, `/sandboxes…` the control; everything else is 404. */
export function controlHandler(options: ControlOptions): Handler {
  return async (ctx, request) => {
    const cluster = clusterPath.exec(request.url);
    if (cluster !== null) {
      const found = options.sandboxes.find(cluster[1] ?? '');
      if (found === undefined) return failure(404, noSandbox(cluster[1] ?? ''));
      const rest = request.url.slice(cluster[0].length);
      return found.sandbox.handler(ctx, { ...request, url: rest.startsWith('/') ? rest : `/${rest}` });
    }
    const control = controlPath.exec(request.url);
    if (control === null) return jsonAnswer(404, { code: 'NotFound', message: 'no such path', next: '' });
    if (!fixedEquals(request.headers['authorization'], `Bearer ${options.token}`))
      return jsonAnswer(401, { code: 'Unauthorized', message: 'the token is not that of this process', next: '' });
    try {
      return jsonAnswer(200, await answer(ctx, options, request, control[1], control[2]));
    } catch (error) {
      if (error instanceof CodedError) return failure(400, error);
      return failure(400, sandboxErrors.error('SandboxFileFailed', describeError(error)));
    }
  };
}

const noSandbox = (name: string): CodedError =>
  sandboxErrors.error('SandboxNotFound', `there is no sandbox ${JSON.stringify(name)}`);

function failure(status: number, { code, message, next }: CodedError): ServerResponse {
  return jsonAnswer(status, { code, message, next });
}

async function answer(
  ctx: Context,
  options: ControlOptions,
  request: ServerRequest,
  name: string | undefined,
  verb: string | undefined,
): Promise<ControlAnswers[keyof ControlAnswers]> {
  const { sandboxes, view } = options;
  const body = await bodyOf(request);
  if (name === undefined) {
    if (request.method !== 'POST') return { items: sandboxes.list().map(view) };
    return create(options, body);
  }
  const found = sandboxes.get(name);
  if (verb === undefined) {
    if (request.method === 'DELETE' && body.dryRun !== true) {
      const last = view(found);
      await sandboxes.delete(name);
      await options.onDeleted(name);
      return last;
    }
    return view(found);
  }
  const { path = '', replace = false, silentNodes = false } = body;
  if (verb === 'load') return sandboxes.load(ctx, name, await readSnapshot(ctx, path), { replace, silentNodes });
  const snapshot = await takeSnapshot(ctx, found.sandbox.client, { source: `sandbox ${name}` });
  await writeSnapshot(ctx, path, snapshot);
  return {
    objects: snapshot.resources.reduce((sum, { objects }) => sum + objects.length, 0),
    kinds: snapshot.resources.filter(({ objects }) => objects.length > 0).length,
  };
}

async function create({ sandboxes, view, onCreated }: ControlOptions, body: ControlBody): Promise<SandboxView> {
  const { name = '', nodes = 0 } = body;
  if (body.dryRun === true) {
    sandboxes.check(name, nodes);
    return view({ name, nodes, createdMs: 0, token: '', sandbox: { objectCount: () => 0 } as NamedSandbox['sandbox'] });
  }
  const made = await sandboxes.create(name, nodes);
  await onCreated(made);
  return view(made);
}

async function bodyOf(request: ServerRequest): Promise<ControlBody> {
  const bytes = await readBody(request.body, bodyBytesMax);
  return bytes.length === 0 ? {} : (JSON.parse(Buffer.from(bytes).toString()) as ControlBody);
}
