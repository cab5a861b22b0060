import { background, type Context } from '@polyanthus/ground-base/context';
import { systemClock } from '@polyanthus/ground-base/clock';
import { readBody } from '@polyanthus/ground-http/body';
import { inProcessTransport } from '@polyanthus/ground-http/in-process';
import type { ServerResponse } from '@polyanthus/ground-http/message';
import { configMaps, namespaces, type ConfigMap } from '@polyanthus/kube-kinds/core';
import { statusError } from '@polyanthus/kube-objects/status';
import { describe, expect, it } from 'vitest';
import type { KubeClient } from './client.ts';
import { discover, resourceMapper } from './discovery.ts';
import { logs } from './logs.ts';
import { createClient, type ClientOptions } from './rest.ts';

interface Heard {
  readonly line: string;
  readonly contentType: string | undefined;
  readonly body: unknown;
}

/** A server that answers from a list, in order, and notes what it was asked. */
function scripted(
  answers: readonly ServerResponse[],
  options: ClientOptions = {},
): { readonly client: KubeClient; readonly heard: Heard[] } {
  const heard: Heard[] = [];
  const transport = inProcessTransport(async (_ctx, request) => {
    const text = Buffer.from(await readBody(request.body, 1_000_000)).toString();
    heard.push({
      line: `${request.method} ${request.url}`,
      contentType: request.headers['content-type'] as string | undefined,
      body: text === '' ? undefined : (JSON.parse(text) as unknown),
    });
    return answers[heard.length - 1] ?? json(404, statusError('NotFound', 'the script ended').status);
  });
  return { client: createClient(transport, options), heard };
}

const json = (status: number, value: unknown, headers: Record<string, string> = {}): ServerResponse => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: Buffer.from(JSON.stringify(value)),
});
const ctx = background();
/** Timers fire at once and are noted. */
function hurried(): { readonly ctx: Context; readonly waitsMs: number[] } {
  const waitsMs: number[] = [];
  const clock = {
    ...systemClock,
    after: (delayMs: number, fn: () => void) => {
      waitsMs.push(delayMs);
      queueMicrotask(fn);
      return { cancel: () => undefined };
    },
  };
  return { ctx: background({ clock }), waitsMs };
}
const map = (name: string): ConfigMap => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'n' } });
const list = (items: unknown[], metadata: object) =>
  json(200, { apiVersion: 'v1', kind: 'ConfigMapList', metadata, items });

describe('requests', () => {
  it('go to the right path with the right body', async () => {
    const key = { namespace: 'n', name: 'a/b' };
    const { client, heard } = scripted(Array.from({ length: 12 }, () => json(200, map('a'))));
    await client.get(ctx, configMaps, key);
    await client.create(ctx, configMaps, map('a'), { fieldManager: 'me', fieldValidation: 'Strict', dryRun: true });
    await client.update(ctx, configMaps, map('a'), { subresource: 'status' });
    await client.patch(ctx, configMaps, key, { type: 'json', body: [{ op: 'remove', path: '/data' }] });
    await client.patch(ctx, configMaps, key, { type: 'merge', body: { data: null } });
    await client.patch(ctx, configMaps, key, { type: 'strategic', body: { data: {} } });
    await client.patch(ctx, configMaps, key, { type: 'apply', body: map('a'), force: true }, { fieldManager: 'me' });
    await client.delete(ctx, configMaps, key, {
      propagationPolicy: 'Foreground',
      preconditions: { uid: 'u' },
      dryRun: true,
    });
    await client.deleteCollection(ctx, configMaps, { namespace: 'n', labelSelector: 'a=b,c in (d)' });
    await client.createAt(ctx, configMaps, { namespace: 'n', name: 'a' }, 'eviction', { x: 1 });
    await client.get(ctx, namespaces, { name: 'n' }, { subresource: 'status' });
    expect(heard.map((one) => [one.line, one.contentType])).toEqual([
      ['GET /api/v1/namespaces/n/configmaps/a%2Fb', undefined],
      ['POST /api/v1/namespaces/n/configmaps?fieldManager=me&fieldValidation=Strict&dryRun=All', 'application/json'],
      ['PUT /api/v1/namespaces/n/configmaps/a/status', 'application/json'],
      ['PATCH /api/v1/namespaces/n/configmaps/a%2Fb', 'application/json-patch+json'],
      ['PATCH /api/v1/namespaces/n/configmaps/a%2Fb', 'application/merge-patch+json'],
      ['PATCH /api/v1/namespaces/n/configmaps/a%2Fb', 'application/strategic-merge-patch+json'],
      ['PATCH /api/v1/namespaces/n/configmaps/a%2Fb?fieldManager=me&force=true', 'application/apply-patch+yaml'],
      ['DELETE /api/v1/namespaces/n/configmaps/a%2Fb', 'application/json'],
      ['DELETE /api/v1/namespaces/n/configmaps?labelSelector=a%3Db%2Cc+in+%28d%29', 'application/json'],
      ['POST /api/v1/namespaces/n/configmaps/a/eviction', 'application/json'],
      ['GET /api/v1/namespaces/n/status', undefined],
    ]);
    expect(heard[7]?.body).toEqual({
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      propagationPolicy: 'Foreground',
      preconditions: { uid: 'u' },
      dryRun: ['All'],
    });
  });

  it('a watch asks for bookmarks and gives its events', async () => {
    const { client, heard } = scripted([
      { status: 200, headers: {}, body: Buffer.from(`${JSON.stringify({ type: 'ADDED', object: map('a') })}\n`) },
    ]);
    const events = [];
    for await (const event of client.watch(ctx, configMaps, {
      namespace: 'n',
      resourceVersion: '5',
      sendInitialEvents: true,
    }))
      events.push(event);
    expect(events).toEqual([{ type: 'ADDED', object: map('a') }]);
    expect(heard[0]?.line).toBe(
      'GET /api/v1/namespaces/n/configmaps?resourceVersion=5&resourceVersionMatch=NotOlderThan&watch=true&allowWatchBookmarks=true&sendInitialEvents=true',
    );
  });
});

describe('failures', () => {
  it('are the StatusError that the server gave', async () => {
    const { client } = scripted([json(409, statusError('Conflict', 'no', { name: 'a' }).status)]);
    await expect(client.get(ctx, configMaps, { name: 'a' })).rejects.toMatchObject({
      code: 'Conflict',
      message: 'no',
      status: { details: { name: 'a' } },
    });
  });

  it('are made into a Status when something in between answered, with a bounded excerpt', async () => {
    const page = { status: 502, headers: {}, body: Buffer.from(`<html>\u001b[31m${'x'.repeat(5000)}`) };
    const error: unknown = await scripted([page])
      .client.get(ctx, configMaps, { name: 'a' })
      .catch((one: unknown) => one);
    expect(error).toMatchObject({ status: { code: 502, reason: 'Unknown' } });
    expect((error as Error).message).toMatch(
      /^GET \/api\/v1\/configmaps\/a was answered with HTTP 502 and no Status: <html> \[31mx{100,200}$/,
    );
  });

  it('a success that is not JSON is AnswerNotUnderstood', async () => {
    const { client } = scripted([{ status: 200, headers: {}, body: Buffer.from('<html>Login</html>') }]);
    await expect(client.get(ctx, configMaps, { name: 'a' })).rejects.toMatchObject({ code: 'AnswerNotUnderstood' });
  });

  it('with Retry-After are waited for, a bounded number of times and not too long', async () => {
    const busy = json(429, statusError('TooManyRequests', 'busy').status, { 'retry-after': '2' });
    const fine = scripted([busy, busy, json(200, map('a'))]);
    const clock = hurried();
    await fine.client.get(clock.ctx, configMaps, { name: 'a' });
    expect([fine.heard.length, clock.waitsMs]).toEqual([3, [2000, 2000]]);
    const never = scripted([busy, busy, busy], { retryAfter: { attempts: 2, waitMaxMs: 5000 } });
    await expect(never.client.get(hurried().ctx, configMaps, { name: 'a' })).rejects.toMatchObject({
      code: 'TooManyRequests',
    });
    const long = scripted([json(503, statusError('ServiceUnavailable', 'away').status, { 'retry-after': '900' })]);
    await expect(long.client.get(hurried().ctx, configMaps, { name: 'a' })).rejects.toMatchObject({
      code: 'ServiceUnavailable',
    });
    expect([never.heard.length, long.heard.length]).toEqual([2, 1]);
  });

  it('tells warnings with the request that caused them', async () => {
    const warned: string[] = [];
    const { client } = scripted([json(200, map('a'), { warning: '299 - "say \\"hi\\"", 299 - "second"' })], {
      onWarning: (text, request) => warned.push(`${request}: ${text}`),
    });
    await client.get(ctx, configMaps, { name: 'a' });
    expect(warned).toEqual(['GET /api/v1/configmaps/a: say "hi"', 'GET /api/v1/configmaps/a: second']);
  });
});

describe('lists', () => {
  it('are read page by page, and items get the kind that a list leaves out', async () => {
    const bare = { metadata: { name: 'a' } };
    const { client, heard } = scripted([
      list([bare], { resourceVersion: '9', continue: 'c1', remainingItemCount: 1 }),
      list([bare], { resourceVersion: '9' }),
    ]);
    const all = await client.listAll(ctx, configMaps, {
      pageSize: 1,
      labelSelector: 'x',
      resourceVersion: '9',
      resourceVersionMatch: 'Exact',
    });
    expect(all.items).toEqual([bare, bare].map((one) => ({ ...one, apiVersion: 'v1', kind: 'ConfigMap' })));
    expect(all.metadata).toEqual({ resourceVersion: '9' });
    expect(heard.map((one) => one.line)).toEqual([
      'GET /api/v1/configmaps?labelSelector=x&limit=1&resourceVersion=9&resourceVersionMatch=Exact',
      'GET /api/v1/configmaps?labelSelector=x&limit=1&continue=c1',
    ]);
  });

  it('begin anew once when the token has expired, and no more', async () => {
    const gone = json(410, statusError('Expired', 'the token is too old').status);
    const first = list([map('a')], { resourceVersion: '9', continue: 'c' });
    const fine = scripted([first, gone, list([map('b')], { resourceVersion: '10' })]);
    expect((await fine.client.listAll(ctx, configMaps)).items).toEqual([map('b')]);
    await expect(scripted([first, gone, first, gone]).client.listAll(ctx, configMaps)).rejects.toMatchObject({
      code: 'Expired',
    });
  });

  it('of a nil slice are empty', async () => {
    expect(
      (
        await scripted([json(200, { apiVersion: 'v1', kind: 'ConfigMapList', metadata: {}, items: null })]).client.list(
          ctx,
          configMaps,
        )
      ).items,
    ).toEqual([]);
  });
});

describe('discovery', () => {
  const entry = (resource: string, kind: string, shortNames: string[]) => ({
    resource,
    responseKind: { kind },
    scope: 'Namespaced',
    singularResource: kind.toLowerCase(),
    verbs: ['get'],
    shortNames,
    subresources: [{ subresource: 'status' }],
  });
  const aggregated = (items: unknown[]) =>
    json(200, { kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2', items });

  it('reads the aggregated form and finds kinds by every name', async () => {
    const { client } = scripted([
      aggregated([
        {
          metadata: {},
          versions: [{ version: 'v1', freshness: 'Current', resources: [entry('pods', 'Pod', ['po'])] }],
        },
      ]),
      aggregated([
        {
          metadata: { name: 'apps' },
          versions: [
            { version: 'v1', resources: [entry('deployments', 'Deployment', ['deploy'])] },
            { version: 'v1beta1', resources: [entry('deployments', 'Deployment', [])] },
          ],
        },
        { metadata: { name: 'metrics.k8s.io' }, versions: [{ version: 'v1beta1', freshness: 'Stale' }] },
      ]),
    ]);
    const mapper = resourceMapper(await discover(ctx, client));
    for (const name of ['po', 'pod', 'pods', 'Pod'])
      expect(mapper.forName(name)).toMatchObject({ group: '', resource: 'pods', subresources: ['status'] });
    expect(mapper.forName('deployments.apps')).toMatchObject({ version: 'v1' });
    expect(mapper.forName('deployments.v1beta1.apps')).toMatchObject({ version: 'v1beta1' });
    expect(mapper.forKind('apps/v1', 'Deployment')).toMatchObject({ resource: 'deployments', namespaced: true });
    expect(() => mapper.forName('gadgets')).toThrow(
      'the server has no resource type "gadgets" (these groups did not answer: metrics.k8s.io/v1beta1)',
    );
  });

  it('falls back to the older documents and survives a group that is away', async () => {
    const old = (resources: unknown[]) => json(200, { kind: 'APIResourceList', resources });
    const answers: Record<string, ServerResponse> = {
      '/api': json(200, { kind: 'APIVersions', versions: ['v1'] }),
      '/apis': json(200, {
        kind: 'APIGroupList',
        groups: [
          { name: 'apps', versions: [{ version: 'v1beta1' }, { version: 'v1' }], preferredVersion: { version: 'v1' } },
          { name: 'away', versions: [{ version: 'v1' }] },
        ],
      }),
      '/api/v1': old([
        { name: 'pods', singularName: '', namespaced: true, kind: 'Pod', shortNames: ['po'] },
        { name: 'pods/log', singularName: '', namespaced: true, kind: 'Pod' },
      ]),
      '/apis/apps/v1': old([{ name: 'deployments', singularName: 'deployment', namespaced: true, kind: 'Deployment' }]),
      '/apis/apps/v1beta1': old([
        { name: 'deployments', singularName: 'deployment', namespaced: true, kind: 'Deployment' },
      ]),
      '/apis/away/v1': json(503, statusError('ServiceUnavailable', 'away').status),
    };
    const client = createClient(inProcessTransport(async (_ctx, request) => answers[request.url] ?? json(404, {})));
    const found = await discover(ctx, client);
    expect(found.resources.map((one) => [one.group, one.version, one.resource, one.subresources.join()])).toEqual([
      ['', 'v1', 'pods', 'log'],
      ['apps', 'v1', 'deployments', ''],
      ['apps', 'v1beta1', 'deployments', ''],
    ]);
    expect(found.stale).toEqual([{ group: 'away', version: 'v1' }]);
  });
});

it('logs are bytes, and a failure is its Status', async () => {
  const { client, heard } = scripted([
    { status: 200, headers: {}, body: Buffer.from('one\ntwo') },
    json(400, statusError('BadRequest', 'which container?').status),
  ]);
  const read = async () => {
    let text = '';
    for await (const piece of logs(
      ctx,
      client,
      { namespace: 'n', name: 'p' },
      { container: 'c', tailLines: 5, follow: false },
    ))
      text += Buffer.from(piece).toString();
    return text;
  };
  expect(await read()).toBe('one\ntwo');
  expect(heard[0]?.line).toBe('GET /api/v1/namespaces/n/pods/p/log?container=c&tailLines=5&follow=false');
  await expect(read()).rejects.toMatchObject({ code: 'BadRequest' });
});
