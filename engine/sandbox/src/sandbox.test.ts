import { afterEach, describe, expect, it } from 'vitest';
import { background } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { inProcessTransport } from '@polyanthus/ground-http/in-process';
import { createVirtualClock } from '@polyanthus/ground-testing/virtual-clock';
import type { KubeClient } from '@polyanthus/kube-client/client';
import {
  configMaps,
  deployments,
  namespaces,
  nodes,
  pods,
  type ConfigMap,
  type Pod,
} from '@polyanthus/kube-kinds/core';
import { callApi } from '@polyanthus/kube-server/testing';
import { createSandbox } from './sandbox.ts';
import { Sandboxes } from './sandboxes.ts';
import { takeSnapshot, type Snapshot } from './snapshot.ts';

const clock = createVirtualClock({ startMs: Date.UTC(2026, 0, 1) });
const ctx = background({ clock });
const random = systemRandom;
const made: { close(): Promise<void> }[] = [];
afterEach(() => Promise.all(made.splice(0).map((one) => one.close())));

const map = (name: string): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { namespace: 'default', name },
});
const at = (name: string): { namespace: string; name: string } => ({ namespace: 'default', name });

describe('a sandbox', () => {
  it('goes back to a state of before, as the same cluster with the same token', async () => {
    const sandbox = await createSandbox(ctx, { random, token: 'abc' });
    made.push(sandbox);
    const { client } = sandbox;
    await client.create(ctx, configMaps, map('before'));
    const state = sandbox.state();
    const uid = (await client.get(ctx, namespaces, { name: 'kube-system' })).metadata.uid;
    await client.create(ctx, configMaps, map('after'));
    await sandbox.restore(ctx, state);
    await expect(client.get(ctx, configMaps, at('after'))).rejects.toMatchObject({ code: 'NotFound' });
    expect((await client.get(ctx, configMaps, at('before'))).metadata.name).toBe('before');
    expect((await client.get(ctx, namespaces, { name: 'kube-system' })).metadata.uid).toBe(uid);
    // The same state again, since nothing that came after it changed it.
    await client.delete(ctx, configMaps, at('before'));
    await sandbox.restore(ctx, state);
    const outside = inProcessTransport((inner, request) => sandbox.handler(inner, request));
    const get = { method: 'GET', url: '/api/v1/namespaces/default/configmaps/before' };
    const ask = async (token: string): Promise<number> =>
      (await callApi(ctx, outside, { ...get, headers: { authorization: `Bearer ${token}` } })).status;
    expect([await ask('abc'), await ask('wrong')]).toEqual([200, 401]);
  });

  it('takes a copy of another cluster, and its copy is the same', async () => {
    const origin = await createSandbox(ctx, { random });
    const copy = await createSandbox(ctx, { random });
    made.push(origin, copy);
    await origin.client.create(ctx, configMaps, map('one'));
    const snapshot = await takeSnapshot(ctx, origin.client, { source: 'origin' });
    expect(await copy.load(ctx, snapshot)).toMatchObject({ refused: [], changed: [] });
    const again = await takeSnapshot(ctx, copy.client, { source: 'origin' });
    const bare = (resources: typeof snapshot.resources): unknown =>
      resources.map((one) => ({
        ...one,
        objects: one.objects.map((object) => ({ ...object, metadata: { ...object.metadata, resourceVersion: '' } })),
      }));
    expect(bare(again.resources)).toEqual(bare(snapshot.resources));
  });
});

describe('sandboxes', () => {
  it('have names of their own, and what is thrown away is gone', async () => {
    const all = new Sandboxes(ctx, random);
    made.push(all);
    const one = await all.create('one');
    await one.sandbox.client.create(ctx, configMaps, map('mine'));
    await expect(all.create('one')).rejects.toMatchObject({ code: 'SandboxExists' });
    await expect(all.create('No Name')).rejects.toMatchObject({
      code: 'SandboxRefused',
      next: expect.stringContaining('lower-case') as string,
    });
    await expect(all.create('many', 501)).rejects.toMatchObject({ code: 'SandboxRefused' });
    const two = await all.create('two');
    await expect(two.sandbox.client.get(ctx, configMaps, at('mine'))).rejects.toMatchObject({ code: 'NotFound' });
    await all.delete('one');
    expect(all.list().map(({ name }) => name)).toEqual(['two']);
    await expect(all.delete('one')).rejects.toMatchObject({ code: 'SandboxNotFound' });
  });

  it('with nodes run what is asked of them', async () => {
    const all = new Sandboxes(ctx, random);
    made.push(all);
    const { sandbox } = await all.create('play', 2);
    const web = { app: 'web' };
    await sandbox.client.create(ctx, deployments, {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: at('web'),
      spec: {
        replicas: 2,
        selector: { matchLabels: web },
        template: { metadata: { labels: web }, spec: { containers: [{ name: 'web', image: 'web:1' }] } },
      },
    });
    const running = async (): Promise<readonly unknown[]> =>
      (await sandbox.client.list(ctx, pods, { namespace: 'default' })).items
        .filter(({ status }) => status?.phase === 'Running')
        .map(({ spec }) => spec.nodeName);
    for (let step = 0; step < 120 && (await running()).length < 2; step++) await clock.advance(1000);
    expect(await running()).toEqual([expect.stringMatching(/^node-/), expect.stringMatching(/^node-/)]);
  });

  describe('with nodes and a copy', () => {
    /** A copy of a cluster of one node that is well, one that is not Ready and one that is lost, each with a pod. */
    const copy = async (): Promise<Snapshot> => {
      const origin = await createSandbox(ctx, { random });
      made.push(origin);
      const states = { well: 'True', sick: 'False', lost: 'Unknown' } as const;
      for (const [name, status] of Object.entries(states)) {
        await origin.client.create(ctx, nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name } });
        const conditions = [{ type: 'Ready', status, lastHeartbeatTime: '2025-12-31T00:00:00Z' }];
        const ofNode = { type: 'merge', body: { status: { conditions, capacity: { cpu: '3', pods: '9' } } } } as const;
        await origin.client.patch(ctx, nodes, { name }, ofNode, { subresource: 'status' });
        await origin.client.create(ctx, pods, podOn(name, `on-${name}`));
        const ofPod = { type: 'merge', body: { status: { phase: 'Running', podIP: '10.9.0.2' } } } as const;
        await origin.client.patch(ctx, pods, at(`on-${name}`), ofPod, { subresource: 'status' });
      }
      return takeSnapshot(ctx, origin.client, { source: 'test' });
    };
    const podOn = (nodeName: string, name: string): Pod => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: at(name),
      spec: { nodeName, containers: [{ name: 'c', image: 'app' }], terminationGracePeriodSeconds: 1 },
    });
    const readiness = async (client: KubeClient): Promise<Readonly<Record<string, unknown>>> =>
      Object.fromEntries(
        (await client.list(ctx, nodes)).items.map(({ metadata, status }) => [
          metadata.name,
          status?.conditions?.find(({ type }) => type === 'Ready')?.status,
        ]),
      );

    it('keep the nodes of the copy as they were, and run what comes new', async () => {
      const all = new Sandboxes(ctx, random);
      made.push(all);
      const snapshot = await copy();
      const { sandbox } = await all.create('copy', 1);
      for (const replace of [false, true]) {
        await all.load(ctx, 'copy', snapshot, { replace });
        await clock.advance(15 * 60_000);
        const states = { well: 'True', sick: 'False', lost: 'Unknown', 'node-1': 'True' };
        expect(await readiness(sandbox.client)).toEqual(states);
        const well = await sandbox.client.get(ctx, nodes, { name: 'well' });
        expect(well.status?.capacity).toEqual({ cpu: '3', pods: '9' });
        const kept = (await sandbox.client.get(ctx, pods, at('on-well'))).status;
        expect(kept).toEqual({ phase: 'Running', podIP: '10.9.0.2', qosClass: 'BestEffort' });
        await sandbox.client.create(ctx, pods, podOn('well', 'new'));
        await clock.advance(10_000);
        expect((await sandbox.client.get(ctx, pods, at('new'))).status?.phase).toBe('Running');
        await sandbox.client.delete(ctx, pods, at('on-well'));
        await clock.advance(10_000);
        await expect(sandbox.client.get(ctx, pods, at('on-well'))).rejects.toMatchObject({ code: 'NotFound' });
      }
    });

    it('give it up when its kubelets shall be silent', async () => {
      const all = new Sandboxes(ctx, random);
      made.push(all);
      const { sandbox } = await all.create('copy', 1);
      await all.load(ctx, 'copy', await copy(), { silentNodes: true });
      await clock.advance(5 * 60_000);
      expect(await readiness(sandbox.client)).toMatchObject({ well: 'Unknown', 'node-1': 'True' });
    });
  });
});
