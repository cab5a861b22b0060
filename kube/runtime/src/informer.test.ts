import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { background, withCancel, type Context } from '@polyanthus/ground-base/context';
import { MetricsRegistry } from '@polyanthus/ground-base/metrics';
import type { Random } from '@polyanthus/ground-base/random';
import { httpErrors } from '@polyanthus/ground-http/errors';
import type { Body, HttpResponse, Transport } from '@polyanthus/ground-http/message';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import { configMaps, namespaces, type ConfigMap } from '@polyanthus/kube-kinds/core';
import { statusError, type StatusReason } from '@polyanthus/kube-objects/status';
import { startTestCluster, type TestCluster } from '@polyanthus/kube-server/testing';
import { createInformer, type Informer, type InformerOptions } from './informer.ts';
import { createInformers } from './informers.ts';
import { keyOf } from './keys.ts';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import { createTestClock } from './testing.ts';

const clock = createTestClock();
let server: TestCluster;
let good: KubeClient;
let runs = 0;

beforeAll(async () => {
  server = await startTestCluster({ clock, random: createSeededRandom(1) });
  good = createClient(server.transport);
});
afterAll(() => server.close());

/** Between the informer and the server; does harm while `active`. */
interface Faults {
  active: boolean;
  readonly random: Random;
}

function faulty(inner: Transport, faults: Faults): Transport {
  const roll = (chance: number): boolean => faults.active && faults.random.float() < chance;
  return {
    ...inner,
    request: async (ctx, request) => {
      if (roll(0.1)) throw httpErrors.error('ConnectionRefused', 'injected');
      if (roll(0.1)) return failure('InternalError');
      if (roll(0.1)) return failure('Expired');
      const response = await inner.request(ctx, request);
      return request.url.includes('watch=')
        ? { ...response, body: broken(response.body, roll, faults.random) }
        : response;
    },
  };
}

function failure(reason: StatusReason): HttpResponse {
  const { status } = statusError(reason, 'injected');
  return {
    status: status.code,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify(status)),
  };
}

/** Ends early, breaks, stops in the middle of a line, says 410, or falls silent for ever. */
async function* broken(body: Body, roll: (chance: number) => boolean, random: Random): AsyncGenerator<Uint8Array> {
  if (body === null || body instanceof Uint8Array) return;
  for await (const piece of body) {
    if (!roll(0.25)) {
      yield piece;
      continue;
    }
    const kind = Math.floor(random.float() * 5);
    if (kind === 0) return;
    if (kind === 1) throw httpErrors.error('ConnectionBroken', 'injected');
    if (kind === 2) yield piece.subarray(0, Math.floor(piece.length / 2));
    if (kind === 3)
      yield Buffer.from(`${JSON.stringify({ type: 'ERROR', object: statusError('Expired', 'injected').status })}\n`);
    if (kind === 4) await new Promise(() => undefined);
    return;
  }
}

/** Keeps what the events say, and notes where one does not follow from those before it (a handler's throw is only logged). */
function witness(informer: Informer<ConfigMap>): {
  readonly told: Map<string, ConfigMap>;
  readonly violations: string[];
} {
  const told = new Map<string, ConfigMap>();
  const violations: string[] = [];
  const must = (holds: boolean, what: string): void => {
    if (!holds) violations.push(what);
  };
  informer.onEvent({
    onAdd: (object) => {
      must(!told.has(keyOf(object)), 'added twice');
      told.set(keyOf(object), object);
    },
    onUpdate: (before, after) => {
      must(told.get(keyOf(before)) === before, 'updated from another state');
      must(after.metadata.uid === before.metadata.uid, 'updated into another object');
      must(Number(after.metadata.resourceVersion) > Number(before.metadata.resourceVersion), 'went back in time');
      told.set(keyOf(after), after);
    },
    onDelete: (object, finalStateUnknown) => {
      const known = told.get(keyOf(object));
      must(known?.metadata.uid === object.metadata.uid, 'deleted what was not there');
      must(!finalStateUnknown || object === known, 'another last state');
      told.delete(keyOf(object));
    },
  });
  return { told, violations };
}

interface Opened {
  readonly ctx: Context;
  readonly namespace: string;
  readonly informer: Informer<ConfigMap>;
  readonly told: Map<string, ConfigMap>;
  readonly violations: string[];
  readonly metrics: MetricsRegistry;
  readonly put: (name: string, value: string) => Promise<void>;
  readonly drop: (name: string) => Promise<void>;
  readonly agrees: () => Promise<boolean>;
  readonly stop: () => Promise<void>;
}

async function open(
  transport: Transport,
  random: Random,
  more: Partial<InformerOptions<ConfigMap>> = {},
): Promise<Opened> {
  const namespace = `informer-${++runs}`;
  const { ctx, cancel } = withCancel(background({ clock }));
  await good.create(ctx, namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  const metrics = new MetricsRegistry();
  const informer = createInformer(createClient(transport, { retryAfter: { attempts: 1, waitMaxMs: 0 } }), configMaps, {
    namespace,
    random,
    metrics,
    freeze: true,
    pageSize: 3,
    progressTimeoutMs: 90_000,
    ...more,
  });
  const { told, violations } = witness(informer);
  const versions = (objects: Iterable<ConfigMap>): string =>
    [...objects]
      .map((each) => `${each.metadata.name}@${each.metadata.resourceVersion}`)
      .sort()
      .join(' ');
  informer.start(ctx);
  return {
    ctx,
    namespace,
    informer,
    told,
    violations,
    metrics,
    put: async (name, value) => {
      await good.patch(
        ctx,
        configMaps,
        { namespace, name },
        {
          type: 'apply',
          force: true,
          body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { value } },
        },
        { fieldManager: 'test' },
      );
    },
    drop: async (name) => void (await good.delete(ctx, configMaps, { namespace, name }).catch(() => undefined)),
    agrees: async () => {
      const listed = versions((await good.list(ctx, configMaps, { namespace })).items);
      return informer.hasSynced && listed === versions(informer.list()) && listed === versions(told.values());
    },
    stop: async () => {
      cancel();
      await informer.stopped;
    },
  };
}

describe('an informer', () => {
  it('syncs an empty list, follows changes, and replays to late handlers', async () => {
    const { informer, told, put, drop, agrees, stop } = await open(server.transport, createSeededRandom(2));
    await clock.until(() => informer.hasSynced, 'the first list');
    await informer.synced;
    expect(informer.list()).toEqual([]);
    await put('a', '1');
    await put('b', '1');
    await put('a', '2');
    await drop('b');
    await clock.until(agrees, 'the changes');
    expect([...told.values()].map((each) => each.data?.['value'])).toEqual(['2']);
    const late: string[] = [];
    const remove = informer.onEvent({ onAdd: (object) => late.push(object.metadata.name ?? '') });
    expect(late).toEqual(['a']);
    remove();
    await put('c', '1');
    await clock.until(agrees, 'one more');
    expect(late).toEqual(['a']);
    expect(() => ((informer.list()[0] as { kind: string }).kind = 'x')).toThrow(TypeError);
    await stop();
  });

  it('ends equal to the server whatever breaks on the way, and never tells events out of order', async () => {
    let broke = 0;
    const step = fc.record({
      what: fc.constantFrom('put', 'put', 'drop', 'wait'),
      name: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      waitMs: fc.integer({ min: 0, max: 200_000 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), fc.integer(), async (steps, seed) => {
        const faults: Faults = { active: true, random: createSeededRandom(seed) };
        const { agrees, put, drop, stop, violations, metrics } = await open(
          faulty(server.transport, faults),
          createSeededRandom(seed + 1),
        );
        for (const [index, { what, name, waitMs }] of steps.entries()) {
          if (what === 'put') await put(name, String(index));
          if (what === 'drop') await drop(name);
          if (what === 'wait') await clock.advance(waitMs);
        }
        faults.active = false;
        await clock.until(agrees, 'the cache to equal the list', 1_000_000);
        expect(violations).toEqual([]);
        if (metrics.expose().includes('polyanthus_informer_failures_total{')) broke++;
        await stop();
      }),
      { numRuns: 30, interruptAfterTimeLimit: 2000 },
    );
    // The faults must have been felt, else this shows nothing.
    expect(broke).toBeGreaterThan(0);
  }, 20_000);

  it('notices a watch that has fallen silent', async () => {
    let silent = false;
    const mute: Transport = {
      ...server.transport,
      request: async (ctx, request) => {
        const response = await server.transport.request(ctx, request);
        const source = response.body;
        if (!request.url.includes('watch=') || source === null || source instanceof Uint8Array) return response;
        async function* body(): AsyncGenerator<Uint8Array> {
          for await (const piece of source as AsyncIterable<Uint8Array>) {
            if (silent) await new Promise(() => undefined);
            yield piece;
          }
        }
        return { ...response, body: body() };
      },
    };
    const { informer, put, agrees, metrics, stop } = await open(mute, createSeededRandom(3));
    await clock.until(() => informer.hasSynced, 'the first list');
    silent = true;
    await put('a', '1');
    await clock.advance(60_000);
    expect(await agrees()).toBe(false);
    silent = false;
    await clock.until(agrees, 'the missed event', 120_000);
    expect(metrics.expose()).toMatch(/polyanthus_informer_failures_total\{.*reason="WatchStalled".*\} 1/);
    await stop();
  });

  it('pages where the server streams no lists', async () => {
    const urls: string[] = [];
    const old: Transport = {
      ...server.transport,
      request: async (ctx, request) => {
        urls.push(request.url);
        return request.url.includes('sendInitialEvents') ? failure('Invalid') : server.transport.request(ctx, request);
      },
    };
    const { put, agrees, stop } = await open(old, createSeededRandom(4));
    for (const name of ['a', 'b', 'c', 'd']) await put(name, '1');
    await clock.until(agrees, 'all four');
    expect(urls.filter((url) => url.includes('sendInitialEvents'))).toHaveLength(1);
    expect(urls.some((url) => url.includes('limit=3'))).toBe(true);
    await stop();
  });

  it('gives a list up that hangs, and begins anew', async () => {
    let hangs = true;
    const stuck: Transport = {
      ...server.transport,
      request: async (ctx, request) => {
        if (request.url.includes('sendInitialEvents')) return failure('Invalid');
        if (hangs && !request.url.includes('watch=')) await new Promise(() => undefined);
        return server.transport.request(ctx, request);
      },
    };
    const { put, agrees, stop } = await open(stuck, createSeededRandom(8));
    await put('a', '1');
    await clock.advance(200_000);
    hangs = false;
    await clock.until(agrees, 'the list', 200_000);
    await stop();
  });

  it('rejects synced when it is cancelled before', async () => {
    const never: Transport = { ...server.transport, request: () => new Promise(() => undefined) };
    const { informer, stop } = await open(never, createSeededRandom(5));
    await stop();
    await expect(informer.synced).rejects.toBeDefined();
  });

  it('is shared by type, namespace and selector', () => {
    const informers = createInformers(good, { random: createSeededRandom(6) });
    expect(informers.of(configMaps)).toBe(informers.of(configMaps));
    expect(informers.of(configMaps, { namespace: 'a' })).not.toBe(informers.of(configMaps));
    expect(informers.of(configMaps, { labelSelector: 'a=b' })).not.toBe(informers.of(configMaps));
  });
});
