/** The hub's own bad days: restarted, killed, its port taken, its folder in use, damaged or of another version. */
import { cp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../../../../lab/src/control-plane.ts';
import { skipped, TestFleet, soonMs, until, whyNot, type Member } from './fixture.ts';
import { figure, type Said } from './processes.ts';
import { ask } from './raw.ts';

describe.skipIf(whyNot !== undefined)(`a hub that is restarted${skipped}`, () => {
  let fleet: TestFleet;
  let members: readonly Member[];
  let kubeconfig: string;

  beforeAll(async () => {
    fleet = await TestFleet.start();
    members = await Promise.all([fleet.join('new', '1.37.2'), fleet.join('old', '1.36.3')]);
    for (const { name } of members)
      await fleet.fleet('bindings', 'create', name, `--membership=${name}`, '--user=polyanthus:admin', '--role=admin');
    kubeconfig = await fleet.kubeconfig({ token: fleet.identity.adminToken }, fleet.memberPath('new'));
    await until(soonMs, async () => (await fleet.kubectl('1.37.2', kubeconfig, ['get', 'configmaps'])).code === 0);
  });
  afterAll(() => fleet?.stop());

  const answers = async (name: string): Promise<boolean> =>
    (await ask(fleet, { token: fleet.identity.adminToken }, `${fleet.memberPath(name)}/version`).catch(() => undefined))
      ?.status === 200;

  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'has its agents back by themselves, and watches go on from where they were (%s)',
    async (signal) => {
      await fleet.kubectl('1.37.2', kubeconfig, ['create', 'configmap', `before-${signal.toLowerCase()}`]);
      const watch = fleet.watchKubectl('1.37.2', kubeconfig, 'get', 'configmaps', '--watch');
      await watch.saying(new RegExp(`before-${signal.toLowerCase()}`));
      const configmaps = `${fleet.memberPath('new')}/api/v1/namespaces/default/configmaps`;
      const admin = { token: fleet.identity.adminToken };
      const seen = JSON.parse((await ask(fleet, admin, configmaps)).body) as { metadata: { resourceVersion: string } };
      await fleet.hub.stop(signal);
      const downSince = performance.now();
      await watch.ended;
      const missed = ['one', 'two', 'three'].map((name) => `${name}-${signal.toLowerCase()}`);
      for (const name of missed) await fleet.admin(members[0], ['create', 'configmap', name]);
      const startMs = await fleet.startHub();
      await Promise.all(members.map(({ name }) => until(soonMs, () => answers(name))));
      figure(
        `hub ended by ${signal}: serves again ${Math.round(startMs)} ms after its start, both members answer ${Math.round(performance.now() - downSince)} ms after its end`,
      );
      const since = `watch=true&timeoutSeconds=1&resourceVersion=${seen.metadata.resourceVersion}`;
      const resumed = await ask(fleet, admin, `${configmaps}?${since}`);
      const events = resumed.body
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => (JSON.parse(line) as { object: { metadata: { name: string } } }).object.metadata.name);
      expect(events).toEqual(missed);
      expect((await fleet.fleet('list')).split('\n').filter((line) => /new|old/.test(line))).toHaveLength(2);
    },
  );

  /** `polyanthus up` that must fail: with a next step, and soon. */
  const mustFail = async (dataDir: string, port: number): Promise<Said> => {
    const said = await fleet.polyanthus(['up', `--data-dir=${dataDir}`, `--listen=127.0.0.1:${port}`], {
      timeoutMs: soonMs,
    });
    figure(
      `up fails with ${said.code} after ${Math.round(said.ms)} ms: ${said.err.replaceAll(fleet.folder, '…').trim().split('\n').slice(-2).join(' | ')}`,
    );
    expect(said).toMatchObject({
      code: 1,
      err: expect.stringMatching(/error: .+\n(?:.*\n)*next: .+ \([A-Z]\w+\)/) as unknown,
    });
    return said;
  };

  it('says that its port is taken, and leaves nothing behind that serves', async () => {
    const said = await mustFail(join(fleet.folder, 'second'), fleet.port);
    expect(said.err).toContain(`127.0.0.1:${fleet.port}`);
    expect(said.err).toContain('taken by another program');
    expect(await answers('new')).toBe(true);
  });

  it('says that its folder is in use', async () => {
    const [port = 0] = await freePorts(1);
    const said = await mustFail(fleet.dataDir, port);
    expect(said.err).toMatch(/in use|another process|owned/i);
    expect(await answers('new')).toBe(true);
  });

  const copyOfData = async (name: string): Promise<string> => {
    const copy = join(fleet.folder, name);
    await cp(fleet.dataDir, copy, { recursive: true, filter: (path) => !path.endsWith('.sock') });
    return copy;
  };

  it('says that its store is damaged or of another version, and serves nothing', async () => {
    await fleet.hub.stop();
    const [port = 0] = await freePorts(1);
    const flipped = await copyOfData('flipped');
    const file = await open(join(flipped, 'store/store.db'), 'r+');
    const { size } = await file.stat();
    for (let at = 4096 * 3 + 2000; at < size; at += 4096)
      await file.write(Buffer.from([0x5a, 0xa5, 0x5a, 0xa5]), 0, 4, at);
    await file.close();
    expect((await mustFail(flipped, port)).err).toContain('store.db');

    const cut = await copyOfData('cut');
    await truncate(join(cut, 'store/store.db'), Math.floor(size / 8192) * 4096);
    expect((await mustFail(cut, port)).err).toContain('store.db');

    const later = await copyOfData('later');
    const database = new DatabaseSync(join(later, 'store/store.db'));
    database.exec('PRAGMA user_version = 99');
    database.close();
    expect((await mustFail(later, port)).err).toContain('99');

    const anonymous = await copyOfData('anonymous');
    await rm(join(anonymous, 'identity.json'));
    expect((await mustFail(anonymous, port)).err).toContain('identity.json');
    const unreadable = await copyOfData('unreadable');
    await writeFile(
      join(unreadable, 'identity.json'),
      (await readFile(join(unreadable, 'identity.json'), 'utf8')).slice(0, 100),
    );
    expect((await mustFail(unreadable, port)).err).toContain('identity.json');
    await fleet.startHub();
    await until(soonMs, () => answers('new'));
  });
});
