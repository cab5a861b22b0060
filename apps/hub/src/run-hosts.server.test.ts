/** Runs on hosts that are handed to the hub: with the keys that were handed over, for whom may read them, and no others. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { handoverGuard } from '@polyanthus/domains-fleet/handover-guard';
import { maintainCommand } from '@polyanthus/domains-lifecycle/commands/maintain';
import { nodeMaintenanceOn } from '@polyanthus/domains-lifecycle/node-maintenance';
import { startMaintainedCluster, type MaintainedCluster } from '@polyanthus/domains-lifecycle/testing';
import { playing } from '@polyanthus/engine-hosts/testing';
import { ensureRunKinds } from '@polyanthus/engine-runbook/kinds';
import { keepSshAccess } from '@polyanthus/engine-runbook/ssh-secret';
import { settled } from '@polyanthus/engine-runbook/testing';
import { background, withCancel } from '@polyanthus/ground-base/context';
import { recordIo } from '@polyanthus/ground-cli-kit/io';
import { parseCommand } from '@polyanthus/ground-cli-kit/parse';
import { createSeededRandom } from '@polyanthus/ground-testing/seeded-random';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import { namespaces, roleBindings, roles, secrets, type PolicyRule } from '@polyanthus/kube-kinds/core';
import { runHandovers, runs, runSteps, type Run } from '@polyanthus/kube-kinds/own/runbook';
import { startTestCluster, type TestCluster } from '@polyanthus/kube-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runExecutor } from './run-executor.ts';
import { openRunHosts, removeLeftKeys, type KeyFolder } from './run-hosts.ts';

const fleet = 'fleet';
const privateKey = '-----BEGIN OPENSSH PRIVATE KEY-----\nnobody may see this\n';
const knownHosts = '10.1.0.1 ssh-ed25519 AAAA\n';
const rbac = 'rbac.authorization.k8s.io';

let member: MaintainedCluster;
let hub: TestCluster;
let admin: KubeClient;
let folder: string;
let place: string;
const seen: (KeyFolder & { readonly modes: readonly number[]; readonly held: readonly string[] })[] = [];
const logged: string[] = [];
let stops: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'px-run-hosts-'));
  place = mkdtempSync(join(folder, 'place-'));
  seen.length = logged.length = 0;
  stops = [];
  member = await startMaintainedCluster({ nodes: ['n1', 'n2'], replicas: 4, minAvailable: 2 });
  const { clock } = member.world;
  hub = await startTestCluster({ clock, random: createSeededRandom(9), referenceGuards: [handoverGuard] });
  admin = createClient(hub.transport);
  await settled(clock, ensureRunKinds(hub.ctx, admin, fleet));
  await grant('ute');
  await grant('uwe', ['own', 'token']);
});

afterEach(async () => {
  // One after the other: each lets the clock run.
  for (const stop of stops) await stop();
  await hub.close();
  await member.close();
  rmSync(folder, { recursive: true, force: true });
});

/** May make runs, hand them over on the member `m`, and make Secrets, of which it may read these; absent: all. */
async function grant(user: string, readable?: readonly string[]): Promise<void> {
  const rules: PolicyRule[] = [
    { verbs: ['*'], apiGroups: ['runbook.polyanthus.dev'], resources: ['runs', 'runsteps', 'runhandovers'] },
    {
      verbs: ['handover'],
      apiGroups: ['fleet.polyanthus.dev'],
      resources: ['memberships'],
      resourceNames: ['m'],
    },
    { verbs: ['create', 'update'], apiGroups: [''], resources: ['secrets'] },
    {
      verbs: ['get'],
      apiGroups: [''],
      resources: ['secrets'],
      ...(readable === undefined ? {} : { resourceNames: readable }),
    },
  ];
  const metadata = { namespace: fleet, name: user };
  await admin.create(hub.ctx, roles, { apiVersion: `${rbac}/v1`, kind: 'Role', metadata, rules });
  await admin.create(hub.ctx, roleBindings, {
    apiVersion: `${rbac}/v1`,
    kind: 'RoleBinding',
    metadata,
    roleRef: { apiGroup: rbac, kind: 'Role', name: user },
    subjects: [{ kind: 'User', apiGroup: rbac, name: user }],
  });
}

const clientAs = (username: string): KubeClient =>
  createClient(hub.transportAs({ username, groups: ['system:authenticated'] }));

/** `polyanthus cluster maintain n1 --detach ARGS` by that user; answers what it says. */
async function maintain(name: string, argv: readonly string[], user = 'ute', membership = 'm'): Promise<string> {
  const setup = {
    runbooks: [nodeMaintenanceOn(() => never())],
    options: [],
    open: () =>
      Promise.resolve({
        runsClient: clientAs(user),
        namespace: fleet,
        membership,
        again: '',
        hub: true,
        clusterClient: () => Promise.resolve(member.world.client),
        prepare: () => Promise.resolve(),
      }),
  } as Parameters<typeof maintainCommand>[0];
  const command = maintainCommand(setup);
  const parsed = parseCommand(
    ['polyanthus', 'cluster', 'maintain'],
    command,
    ['n1', `--name=${name}`, '--detach', ...argv],
    {},
  );
  if (parsed.kind !== 'run') throw new Error('help');
  const io = recordIo();
  await settled(member.world.clock, command.run(hub.ctx, parsed.input, { io, env: {} }));
  return io.stderr();
}
const never = (): never => {
  throw new Error('the command line reaches no host here');
};

const work = `--run=${playing({ mark: 'patch', seconds: 20 })}`;

function withFiles(): readonly string[] {
  const [key, hosts] = [join(folder, 'id'), join(folder, 'hosts')];
  writeFileSync(key, privateKey, { mode: 0o600 });
  writeFileSync(hosts, knownHosts);
  return [work, `--ssh-key=${key}`, `--known-hosts=${hosts}`];
}

async function secret(name: string, type = 'kubernetes.io/ssh-auth', namespace = fleet): Promise<void> {
  const data = { 'ssh-privatekey': btoa(privateKey), known_hosts: btoa(knownHosts) };
  await admin.create(hub.ctx, secrets, { apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name }, type, data });
}

/** The hub's executor, whose ssh reaches the simulated machines and notes the files that it is given. */
function startExecutor(identity = 'hub_1'): () => Promise<unknown> {
  const sink = (message: string, fields?: unknown): void => void logged.push(`${message} ${JSON.stringify(fields)}`);
  const log = { ...hub.ctx.log, debug: sink, info: sink, warn: sink, error: sink };
  const { ctx, cancel } = withCancel(background({ clock: member.world.clock, log }));
  const running = runExecutor(ctx, {
    hubClient: admin,
    memberClient: () => Promise.resolve(member.world.client),
    runbooks: (open) => [nodeMaintenanceOn(open)],
    hosts: (inner, read) =>
      openRunHosts(inner, {
        read,
        place,
        openWith:
          (keys) =>
          ({ address }) => {
            const files = [keys.keyFile, keys.knownHostsFile];
            const modes = [keys.path, ...files].map((file) => statSync(file).mode & 0o777);
            seen.push({ ...keys, modes, held: files.map((file) => readFileSync(file, 'utf8')) });
            return member.machine(address === '10.1.0.1' ? 'n1' : 'n2');
          },
      }),
    identity,
    random: createSeededRandom(4),
  });
  const stop = (): Promise<unknown> => {
    cancel();
    return settled(member.world.clock, running);
  };
  stops.push(stop);
  return stop;
}

const read = (name: string): Promise<Run> => admin.get(hub.ctx, runs, { namespace: fleet, name });
const until = (what: string, condition: () => Promise<boolean>): Promise<void> =>
  member.world.clock.until(condition, what);
const ended = (name: string): Promise<void> =>
  until(`the end of ${name}`, async () => /Succeeded|Failed/.test((await read(name)).status?.phase ?? ''));
const said = async (name: string, text: string): Promise<void> => {
  const message = async (): Promise<string> =>
    (await admin.get(hub.ctx, runHandovers, { namespace: fleet, name })).status?.message ?? '';
  await until(text, async () => (await message()).includes(text));
  expect((await read(name)).status?.epoch).toBeUndefined();
  expect(member.machine('n1').ran).toEqual([]);
  expect(seen).toEqual([]);
};

describe('a run on hosts', () => {
  it('is carried out by the hub with the key of its command line, which is nowhere but in the Secret', async () => {
    expect(await maintain('r1', withFiles())).toContain('the hub carries it out');
    startExecutor();
    await ended('r1');
    const run = await read('r1');
    expect(run.status?.message ?? '').toBe('');
    expect(run.status?.phase).toBe('Succeeded');
    expect(member.machine('n1').ran).toEqual(['patch']);
    expect(seen).toMatchObject([{ modes: [0o700, 0o600, 0o600], held: [privateKey, knownHosts] }]);
    await until('the files to be gone', () => Promise.resolve(readdirSync(place).length === 0));
    const { items } = await admin.list(hub.ctx, secrets, { namespace: fleet });
    expect(items.map(({ type, metadata }) => ({ type, owners: metadata.ownerReferences }))).toEqual([
      { type: 'kubernetes.io/ssh-auth', owners: [expect.objectContaining({ kind: 'Run', uid: run.metadata.uid })] },
    ]);
    const steps = await admin.list(hub.ctx, runSteps, { namespace: fleet });
    const handovers = await admin.list(hub.ctx, runHandovers, { namespace: fleet });
    const told = JSON.stringify([run, steps, handovers, logged]);
    for (const secretly of ['nobody may see', btoa(privateKey).slice(10, 40), 'ssh-ed25519'])
      expect(told).not.toContain(secretly);
  });

  it('is gone on with by the next hub, when one ends in mid-command', async () => {
    await secret('own');
    expect(await maintain('r1', [work, '--ssh-secret=own'])).toContain('the hub carries it out');
    const stop = startExecutor();
    await until('the command', () => Promise.resolve(member.machine('n1').ran.length > 0));
    await stop();
    expect(readdirSync(place)).toEqual([]);
    startExecutor('hub_2');
    await ended('r1');
    expect((await read('r1')).status).toMatchObject({ phase: 'Succeeded', holder: 'hub_2' });
    expect(member.machine('n1').ran).toEqual(['patch']);
  });

  it('is red before anything is changed when the hub does not reach the host, and says from where', async () => {
    await maintain('r1', withFiles());
    member.machine('n1').trouble = 'unreachable';
    startExecutor();
    await ended('r1');
    expect((await read('r1')).status?.message).toMatch(
      /reach\/n1.*from the hub, which reaches hosts from where it runs/,
    );
    expect(await member.cordoned()).toEqual([]);
  });

  it('ends where it is when its handover is taken back', async () => {
    await maintain('r1', withFiles());
    startExecutor();
    await until('the command', () => Promise.resolve(member.machine('n1').ran.length > 0));
    await admin.delete(hub.ctx, runHandovers, { namespace: fleet, name: 'r1' });
    await until('the files to be gone', () => Promise.resolve(readdirSync(place).length === 0));
    expect((await read('r1')).status?.phase).toBe('Running');
  });
});

describe('nobody has the hub use a key that is not theirs', () => {
  it('by naming a Secret that they may not read, or a member that is not theirs', async () => {
    await secret('foreign');
    expect(await maintain('r1', [work, '--ssh-secret=foreign'], 'uwe')).toMatch(
      /nobody carries it out yet.*cannot get resource/,
    );
    // Without the command line, which has to read it: the API refuses as well, and it takes what the Secret holds to be believed.
    const run = await read('r1');
    const spec = {
      run: run.metadata.uid ?? '',
      digest: 'd',
      membership: 'm',
      sshSecret: 'foreign',
      sshSecretDigest: 'd',
    };
    const handover = {
      apiVersion: 'runbook.polyanthus.dev/v1',
      kind: 'RunHandover',
      metadata: { namespace: fleet, name: 'r1' },
      spec,
    };
    await expect(clientAs('uwe').create(hub.ctx, runHandovers, handover)).rejects.toMatchObject({
      code: 'Forbidden',
      message: expect.stringContaining('spec.sshSecret') as string,
    });
    expect(await maintain('r3', withFiles(), 'uwe')).toMatch(/nobody carries it out yet.*cannot get resource/);
    expect(await maintain('r2', withFiles(), 'ute', 'other')).toMatch(/nobody carries it out yet.*handover.*"other"/);
    const { items } = await admin.list(hub.ctx, secrets, { namespace: fleet });
    expect(items.map(({ metadata }) => metadata.name)).toEqual(['foreign']);
  });

  it('by a Secret of another fleet, or one of another kind', async () => {
    await admin.create(hub.ctx, namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'others' } });
    await secret('own', 'kubernetes.io/ssh-auth', 'others');
    expect(await maintain('r1', [work, '--ssh-secret=own'])).toMatch(/nobody carries it out yet.*"own" not found/);
    await secret('token', 'Opaque');
    expect(await maintain('r2', [work, '--ssh-secret=token'])).toContain('it is not of type kubernetes.io/ssh-auth');
  });

  it('by changing the Secret after the handover', async () => {
    await maintain('r1', withFiles());
    const other = { privateKey: Buffer.from(privateKey), knownHosts: Buffer.from('10.1.0.1 ssh-ed25519 BBBB\n') };
    await keepSshAccess(hub.ctx, admin, await read('r1'), other);
    startExecutor();
    await said('r1', 'does not hold what it held when the run was handed over');
  });

  it('by deleting it, and making another of its name', async () => {
    await secret('own');
    await maintain('r1', [work, '--ssh-secret=own']);
    await admin.delete(hub.ctx, secrets, { namespace: fleet, name: 'own' });
    startExecutor();
    await said('r1', 'is not there');
    await secret('own', 'Opaque');
    await said('r1', 'it is not of type kubernetes.io/ssh-auth');
  });

  it('by changing the run, or the member, after the handover', async () => {
    await maintain('r1', withFiles());
    const run = await read('r1');
    await admin.update(hub.ctx, runs, {
      ...run,
      spec: { ...run.spec, parameters: { ...run.spec.parameters, run: playing({ mark: 'evil' }) } },
    });
    startExecutor();
    await said('r1', 'the run was changed after it had been handed over');
    const live = await admin.get(hub.ctx, runHandovers, { namespace: fleet, name: 'r1' });
    await admin.update(hub.ctx, runs, { ...(await read('r1')), spec: run.spec });
    await admin.update(hub.ctx, runHandovers, { ...live, spec: { ...live.spec, membership: 'other' } });
    await said('r1', 'the handover names another member than the run');
  });

  it('by files of the hub', async () => {
    await secret('own');
    const ofTheHub = join(folder, 'of-the-hub');
    writeFileSync(ofTheHub, 'another key');
    await maintain('r1', [work, '--ssh-secret=own', `--ssh-key=${ofTheHub}`, `--known-hosts=${ofTheHub}`]);
    startExecutor();
    await ended('r1');
    expect(seen.map(({ held }) => held)).toEqual([[privateKey, knownHosts]]);
    expect(seen[0]?.keyFile.startsWith(place)).toBe(true);
  });
});

it('removes the keys that killed hubs left, and those of no other', () => {
  const of = (pid: number): string => mkdtempSync(join(place, `px-hub-ssh-${pid}-`));
  const [mine, dead, living, foreign] = [of(10), of(11), of(12), mkdtempSync(join(place, 'other-'))];
  removeLeftKeys(place, 10, (pid) => pid !== 11);
  expect([mine, dead, living, foreign].map((one) => existsSync(one ?? ''))).toEqual([false, false, true, true]);
});
