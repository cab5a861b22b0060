/** Who tries to be somebody else, or to go where nobody may: each with its status and its line in the audit log. */
import { createHash, randomUUID } from 'node:crypto';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GatewayAudit } from '@polyanthus/engine-gateway/audit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AttackTable } from './attack-table.ts';
import { skipped, soonMs, TestFleet, until, whyNot, withArgs, type Member, type UserFields } from './fixture.ts';
import { startIssuer, type Issuer } from './oidc-issuer.ts';
import { refusedAttempts } from './refused-attempts.ts';
import { ask, authorization, sendBytes, type Answer } from './raw.ts';

const evidence = join(import.meta.dirname, '../../../../evidence/attack-table.md');

describe.skipIf(whyNot !== undefined)(`attacks${skipped}`, () => {
  let fleet: TestFleet;
  let issuer: Issuer;
  let issuerFolder = '';
  let member: Member;
  let other: Member;
  let editor: UserFields;
  let viewer: UserFields;
  let nobody: UserFields;
  const table = new AttackTable();

  beforeAll(async () => {
    issuerFolder = await mkdtemp(join(tmpdir(), 'polyanthus-issuer-'));
    const caFile = join(issuerFolder, 'ca.pem');
    issuer = await startIssuer(caFile);
    fleet = await TestFleet.start([
      `--oidc-issuer-url=${issuer.url}`,
      '--oidc-client-id=polyanthus',
      `--oidc-ca-file=${caFile}`,
      '--oidc-username-prefix=-',
    ]);
    [member, other] = await Promise.all([fleet.join('new', '1.37.2'), fleet.join('old', '1.36.3')]);
    [editor, viewer, nobody] = await Promise.all([
      fleet.userByCsr('eve'),
      fleet.userByCsr('vic'),
      fleet.userByCsr('nan'),
    ]);
    await fleet.fleet('bindings', 'create', 'eve', '--membership=new', '--user=eve', '--role=edit');
    await fleet.fleet('bindings', 'create', 'vic', '--membership=new', '--user=vic', '--role=view');
    await until(
      soonMs,
      async () => (await ask(fleet, editor, at('/api/v1/namespaces/default/configmaps'))).status === 200,
    );
    await until(
      soonMs,
      async () => (await ask(fleet, viewer, at('/api/v1/namespaces/default/configmaps'))).status === 200,
    );
  });
  afterAll(async () => {
    await fleet?.stop();
    await issuer?.stop();
    await rm(issuerFolder, { recursive: true, force: true });
    await table.write(evidence);
  });

  const at = (path: string): string => fleet.memberPath('new') + path;
  const configmaps = '/api/v1/namespaces/default/configmaps';

  /** The attack's own line, found by its user agent, or by what the line says. */
  const lineOf = (matches: (line: GatewayAudit) => boolean): Promise<GatewayAudit> =>
    until(
      soonMs,
      async () => (await fleet.audit()).findLast(matches),
      () => 'no such audit line',
    );
  const note = table.note.bind(table);
  const agentOf = (): string => `attack-${randomUUID()}`;

  it.each(Object.keys(refusedAttempts))('%s', async (attack) => {
    const attempt = refusedAttempts[attack];
    if (attempt === undefined) throw new Error('unreachable');
    const agent = agentOf();
    const before = (await fleet.audit()).length;
    const answer = await ask(fleet, await attempt.user({ fleet, member, issuer, editor, nobody }), at(configmaps), {
      headers: { ...attempt.headers, 'user-agent': agent },
    });
    expect({ status: answer.status, body: answer.body }).toMatchObject({
      status: attempt.status,
      body: expect.stringMatching(attempt.says ?? /./) as unknown,
    });
    const line =
      attempt.status === 431
        ? await until(soonMs, async () => (await fleet.audit()).slice(before).find((one) => one.status === 431))
        : await lineOf((one) => one.userAgent === agent);
    expect(line).toMatchObject({ ...attempt.audit, status: attempt.status });
    note(attack, answer.status, answer.body, line);
  });

  it('X-Remote-* are dropped, at the hub and on the way to a member', async () => {
    for (const [where, path] of [
      ['member', at('/apis/authentication.k8s.io/v1/selfsubjectreviews')],
      ['hub', '/apis/authentication.k8s.io/v1/selfsubjectreviews'],
    ] as const) {
      const agent = agentOf();
      const headers = {
        'content-type': 'application/json',
        'X-Remote-User': 'root',
        'X-Remote-Group': 'system:masters',
        'user-agent': agent,
      };
      const answer = await ask(fleet, editor, path, {
        method: 'POST',
        headers,
        body: '{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}',
      });
      expect(answer.status).toBe(201);
      const { userInfo } = (JSON.parse(answer.body) as { status: { userInfo: { username: string; groups: string[] } } })
        .status;
      expect(userInfo).toMatchObject({ username: 'eve', groups: ['system:authenticated'] });
      const line = await lineOf((one) => one.userAgent === agent);
      expect(line).toMatchObject({ user: 'eve', allowed: true, status: 201 });
      note(
        `X-Remote-User: root and X-Remote-Group: system:masters (${where})`,
        201,
        'whoami says eve, system:authenticated',
        line,
      );
    }
  });

  it("a hub's ServiceAccount with a name of a member's is somebody else there", async () => {
    await fleet.admin(member, ['create', 'serviceaccount', 'robot', '-n', 'default']);
    await fleet.admin(member, [
      'create',
      'clusterrolebinding',
      'robot',
      '--clusterrole=cluster-admin',
      '--serviceaccount=default:robot',
    ]);
    const robot = await fleet.userByServiceAccount('default', 'robot');
    await fleet.fleet(
      'bindings',
      'create',
      'robot',
      '--membership=new',
      '--user=system:serviceaccount:default:robot',
      '--role=view',
    );
    const kubeconfig = await fleet.kubeconfig(robot, fleet.memberPath('new'));
    await until(soonMs, async () => (await fleet.kubectl('1.37.2', kubeconfig, ['get', 'configmaps'])).code === 0);
    const who = await fleet.kubectl('1.37.2', kubeconfig, ['auth', 'whoami', '-o', 'json']);
    expect(JSON.parse(who.out)).toMatchObject({
      status: { userInfo: { username: 'hub:serviceaccount:default:robot' } },
    });
    const agent = agentOf();
    const secrets = await ask(fleet, robot, at('/api/v1/secrets'), { headers: { 'user-agent': agent } });
    expect(secrets.status).toBe(403);
    expect(secrets.body).toContain('hub:serviceaccount:default:robot');
    const line = await lineOf((one) => one.userAgent === agent);
    expect(line).toMatchObject({ user: 'system:serviceaccount:default:robot', status: 403 });
    note("a hub ServiceAccount named like the member's cluster-admin", 403, secrets.body, line);
  });

  it('a viewer opens no exec by either protocol', async () => {
    const exec = `${at('/api/v1/namespaces/default/pods/web/exec')}?command=id&stdout=true`;
    const upgrades = {
      WebSocket: {
        method: 'GET',
        headers:
          'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n',
      },
      SPDY: {
        method: 'POST',
        headers:
          'Upgrade: SPDY/3.1\r\nConnection: Upgrade\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\nContent-Length: 0\r\n',
      },
    };
    for (const [name, { method, headers }] of Object.entries(upgrades)) {
      const agent = agentOf();
      const [answer] = await sendBytes(
        fleet,
        viewer,
        `${method} ${exec} HTTP/1.1\r\nHost: hub\r\nUser-Agent: ${agent}\r\n${headers}\r\n`,
      );
      expect(answer).toMatchObject({ status: 403, body: expect.stringContaining('memberships/stream') as unknown });
      const line = await lineOf((one) => one.userAgent === agent);
      expect(line).toMatchObject({ user: 'vic', allowed: false, status: 403 });
      note(`a viewer's exec by ${name}`, 403, answer?.body ?? '', line);
    }
    const agent = agentOf();
    const plain = await ask(fleet, viewer, exec, { headers: { 'user-agent': agent } });
    expect(plain.status).toBe(403);
    note("a viewer's exec without an upgrade", 403, plain.body, await lineOf((one) => one.userAgent === agent));
  });

  it.each([
    '/api/v1/../../version',
    '/api//v1/nodes',
    '/api/%2e%2e/version',
    '/api/v1/namespaces/default%2fconfigmaps',
    '/api/v1/namespaces/default%5cconfigmaps',
    '/%61pi/v1/nodes',
    '/api/v1/nodes%00',
    '/./api',
    '/api/v1/nodes/%',
  ])('the path %s is refused', async (path) => {
    const agent = agentOf();
    const [answer] = await sendBytes(
      fleet,
      editor,
      `GET ${at(path)} HTTP/1.1\r\nHost: hub\r\nUser-Agent: ${agent}\r\nConnection: close\r\n\r\n`,
    );
    expect(answer?.status).toBe(400);
    const line = await lineOf((one) => one.userAgent === agent);
    expect(line).toMatchObject({ allowed: false, status: 400 });
    note(`path \`…/memberships/new${path}\``, 400, answer?.body ?? '', line);
  });

  it('paths that leave the membership, or name it otherwise, reach no member', async () => {
    for (const path of [
      '/v1/projects/default/locations/global/memberships/new;x/api',
      '/v1/projects/default/locations/global/memberships/../memberships/new/api',
      '/v1/projects//locations/global/memberships/new/api',
      '/v1/projects/default/locations/global/memberships/n%65w/api',
      '/V1/projects/default/locations/global/memberships/new/api',
      '//v1/projects/default/locations/global/memberships/new/api',
    ]) {
      const agent = agentOf();
      const [answer] = await sendBytes(
        fleet,
        editor,
        `GET ${path} HTTP/1.1\r\nHost: hub\r\nUser-Agent: ${agent}\r\nConnection: close\r\n\r\n`,
      );
      expect({ path, status: answer?.status }).toEqual({
        path,
        status: path.startsWith('/v1/') ? 400 : (expect.toBeOneOf([400, 403, 404]) as unknown),
      });
      const line = await lineOf((one) => one.userAgent === agent);
      expect(line.membership).toBeUndefined();
      note(`path \`${path}\``, answer?.status ?? 0, answer?.body ?? '', line);
    }
  });

  it('`;` in a path is the member’s to read, and is judged as one name', async () => {
    const agent = agentOf();
    const answer = await ask(fleet, viewer, at('/api/v1/namespaces/default/pods/web/exec;x'), {
      headers: { 'user-agent': agent },
    });
    expect(answer).toMatchObject({ status: 403, body: expect.stringContaining('pods/exec;x') as unknown });
    note('path `…/pods/web/exec;x`', 403, answer.body, await lineOf((one) => one.userAgent === agent));
  });

  it.each([
    [
      'Content-Length and Transfer-Encoding',
      'Content-Length: 6\r\nTransfer-Encoding: chunked\r\n',
      '0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: hub\r\n\r\n',
    ],
    [
      'two Content-Lengths',
      'Content-Length: 0\r\nContent-Length: 40\r\n',
      'GET /smuggled HTTP/1.1\r\nHost: hub\r\n\r\n',
    ],
    [
      'Transfer-Encoding that is not chunked at the end',
      'Transfer-Encoding: chunked, identity\r\n',
      '0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: hub\r\n\r\n',
    ],
    ['a space before the colon', 'Content-Length : 40\r\n', 'GET /smuggled HTTP/1.1\r\nHost: hub\r\n\r\n'],
    [
      'a folded header',
      'X-A: 1\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n',
      '0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: hub\r\n\r\n',
    ],
  ])('smuggling by %s', async (how, headers, rest) => {
    const before = (await fleet.audit()).length;
    const answers = await sendBytes(
      fleet,
      editor,
      `POST ${at(configmaps)} HTTP/1.1\r\nHost: hub\r\n${authorization(editor)}${headers}\r\n${rest}`,
    );
    expect(answers.map((one) => one.status)).toEqual([400]);
    const lines = await until(soonMs, async () => {
      const found = (await fleet.audit()).slice(before);
      return found.length > 0 && found;
    });
    expect(lines.filter((line) => line.uri.includes('smuggled'))).toEqual([]);
    expect(lines.at(-1)).toMatchObject({ allowed: false, status: 400 });
    note(`smuggling by ${how}`, 400, answers[0]?.body ?? '', lines.at(-1) as GatewayAudit);
  });

  it('header fields above what Node reads are no request at all', async () => {
    const before = (await fleet.audit()).length;
    const fields = Array.from({ length: 30 }, (_, index) => `X-${index}: ${'a'.repeat(10_000)}\r\n`).join('');
    const answers = await sendBytes(fleet, editor, `GET ${at('/api')} HTTP/1.1\r\nHost: hub\r\n${fields}\r\n`);
    expect(answers.map((one) => one.status)).toEqual([431]);
    const line = await until(soonMs, async () => (await fleet.audit()).slice(before).find((one) => one.status === 431));
    note('header fields of 300 KB', 431, answers[0]?.body ?? '', line);
  });

  it('h2c is not switched to', async () => {
    const agent = agentOf();
    const answers = await sendBytes(
      fleet,
      editor,
      `GET ${at('/api')} HTTP/1.1\r\nHost: hub\r\nUser-Agent: ${agent}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n`,
    );
    expect(answers.map((one) => one.status)).toEqual([400]);
    const line = await lineOf((one) => one.userAgent === agent);
    expect(line).toMatchObject({ allowed: false, status: 400 });
    note('upgrade to h2c', 400, answers[0]?.body ?? '', line);
  });

  it('names of memberships cannot be tried out', async () => {
    const probe = async (name: string): Promise<Answer> => {
      const agent = agentOf();
      const answer = await ask(
        fleet,
        nobody,
        `/v1/projects/default/locations/global/memberships/${name}/api/v1/nodes`,
        { headers: { 'user-agent': agent } },
      );
      const line = await lineOf((one) => one.userAgent === agent);
      expect(line).toMatchObject({ user: 'nan', allowed: false, status: 403 });
      note(`membership name \`${name}\` by one without rights`, answer.status, answer.body, line);
      return answer;
    };
    const [there, absent] = [await probe('new'), await probe('nix')];
    expect(there.body.replaceAll('new', 'nix')).toBe(absent.body);
    expect(there.status).toBe(403);
  });

  it("an agent cannot claim another cluster's tunnel", async () => {
    const state = join(fleet.folder, 'stolen');
    await cp(member.stateDir, state, { recursive: true });
    const liar = fleet.begin(...withArgs(other.agentArgs, { '--state-dir': state }));
    const line = await lineOf((one) => one.verb === 'tunnel' && one.reason.includes('another membership'));
    await liar.stop();
    expect(line).toMatchObject({ allowed: false, status: 101 });
    note("an agent with one cluster's key claims another's tunnel", 'refused in the first words', line.reason, line);
    expect(
      (await ask(fleet, { token: fleet.identity.adminToken }, `${fleet.memberPath('old')}/version`)).body,
    ).toContain('v1.36.3');
  });

  it("an agent's certificate opens no member and none of the hub's other objects", async () => {
    const state = JSON.parse(await readFile(join(member.stateDir, 'identity.json'), 'utf8')) as {
      certificatePem: string;
      keys: { privateKeyPem: string };
    };
    const agentUser: UserFields = {
      'client-certificate-data': Buffer.from(state.certificatePem).toString('base64'),
      'client-key-data': Buffer.from(state.keys.privateKeyPem).toString('base64'),
    };
    for (const [what, path] of [
      ['its own member', at('/api/v1/nodes')],
      ["the hub's Secrets", '/api/v1/secrets'],
      ["another member's manifest", '/apis/fleet.polyanthus.dev/v1/namespaces/default/membershipmanifests/old'],
    ] as const) {
      const agent = agentOf();
      const answer = await ask(fleet, agentUser, path, { headers: { 'user-agent': agent } });
      expect({ what, status: answer.status }).toEqual({ what, status: 403 });
      note(`an agent's certificate for ${what}`, 403, answer.body, await lineOf((one) => one.userAgent === agent));
    }
  });

  it('an enrolment token that has expired is good for nothing', async () => {
    const tokenFile = join(fleet.folder, 'expired.token');
    const again = ['--agent=external', `--token-output-file=${tokenFile}`, `--kubeconfig=${other.plane.kubeconfig}`];
    await fleet.fleet('register', 'old', ...again);
    const hash = createHash('sha256')
      .update((await readFile(tokenFile, 'utf8')).trim())
      .digest('hex');
    const expiresAt = Buffer.from(new Date(Date.now() - 1000).toISOString()).toString('base64');
    const change = ['--type=merge', '-p', JSON.stringify({ data: { expiresAt } })];
    await fleet.admin(undefined, ['patch', 'secret', `enrolment-${hash.slice(0, 40)}`, '-n', 'default', ...change]);
    const before = (await fleet.audit()).length;
    const changed = { '--state-dir': join(fleet.folder, 'late'), '--token-file': tokenFile };
    const late = await fleet.polyanthus(withArgs(other.agentArgs, changed), { timeoutMs: soonMs });
    expect(late).toMatchObject({ code: 1, err: expect.stringContaining('next: ') as unknown });
    const line = await until(soonMs, async () =>
      (await fleet.audit()).slice(before).find((one) => one.verb === 'enrol'),
    );
    expect(line).toMatchObject({
      allowed: false,
      status: 403,
      reason: expect.stringContaining('the token is unknown, has expired or was used by another agent') as unknown,
    });
    note('an expired enrolment token', 403, late.err, line);
  });

  it('an enrolment token is good once', async () => {
    const replayed = withArgs(other.agentArgs, { '--state-dir': join(fleet.folder, 'replayed') });
    const replay = await fleet.polyanthus(replayed, { timeoutMs: soonMs });
    expect(replay).toMatchObject({ code: 1, err: expect.stringContaining('next: ') as unknown });
    const line = await lineOf((one) => one.verb === 'enrol' && !one.allowed);
    expect(line).toMatchObject({
      status: 403,
      reason: expect.stringContaining('the token is unknown, has expired or was used by another agent') as unknown,
    });
    note('a replayed enrolment token', 403, replay.err, line);
  });

  it('the hub works for nobody on a member that is not theirs, nor with a key that they may not read', async () => {
    await fleet.fleet('bindings', 'create', 'max', '--membership=new', '--user=max', '--role=admin');
    const max = await fleet.userByCsr('max');
    const rule = ['--resource=runs.runbook.polyanthus.dev,runhandovers.runbook.polyanthus.dev', '-n', 'default'];
    await fleet.admin(undefined, ['create', 'role', 'runs', '--verb=create,get,update', ...rule]);
    await fleet.admin(undefined, ['create', 'rolebinding', 'runs', '--role=runs', '--user=max', '-n', 'default']);
    const literals = ['--from-literal=ssh-privatekey=k', '--from-literal=known_hosts=h'];
    const type = '--type=kubernetes.io/ssh-auth';
    await fleet.admin(undefined, ['create', 'secret', 'generic', 'hosts', '-n', 'default', type, ...literals]);
    const path = '/apis/runbook.polyanthus.dev/v1/namespaces/default/runhandovers';
    const handOver = async (name: string, spec: object, method = 'POST', resourceVersion?: string) => {
      const agent = agentOf();
      const metadata = { name, ...(resourceVersion === undefined ? {} : { resourceVersion }) };
      const body = { apiVersion: 'runbook.polyanthus.dev/v1', kind: 'RunHandover', metadata };
      const answer = await ask(fleet, max, method === 'POST' ? path : `${path}/${name}`, {
        method,
        headers: { 'content-type': 'application/json', 'user-agent': agent },
        body: JSON.stringify({ ...body, spec: { run: 'uid', digest: 'digest', ...spec } }),
      });
      return { answer, line: await lineOf((one) => one.userAgent === agent) };
    };
    const [mine, foreign] = [{ membership: 'new' }, { membership: 'old' }];
    const allowed = await until(soonMs, async () => {
      const tried = await handOver('mine', mine);
      return tried.answer.status === 201 && tried;
    });
    const { resourceVersion } = (JSON.parse(allowed.answer.body) as { metadata: { resourceVersion: string } }).metadata;
    for (const [attack, tried] of [
      ["a handover of a run on another's member", await handOver('theirs', foreign)],
      ["an own handover, changed to another's member", await handOver('mine', foreign, 'PUT', resourceVersion)],
      ['a handover with a Secret that its writer may not read', await handOver('key', { ...mine, sshSecret: 'hosts' })],
    ] as const) {
      expect({ attack, status: tried.answer.status }).toEqual({ attack, status: 403 });
      expect(tried.answer.body).toMatch(/spec\.(?:membership|sshSecret)/);
      note(attack, 403, tried.answer.body, tried.line);
    }
  });
});
