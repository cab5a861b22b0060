/** What is large passes every hop untouched: many groups, long lists, big objects, and the member's own refusals. */
import { Agent, request } from 'node:https';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { skipped, TestFleet, soonMs, until, whyNot, type Member, type UserFields } from './fixture.ts';
import { figure } from './processes.ts';
import { ask } from './raw.ts';

const pods = 10_000;
const parallel = 24;

describe.skipIf(whyNot !== undefined)(`large things through a hub${skipped}`, () => {
  let fleet: TestFleet;
  let member: Member;
  const admin = (): UserFields => ({ token: fleet.identity.adminToken });
  const at = (path: string): string => fleet.memberPath('new') + path;
  const json = { 'content-type': 'application/json' };

  beforeAll(async () => {
    fleet = await TestFleet.start();
    const plane = await fleet.plane('1.37.2', {
      extraArgs: ['--disable-admission-plugins=ServiceAccount'],
    });
    member = await fleet.joinPlane('new', plane);
    await fleet.fleet('bindings', 'create', 'admin', '--membership=new', '--user=polyanthus:admin', '--role=admin');
    await until(soonMs, async () => (await ask(fleet, admin(), at('/api/v1/nodes'))).status === 200);
  });
  afterAll(() => fleet?.stop());

  it('600 groups of 12 KB, all of which the member sees', async () => {
    const groups = Array.from(
      { length: 600 },
      (_, index) => `team-${String(index).padStart(4, '0')}-${'x'.repeat(10)}`,
    );
    const user = await fleet.certified('gail', groups);
    await fleet.fleet('bindings', 'create', 'gail', '--membership=new', `--group=${groups[599]}`, '--role=admin');
    await until(soonMs, async () => (await ask(fleet, user, at('/api/v1/nodes'))).status === 200);
    const body = '{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}';
    const answer = await ask(fleet, user, at('/apis/authentication.k8s.io/v1/selfsubjectreviews'), {
      method: 'POST',
      headers: json,
      body,
    });
    expect(answer.status).toBe(201);
    const seen = (JSON.parse(answer.body) as { status: { userInfo: { username: string; groups: string[] } } }).status
      .userInfo;
    expect(seen.username).toBe('gail');
    expect(seen.groups).toEqual([...groups, 'system:authenticated']);
    figure(`${groups.length} groups of ${groups.join('').length} bytes reach the member`);
  });

  it('an object of 1.2 MB, and the member’s own 413 for 5 MB', async () => {
    const value = 'ä'.repeat(10) + 'x'.repeat(1_000_000);
    const annotations = { long: 'y'.repeat(200_000) };
    const big = (name: string, data: string, more: object = {}): string =>
      JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...more }, data: { data } });
    const configmaps = '/api/v1/namespaces/default/configmaps';
    const started = performance.now();
    const made = await ask(fleet, admin(), at(configmaps), {
      method: 'POST',
      headers: json,
      body: big('big', value, { annotations }),
    });
    expect(made.status).toBe(201);
    const read = await ask(fleet, admin(), at(`${configmaps}/big`));
    expect((JSON.parse(read.body) as { data: { data: string } }).data.data).toBe(value);
    figure(
      `an object of ${(read.body.length / 1e6).toFixed(2)} MB written and read through the hub in ${Math.round(performance.now() - started)} ms`,
    );

    const tooBig = big('huge', 'z'.repeat(5_000_000));
    const direct = await directly(member, 'POST', configmaps, tooBig);
    const through = await ask(fleet, admin(), at(configmaps), { method: 'POST', headers: json, body: tooBig });
    expect(direct.status).toBe(413);
    expect({ status: through.status, body: through.body }).toEqual(direct);
    figure(`a body of 5 MB: ${through.status} ${through.body.trim().slice(0, 200)}`);
  });

  it('a list of 10,000 pods, the same bytes as directly', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: parallel, ca: member.plane.caPem });
    const names = Array.from({ length: pods }, (_, index) => `pod-${String(index).padStart(5, '0')}`);
    const started = performance.now();
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let name = names[next++]; name !== undefined; name = names[next++]) {
        const pod = {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name, labels: { app: 'load' } },
          spec: { containers: [{ name: 'main', image: 'example.org/app:1' }] },
        };
        const { status, body } = await directly(
          member,
          'POST',
          '/api/v1/namespaces/default/pods',
          JSON.stringify(pod),
          agent,
        );
        if (status !== 201) throw new Error(`${name}: ${status} ${body}`);
      }
    };
    await Promise.all(Array.from({ length: parallel }, worker));
    const madeMs = performance.now() - started;
    const hashOf = (body: string): string => createHash('sha256').update(body).digest('hex');
    const path = '/api/v1/namespaces/default/pods';
    const timed = async (call: () => Promise<{ readonly status: number; readonly body: string }>) => {
      const from = performance.now();
      const { status, body } = await call();
      return {
        status,
        items: body.split('"kind":"PodList"').length - 1,
        bytes: body.length,
        hash: hashOf(body),
        ms: Math.round(performance.now() - from),
      };
    };
    const { body: first } = await directly(member, 'GET', path, undefined, agent);
    const revision = /"resourceVersion":"(\d+)"/.exec(first)?.[1] ?? '';
    // At one revision: a list of now names the member's latest, and its API server renews Leases of its own.
    const exactly = `${path}?resourceVersion=${revision}&resourceVersionMatch=Exact`;
    const direct = await timed(() => directly(member, 'GET', exactly, undefined, agent));
    const through = await timed(() => ask(fleet, admin(), at(exactly)));
    agent.destroy();
    expect({ ...through, ms: 0 }).toEqual({ ...direct, ms: 0 });
    const kubeconfig = await fleet.kubeconfig(admin(), fleet.memberPath('new'));
    const said = await fleet.kubectl('1.32.13', kubeconfig, ['get', 'pods', '-o', 'name']);
    expect(said.out.trim().split('\n')).toEqual(names.map((name) => `pod/${name}`));
    figure(
      `${pods} pods made in ${(madeMs / 1000).toFixed(1)} s; their list of ${(direct.bytes / 1e6).toFixed(1)} MB: ${direct.ms} ms directly, ${through.ms} ms through the hub; kubectl 1.32 (pages of 500): ${Math.round(said.ms)} ms`,
    );
  });
});

/** A request straight to the member's API server as its administrator. */
function directly(
  member: Member,
  method: string,
  path: string,
  body?: string,
  agent?: Agent,
): Promise<{ readonly status: number; readonly body: string }> {
  const { url, caPem, adminToken } = member.plane;
  const headers = { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const call = request(
      url + path,
      { method, headers, ca: caPem, ...(agent === undefined ? {} : { agent }) },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
      },
    );
    call.on('error', reject);
    call.end(body);
  });
}
