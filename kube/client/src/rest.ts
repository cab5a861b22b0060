/** A KubeClient over any Transport. */
import type { Context } from '@polyanthus/ground-base/context';
import { productVersion } from '@polyanthus/ground-base/version';
import type { Transport } from '@polyanthus/ground-http/message';
import type { KubeList, KubeObject } from '@polyanthus/kube-objects/meta';
import { apiVersionOf, resourcePath, type ResourceType } from '@polyanthus/kube-objects/resource';
import { isStatus, type Status } from '@polyanthus/kube-objects/status';
import { readFailure, readJson } from './answer.ts';
import type { KubeClient, ListOptions, ObjectKey, Patch, WatchEvent, WatchOptions } from './client.ts';
import { clientErrors } from './errors.ts';
import { deleteBody, listQuery, query, watchQuery, writeQuery } from './query.ts';
import { send, type Sender, type SendOptions } from './send.ts';
import { decodeWatch } from './watch.ts';

export interface ClientOptions {
  /** Default `polyanthus/<version>`. */
  readonly userAgent?: string;
  readonly onWarning?: (text: string, request: string) => void;
  /** Default 10 attempts of at most 30 s each, as client-go; gateways turn it off with `attempts: 1`. */
  readonly retryAfter?: { readonly attempts: number; readonly waitMaxMs: number };
}

const defaultPageSize = 500;

/** Makes the client. It holds nothing but the transport, so there is nothing to close. */
export function createClient(transport: Transport, options: ClientOptions = {}): KubeClient {
  const sender: Sender = {
    transport,
    userAgent: options.userAgent ?? `polyanthus/${productVersion}`,
    onWarning: options.onWarning,
    retry: options.retryAfter ?? { attempts: 10, waitMaxMs: 30_000 },
  };
  const call = async <R>(ctx: Context, method: string, path: string, more: SendOptions = {}): Promise<R> =>
    readJson<R>({ method, path }, await send(ctx, sender, method, path, more));
  const list = async <T extends KubeObject>(
    ctx: Context,
    type: ResourceType<T>,
    at: ListOptions = {},
  ): Promise<KubeList<T>> =>
    typedList(
      type,
      await call<KubeList<T>>(ctx, 'GET', resourcePath(type, { namespace: at.namespace }) + query(listQuery(at))),
    );
  return {
    transport,
    get: (ctx, type, key, more = {}) => call(ctx, 'GET', resourcePath(type, { ...key, ...more })),
    list,
    listAll: (ctx, type, at) => listPages(ctx, list, type, at ?? {}),
    watch: (ctx, type, at) => watch(ctx, sender, type, at ?? {}),
    create: (ctx, type, object, more = {}) =>
      call(ctx, 'POST', resourcePath(type, placeOf(type, object)) + query(writeQuery(more)), {
        body: typed(type, object),
      }),
    createAt: (ctx, type, key, subresource, body, more = {}) =>
      call(ctx, 'POST', resourcePath(type, { ...key, subresource }) + query(writeQuery(more)), { body }),
    update: (ctx, type, object, more = {}) =>
      call(
        ctx,
        'PUT',
        resourcePath(type, { ...keyOf(type, object), subresource: more.subresource }) + query(writeQuery(more)),
        { body: typed(type, object) },
      ),
    patch: (ctx, type, key, patch, more = {}) => {
      const force = patch.type === 'apply' ? patch.force : undefined;
      const path =
        resourcePath(type, { ...key, subresource: more.subresource }) + query({ ...writeQuery(more), force });
      return call(ctx, 'PATCH', path, { body: patch.body, contentType: patchTypes[patch.type] });
    },
    delete: (ctx, type, key, more = {}) =>
      call<KubeObject | Status>(ctx, 'DELETE', resourcePath(type, key), { body: deleteBody(more) }),
    deleteCollection: async (ctx, type, at = {}, more = {}) => {
      await call<unknown>(ctx, 'DELETE', resourcePath(type, { namespace: at.namespace }) + query(listQuery(at)), {
        body: deleteBody(more),
      });
    },
    getJson: (ctx, path, accept) => call(ctx, 'GET', path, accept === undefined ? {} : { accept }),
  };
}

const patchTypes: Readonly<Record<Patch['type'], string>> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  // The YAML type with a JSON body: JSON is YAML, and it is the one type that every version takes.
  apply: 'application/apply-patch+yaml',
};

type ListOne = <T extends KubeObject>(ctx: Context, type: ResourceType<T>, at?: ListOptions) => Promise<KubeList<T>>;

/** All pages; when the server has forgotten the state that the pages are of, it begins anew once. */
async function listPages<T extends KubeObject>(
  ctx: Context,
  list: ListOne,
  type: ResourceType<T>,
  options: ListOptions & { readonly pageSize?: number },
): Promise<KubeList<T>> {
  const { pageSize, ...at } = options;
  for (let restarted = false; ; restarted = true) {
    try {
      return await pages(ctx, list, type, { ...at, limit: at.limit ?? pageSize ?? defaultPageSize });
    } catch (error) {
      if (restarted || !(isStatus(error, 'Expired') || isStatus(error, 'Gone'))) throw error;
      ctx.log.debug('a paged list expired and begins anew', { resource: type.resource });
    }
  }
}

async function pages<T extends KubeObject>(
  ctx: Context,
  list: ListOne,
  type: ResourceType<T>,
  first: ListOptions,
): Promise<KubeList<T>> {
  const items: T[] = [];
  let page = await list(ctx, type, first);
  for (;;) {
    for (const item of page.items) items.push(item);
    const token = page.metadata.continue;
    if (token === undefined || token === '') return { ...page, metadata: withoutPaging(page), items };
    // The token carries the resourceVersion; naming one as well is refused.
    page = await list(ctx, type, {
      ...first,
      continue: token,
      resourceVersion: undefined,
      resourceVersionMatch: undefined,
    });
  }
}

function withoutPaging(page: KubeList): KubeList['metadata'] {
  const { resourceVersion } = page.metadata;
  return resourceVersion === undefined ? {} : { resourceVersion };
}

async function* watch<T extends KubeObject>(
  ctx: Context,
  sender: Sender,
  type: ResourceType<T>,
  options: WatchOptions,
): AsyncGenerator<WatchEvent<T>> {
  const path = resourcePath(type, { namespace: options.namespace }) + query(watchQuery(options));
  const response = await send(ctx, sender, 'GET', path);
  if (response.status !== 200) throw await readFailure({ method: 'GET', path }, response);
  yield* decodeWatch<T>(response.body);
}

/** Items of a list come without apiVersion and kind from a real server. */
function typedList<T extends KubeObject>(type: ResourceType<T>, answer: KubeList<T>): KubeList<T> {
  if (!Array.isArray(answer.items) && (answer.items as unknown) !== null) {
    throw clientErrors.error(
      'AnswerNotUnderstood',
      `the answer to a list of ${type.resource} is a ${answer.kind}, not a list`,
    );
  }
  const items = ((answer.items as readonly T[] | null) ?? []).map((item) =>
    item.kind === undefined || item.kind === '' ? typed(type, item) : item,
  );
  return { ...answer, metadata: answer.metadata ?? {}, items };
}

function typed<T extends KubeObject>(type: ResourceType<T>, object: T): T {
  const { apiVersion, kind } = object as Partial<KubeObject>;
  if (apiVersion !== undefined && apiVersion !== '' && kind !== undefined && kind !== '') return object;
  return { ...object, apiVersion: apiVersionOf(type), kind: type.kind };
}

function placeOf(type: ResourceType, object: KubeObject): { readonly namespace?: string | undefined } {
  return type.namespaced ? { namespace: object.metadata.namespace } : {};
}

function keyOf(type: ResourceType, object: KubeObject): ObjectKey {
  const { name } = object.metadata;
  if (name === undefined || name === '') throw new Error(`an update of a ${type.kind} without metadata.name`);
  return { ...placeOf(type, object), name };
}
