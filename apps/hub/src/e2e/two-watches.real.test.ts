/** One client-go process that watches two members through the hub, over the one HTTP/2 connection that it makes of both. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { binary, whyNotReal } from '../../../../lab/src/parts.ts';
import { skipped, TestFleet, soonMs, until, whyNot, type Member } from './fixture.ts';
import { figure, start, type Running } from './processes.ts';
import { ask } from './raw.ts';

const why = whyNot ?? whyNotReal(['watchers', '2']);

interface Line {
  readonly context: string;
  readonly kind: string;
  readonly name?: string;
}

describe.skipIf(why !== undefined)(`a Go client with watches on two members${skipped}`, () => {
  let fleet: TestFleet;
  let steady: Member;
  let cut: Member;
  let client: Running | undefined;

  beforeAll(async () => {
    fleet = await TestFleet.start();
    [steady, cut] = await Promise.all([fleet.join('steady', '1.37.2'), fleet.join('cut', '1.36.3')]);
    const admin = { token: fleet.identity.adminToken };
    for (const { name } of [steady, cut]) {
      await fleet.fleet('bindings', 'create', name, `--membership=${name}`, '--user=polyanthus:admin', '--role=admin');
      await until(
        soonMs,
        async () => (await ask(fleet, admin, `${fleet.memberPath(name)}/api/v1/nodes`)).status === 200,
      );
    }
  });
  afterAll(async () => {
    await client?.stop('SIGKILL');
    await fleet?.stop();
  });

  it('misses nothing of either when one tunnel is cut and comes back', async () => {
    const file = join(fleet.folder, 'two-members');
    await writeFile(file, JSON.stringify(twoContexts(fleet)), { mode: 0o600 });
    client = start(binary('watchers', '2') ?? '', [file, 'default', 'steady', 'cut']);
    const lines = (): readonly Line[] =>
      (client?.said() ?? '')
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as Line);
    const seen = (context: string, kind: string): readonly string[] =>
      lines()
        .filter((line) => line.context === context && line.kind === kind)
        .map((line) => line.name ?? '');
    const added = (context: string): readonly string[] =>
      seen(context, 'ADDED').filter((name) => name.startsWith('event-'));
    await until(soonMs, () => seen('steady', 'listed').length + seen('cut', 'listed').length === 2);
    const names = Array.from({ length: 60 }, (_, index) => `event-${String(index).padStart(2, '0')}`);
    for (const [index, name] of names.entries()) {
      if (index === 20) cut.agent.child.kill('SIGKILL');
      if (index === 40) await fleet.restartAgent(cut);
      for (const member of [steady, cut]) await fleet.admin(member, ['create', 'configmap', name]);
    }
    for (const context of ['steady', 'cut'])
      await until(
        soonMs,
        () => added(context).length === names.length,
        () => `${context}: ${added(context).length} seen`,
      );
    expect(added('steady')).toEqual(names);
    expect(added('cut')).toEqual(names);
    expect(seen('steady', 'ended')).toEqual([]);
    expect([...seen('steady', 'failed'), ...seen('steady', 'broken')]).toEqual([]);
    expect(seen('cut', 'ended').length).toBeGreaterThan(0);
    figure(
      `client-go: ${names.length} of ${names.length} events on both members, the watch of the steady one never ended`,
    );
  }, 90_000);
});

/** Both members behind the hub's one address, as one user. */
function twoContexts(fleet: TestFleet): object {
  const names = ['steady', 'cut'];
  const ca = Buffer.from(fleet.hubCaPem).toString('base64');
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: names.map((name) => ({
      name,
      cluster: { server: `${fleet.url}${fleet.memberPath(name)}`, 'certificate-authority-data': ca },
    })),
    users: [{ name: 'u', user: { token: fleet.identity.adminToken } }],
    contexts: names.map((name) => ({ name, context: { cluster: name, user: 'u' } })),
  };
}
