/** The hub carries out what was handed to it, with the rights that its account was given, and no others: the demo's processes. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { background } from '@polyanthus/ground-base/context';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { fleetRoleBindings } from '@polyanthus/kube-kinds/own/fleet';
import { nodes } from '@polyanthus/kube-kinds/core';
import { runHandovers, runs, type Run } from '@polyanthus/kube-kinds/own/runbook';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { executorAccount } from './executor-rights.ts';
import {
  clientOf,
  demoServes,
  memberThroughGateway,
  processesOf,
  startDemo,
  startPolyanthus,
  temporaryFolder,
  type TestProcess,
} from './testing.ts';

const ctx = background();
const waitMs = 120_000;
const until = (look: () => Promise<void>): Promise<void> => vi.waitFor(look, { timeout: waitMs, interval: 200 });
const user = `system:serviceaccount:default:${executorAccount}`;
const key = (name: string) => ({ namespace: 'default', name });

let folder: string;
const started: TestProcess[] = [];
let hub: KubeClient;
const data = (): string => join(folder, 'demo');

beforeEach(async () => {
  folder = await temporaryFolder();
  const demo = startDemo(data());
  started.push(demo);
  await demo.until(demoServes);
  hub = await clientOf(join(data(), 'admin.kubeconfig'), 'hub');
}, waitMs);

afterEach(async () => {
  for (const one of started.splice(0)) {
    one.kill('SIGKILL');
    await one.ended;
  }
  await vi.waitFor(async () => expect(await processesOf(data())).toEqual([]), { timeout: waitMs });
  await rm(folder, { recursive: true, force: true });
}, waitMs);

const read = (name: string): Promise<Run> => hub.get(ctx, runs, key(name));

const where = (): readonly string[] => [
  `--hub-kubeconfig=${join(data(), 'admin.kubeconfig')}`,
  '--hub-context=hub',
  '--membership=osaka',
];

async function maintain(name: string, node: string): Promise<string> {
  const command = startPolyanthus(['cluster', 'maintain', node, `--name=${name}`, '--force', '--detach', ...where()]);
  started.push(command);
  expect(await command.ended, command.output()).toBe(0);
  return command.output();
}

it(
  'carries out a run that was handed over once its account has a role in the member, and none that was changed since',
  async () => {
    expect(await maintain('m1', 'osaka-1')).toContain('the hub carries it out; to look: polyanthus runbook watch m1');
    await until(async () => {
      const { status } = await hub.get(ctx, runHandovers, key('m1'));
      expect(status?.message).toContain(`polyanthus fleet bindings create NAME --membership=osaka --user=${user}`);
    });
    expect((await read('m1')).status?.epoch).toBeUndefined();

    await maintain('m2', 'osaka-1');
    const other = await read('m2');
    await hub.update(ctx, runs, { ...other, spec: { ...other.spec, membership: 'paris' } });
    await hub.create(ctx, fleetRoleBindings, {
      apiVersion: 'fleet.polyanthus.dev/v1',
      kind: 'RBACRoleBinding',
      metadata: { namespace: 'default', name: 'executor' },
      spec: { membership: 'osaka', user, role: { predefinedRole: 'ADMIN' } },
    });
    await until(async () => expect((await read('m1')).status?.phase).toMatch(/Succeeded|Failed/));
    const done = await read('m1');
    expect(done.status?.phase, done.status?.message).toBe('Succeeded');
    expect(done.status?.holder).toMatch(/^hub_/);
    const member = await memberThroughGateway(data(), 'osaka');
    expect((await member.list(ctx, nodes)).items.map((node) => node.spec?.unschedulable ?? false)).toEqual([
      false,
      false,
    ]);

    await until(async () => {
      const { status } = await hub.get(ctx, runHandovers, key('m2'));
      expect(status?.message).toBe('the run was changed after it had been handed over');
    });
    expect((await read('m2')).status?.epoch).toBeUndefined();

    // A command line that is gone: the hub goes on with what it had begun.
    const command = startPolyanthus(
      ['cluster', 'maintain', 'osaka-2', '--name=m3', '--force', '--approve', ...where()],
      {},
      folder,
    );
    started.push(command);
    await until(async () => {
      expect((await read('m3')).status?.phase).toBe('Waiting');
      expect((await hub.list(ctx, runHandovers)).items.map((one) => one.metadata.name)).toContain('m3');
    });
    command.kill('SIGKILL');
    await until(async () => expect((await read('m3')).status?.holder).toMatch(/^hub_/));
    expect((await read('m3')).status?.epoch).toBe(2);
    const approve = startPolyanthus(['runbook', 'approve', 'm3', '--step=handover', ...where().slice(0, 2)]);
    expect(await approve.ended, approve.output()).toBe(0);
    await until(async () => expect((await read('m3')).status?.phase).toBe('Succeeded'));
  },
  3 * waitMs,
);
