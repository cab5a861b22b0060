/** Fixtures for tests of controllers: a world to run them in (embedded server or real one), and small objects. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Context } from '@polyanthus/ground-base/context';
import { hasCode } from '@polyanthus/ground-base/errors';
import type { Transport } from '@polyanthus/ground-http/message';
import type { KubeClient, ObjectKey } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import { namespaces, pods, type Deployment, type Pod, type PodSpec } from '@polyanthus/kube-kinds/core';
import type { KubeObject, ObjectMeta } from '@polyanthus/kube-objects/meta';
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import type { PodBehaviour } from '@polyanthus/kube-sim/behaviour';

/** An API server with all controllers and two simulated nodes, on any clock. */
export interface World {
  readonly ctx: Context;
  readonly client: KubeClient;
  /** Waits for a condition, by whatever clock the world has; throws with `what` when it never holds. */
  until(condition: () => Promise<boolean>, what: string): Promise<void>;
  /** Lets time pass. */
  pass(ms: number): Promise<void>;
  /** The API as somebody else sees it. */
  as(username: string, ...groups: readonly string[]): KubeClient;
}

/** A world by the clock on the wall: what is waited for comes within `limitMs`. */
export function realWorld(ctx: Context, transport: Transport, limitMs: number): World {
  return {
    ctx,
    client: createClient(transport),
    as: (username, ...groups) => clientAs(transport, username, groups),
    pass: (ms) => delay(ms),
    until: async (condition, what) => {
      for (const endMs = performance.now() + limitMs; !(await condition()); await delay(50))
        if (performance.now() > endMs) throw new Error(`waited ${limitMs} ms in vain for ${what}`);
    },
  };
}

/** The same API for somebody else: the transport's own user must be allowed to impersonate. */
export function clientAs(transport: Transport, username: string, groups: readonly string[]): KubeClient {
  const headers = { 'impersonate-user': username, 'impersonate-group': [...groups] };
  return createClient({
    request: (ctx, request) => transport.request(ctx, { ...request, headers: { ...request.headers, ...headers } }),
    upgrade: (ctx, request) => transport.upgrade(ctx, { ...request, headers: { ...request.headers, ...headers } }),
    close: async () => undefined,
  });
}

/** Nothing is timed by it: a busy machine is not a failure. */
export const suiteTimeoutMs = 120_000;

/** Tries, and trips through the threads between two of them: seconds of a machine that is five times slower. */
const attemptsMax = 60;
const trips = 20;
/** More than there are threads (4), so that every thread has a turn. */
const jobs = 8;

/**
 * Waits by a virtual clock, again and again: threads that make keys and signatures, and code that is loaded when it is first
 * needed, take time that no virtual clock knows of, and on a busy machine hours of virtual time pass meanwhile. Between two
 * tries work goes through the same threads: it comes back when they have got on with what was there before.
 */
export async function patiently(wait: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await wait();
      return;
    } catch (error) {
      if (attempt === attemptsMax) throw error;
      for (let trip = 0; trip < trips; trip++)
        await Promise.all(Array.from({ length: jobs }, () => crypto.subtle.digest('SHA-256', new Uint8Array(65_536))));
    }
  }
}

/** Images of tests say how their pods behave. */
export const testBehaviours: readonly PodBehaviour[] = [
  { match: { image: 'never-ready' }, startDelayMs: 100, readyDelayMs: 'never', shutdownMs: 50 },
  { match: { image: 'crash' }, startDelayMs: 100, readyDelayMs: 'never', runs: [{ durationMs: 50, exitCode: 1 }] },
  { match: { image: 'once' }, startDelayMs: 100, readyDelayMs: 50, runs: [{ durationMs: 200, exitCode: 0 }] },
  { match: { image: 'exit-42' }, startDelayMs: 100, readyDelayMs: 50, runs: [{ durationMs: 50, exitCode: 42 }] },
  {
    match: { image: 'odd-one-fails', labels: { 'batch.kubernetes.io/job-completion-index': '1' } },
    startDelayMs: 100,
    runs: [{ durationMs: 50, exitCode: 42 }],
  },
  { match: { image: 'odd-one-fails' }, startDelayMs: 100, runs: [{ durationMs: 200, exitCode: 0 }] },
  {
    match: { image: 'first-one-ends', labels: { 'batch.kubernetes.io/job-completion-index': '0' } },
    startDelayMs: 100,
    runs: [{ durationMs: 200, exitCode: 0 }],
  },
  // Killed at the end of its grace period: a pod that is deleted and ends well has succeeded.
  { match: { image: 'stubborn' }, startDelayMs: 100, readyDelayMs: 100, shutdownMs: 60_000 },
  { startDelayMs: 100, readyDelayMs: 100, shutdownMs: 50 },
];

export const podSpec = (image: string): PodSpec => ({
  containers: [{ name: 'c', image }],
  terminationGracePeriodSeconds: 1,
});

let counter = 0;

/** A fresh namespace with its `default` account. */
export async function freshNamespace(world: World): Promise<string> {
  const name = `test-${++counter}`;
  await world.client.create(world.ctx, namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  await world.until(
    async () => (await find(world, serviceAccountType, { namespace: name, name: 'default' })) !== undefined,
    `ServiceAccount default in ${name}`,
  );
  return name;
}
const serviceAccountType: ResourceType = {
  group: '',
  version: 'v1',
  resource: 'serviceaccounts',
  kind: 'ServiceAccount',
  namespaced: true,
};

/** The object, or undefined when it is not there. */
export async function find<T extends KubeObject>(
  world: World,
  type: ResourceType<T>,
  key: ObjectKey,
): Promise<T | undefined> {
  try {
    return await world.client.get(world.ctx, type, key);
  } catch (error) {
    if (hasCode(error, 'NotFound')) return undefined;
    throw error;
  }
}

/** Waits until the object is gone. */
export async function untilGone(world: World, type: ResourceType, key: ObjectKey): Promise<void> {
  await world.until(
    async () => (await find(world, type, key)) === undefined,
    `${type.resource} ${key.name} to be gone`,
  );
}

/** A Deployment of pods labelled `app: <name>`. */
export function deploymentOf(
  namespace: string,
  name: string,
  image: string,
  spec: Partial<Deployment['spec']> = {},
): Deployment {
  const labels = { app: name };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace, name },
    spec: {
      replicas: 3,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: podSpec(image) },
      ...spec,
    },
  };
}

/** Running pods of a Deployment that are not being deleted, by image. */
export async function podsByImage(
  world: World,
  namespace: string,
  app: string,
): Promise<Readonly<Record<string, number>>> {
  const counts: Record<string, number> = {};
  for (const pod of await livePods(world, namespace, app)) {
    const image = pod.spec.containers[0]?.image ?? '';
    counts[image] = (counts[image] ?? 0) + 1;
  }
  return counts;
}

export async function livePods(world: World, namespace: string, app: string): Promise<readonly Pod[]> {
  const list = await world.client.list(world.ctx, pods, { namespace, labelSelector: `app=${app}` });
  return list.items.filter((pod) => pod.metadata.deletionTimestamp === undefined);
}

/** A ConfigMap, owned by whom it says. */
export function mapOf(namespace: string, name: string, metadata: ObjectMeta = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name, ...metadata } };
}
