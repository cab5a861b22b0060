/** A member whose agent is away: said at once, with cause and next step, and felt by nobody else. */
import { rm } from 'node:fs/promises';
import { request } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubectls, skipped, TestFleet, soonMs, until, whyNot, type Member } from './fixture.ts';
import { openConnection, openWatch } from './h2.ts';
import { ask } from './raw.ts';
import { figure } from './processes.ts';

describe.skipIf(whyNot !== undefined)(`an agent that is away${skipped}`, () => {
  let fleet: TestFleet;
  let steady: Member;
  let cut: Member;
  let kubeconfig: string;

  beforeAll(async () => {
    fleet = await TestFleet.start();
    [steady, cut] = await Promise.all([fleet.join('steady', '1.37.2'), fleet.join('cut', '1.36.3')]);
    const admin = { token: fleet.identity.adminToken };
    for (const { name } of [steady, cut])
      await fleet.fleet('bindings', 'create', name, `--membership=${name}`, '--user=polyanthus:admin', '--role=admin');
    kubeconfig = await fleet.kubeconfig(admin, fleet.memberPath('cut'));
    for (const { name } of [steady, cut])
      await until(
        soonMs,
        async () => (await ask(fleet, admin, `${fleet.memberPath(name)}/api/v1/nodes`)).status === 200,
      );
  });
  afterAll(() => fleet?.stop());

  it('ends its own watch on a connection that two members share; the other misses nothing', async () => {
    const session = await openConnection(fleet);
    const watchOn = (name: string) =>
      openWatch(
        session,
        fleet.identity.adminToken,
        `${fleet.memberPath(name)}/api/v1/namespaces/default/configmaps?watch=true`,
      );
    const [kept, lost] = [await watchOn('steady'), await watchOn('cut')];
    const names = Array.from({ length: 200 }, (_, index) => `event-${String(index).padStart(3, '0')}`);
    const create = async (name: string): Promise<void> => {
      const answer = await createDirectly(steady, name);
      expect(answer).toBe(201);
    };
    for (const [index, name] of names.entries()) {
      if (index === 100) cut.agent.child.kill('SIGKILL');
      await create(name);
    }
    expect(await lost.ended).toEqual({ code: 2 });
    await until(
      soonMs,
      () => kept.names.filter((name) => name.startsWith('event-')).length === names.length,
      () => `${kept.names.length} seen`,
    );
    expect(kept.names.filter((name) => name.startsWith('event-'))).toEqual(names);
    expect(session.destroyed || session.closed).toBe(false);
    figure(`one connection, tunnel of the other member cut at event 100 of 200: ${names.length} of 200 seen in order`);
    session.close();
  });

  it.each(kubectls)('tells kubectl %s with an empty cache the cause and the next step, at once', async (version) => {
    for (const args of [['get', 'pods'], ['get', 'widgets'], ['apply', '-f', '-'], ['api-resources']]) {
      await rm(`${kubeconfig}.cache-${version}`, { recursive: true, force: true });
      const manifest = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } });
      const said = await fleet.kubectl(version, kubeconfig, args, { stdin: manifest });
      figure(`kubectl ${version} ${args.join(' ')}: exit ${said.code} after ${Math.round(said.ms)} ms`);
      expect({ code: said.code, err: said.err }).toMatchObject({
        code: 1,
        err: expect.stringContaining(
          'default/cut cannot be reached: the agent has no connection to the hub',
        ) as unknown,
      });
      expect(said.err).toContain('Look at the agent');
      // Under 1 s, says the figure; what must not be is a kubectl that tries again for a minute.
      expect(said.ms).toBeLessThan(20_000);
    }
  });

  it('is shown by fleet list, and gone once the agent is back', async () => {
    expect(await until(soonMs, async () => (await fleet.fleet('list', '-o', 'json')).includes('TunnelClosed'))).toBe(
      true,
    );
    const started = performance.now();
    await fleet.restartAgent(cut);
    await until(soonMs, async () => (await fleet.kubectl('1.37.2', kubeconfig, ['get', 'nodes'])).code === 0);
    figure(`agent started again: kubectl works after ${Math.round(performance.now() - started)} ms`);
  });
});

/** Makes a ConfigMap straight at the member's API server; gives the status. */
function createDirectly(member: Member, name: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = request(
      `${member.plane.url}/api/v1/namespaces/default/configmaps`,
      {
        method: 'POST',
        ca: member.plane.caPem,
        headers: { authorization: `Bearer ${member.plane.adminToken}`, 'content-type': 'application/json' },
      },
      (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      },
    );
    call.on('error', reject);
    call.end(JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } }));
  });
}
