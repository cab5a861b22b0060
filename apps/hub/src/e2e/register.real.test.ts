/** Registering and enrolling that goes wrong: a clear word, a next step, a code that is not 0, and nothing left behind. */
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemRandom } from '@polyanthus/ground-base/random';
import { loadAuthority } from '@polyanthus/ground-pki/authority';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts, kubeconfigText, type ControlPlane } from '../../../../lab/src/control-plane.ts';
import { skipped, soonMs, TestFleet, whyNot, withArgs, type Member } from './fixture.ts';
import { figure, type Said } from './processes.ts';

describe.skipIf(whyNot !== undefined)(`registering that fails${skipped}`, () => {
  let fleet: TestFleet;
  let joined: Member;
  let plane: ControlPlane;
  const viewerToken = 'viewer-token';

  beforeAll(async () => {
    fleet = await TestFleet.start();
    [joined, plane] = await Promise.all([
      fleet.join('joined', '1.36.3'),
      fleet.plane('1.37.2', { tokens: [`${viewerToken},vic,vic`] }),
    ]);
  });
  afterAll(() => fleet?.stop());

  const fileOf = async (text: string): Promise<string> => {
    const file = join(fleet.folder, `given-${randomUUID()}`);
    await writeFile(file, text);
    return file;
  };
  const register = (name: string, kubeconfig: string, ...more: string[]): Promise<Said> =>
    fleet.polyanthus(
      [
        'fleet',
        'register',
        name,
        '--agent=external',
        `--hub-kubeconfig=${fleet.adminKubeconfig}`,
        `--kubeconfig=${kubeconfig}`,
        ...more,
      ],
      { timeoutMs: soonMs },
    );
  const refusal = (said: Said, code: string, ...words: string[]): void => {
    figure(
      said.err
        .replaceAll(fleet.folder, '…')
        .split('\n')
        .filter((line) => /^(error|next)/.test(line))
        .join(' | '),
    );
    expect(said.code).toBe(1);
    expect(said.err).toMatch(new RegExp(`error: [^]+\nnext: .+ \\(${code}\\)`));
    for (const word of words) expect(said.err).toContain(word);
  };
  /** What of ours is at the hub and in the fresh cluster. */
  const traces = async (): Promise<object> => {
    const at = async (where: ControlPlane | undefined, ...args: string[]): Promise<string> =>
      fleet.admin(where, ['get', ...args, '--ignore-not-found', '-o', 'name']);
    return {
      memberships: await at(undefined, 'memberships.fleet.polyanthus.dev', '-n', 'default'),
      tokens: (await at(undefined, 'secrets', '-n', 'default'))
        .split('\n')
        .filter((line) => line.includes('enrolment-')).length,
      lock: await at(plane, 'crd', 'memberships.hub.gke.io'),
      namespace: await at(plane, 'namespace', 'polyanthus-agent'),
      roles: (await at(plane, 'clusterroles,clusterrolebindings'))
        .split('\n')
        .filter((line) => line.includes('polyanthus')),
    };
  };
  const clean = {
    memberships: 'membership.fleet.polyanthus.dev/joined\n',
    tokens: 1,
    lock: '',
    namespace: '',
    roles: [],
  };

  it('a kubeconfig that is not there, is no kubeconfig, or names no such context', async () => {
    refusal(await register('fresh', join(fleet.folder, 'absent')), '\\w+', 'absent');
    refusal(await register('fresh', await fileOf('clusters: [')), '\\w+');
    refusal(await register('fresh', plane.kubeconfig, '--context=nowhere'), '\\w+', 'nowhere');
    expect(await traces()).toEqual(clean);
  });

  it('a cluster that does not answer', async () => {
    const [port = 0] = await freePorts(1);
    refusal(
      await register('fresh', await fileOf(kubeconfigText(`https://127.0.0.1:${port}`, plane.caPem, plane.adminToken))),
      'ConnectionRefused',
      `127.0.0.1:${port}`,
    );
    expect(await traces()).toEqual(clean);
  });

  it('credentials that are wrong, foreign or too weak', async () => {
    const withToken = (token: string, ca = plane.caPem): Promise<string> =>
      fileOf(kubeconfigText(plane.url, ca, token));
    refusal(await register('fresh', await withToken('nonsense')), 'CredentialsRefused', plane.url, '401 Unauthorized');
    refusal(
      await register('fresh', await withToken(plane.adminToken, joined.plane.caPem)),
      'CertificateRejected',
      'a CA that is not trusted',
    );
    refusal(await register('fresh', await withToken(viewerToken)), 'NotClusterAdmin', 'cluster-admin');
    expect(await traces()).toEqual(clean);
  });

  it('a hub that does not answer, or does not know the caller', async () => {
    const [port = 0] = await freePorts(1);
    const withHub = (server: string, token: string): Promise<string> =>
      fileOf(kubeconfigText(server, fleet.hubCaPem, token));
    const call = async (hub: string): Promise<Said> =>
      fleet.polyanthus(
        [
          'fleet',
          'register',
          'fresh',
          '--agent=external',
          `--hub-kubeconfig=${hub}`,
          `--kubeconfig=${plane.kubeconfig}`,
        ],
        { timeoutMs: soonMs },
      );
    refusal(
      await call(await withHub(`https://127.0.0.1:${port}`, fleet.identity.adminToken)),
      'ConnectionRefused',
      `127.0.0.1:${port}`,
    );
    refusal(await call(await withHub(fleet.url, 'nonsense')), 'CredentialsRefused', fleet.url, '401 Unauthorized');
    expect(await traces()).toEqual(clean);
  });

  it('a name that another cluster has, or that is none', async () => {
    refusal(await register('joined', plane.kubeconfig), 'NameTaken', 'default/joined');
    refusal(await register('No_Name', plane.kubeconfig), 'InvalidMembershipName', 'No_Name');
    expect(await traces()).toEqual(clean);
  });

  it('a cluster of another fleet', async () => {
    const lock = {
      apiVersion: 'hub.gke.io/v1beta1',
      kind: 'Membership',
      metadata: { name: 'membership' },
      spec: { owner: { id: 'projects/rivals' } },
    };
    await fleet.admin(joined.plane, [
      'patch',
      'memberships.hub.gke.io',
      'membership',
      '--type=merge',
      '-p',
      JSON.stringify({ spec: lock.spec }),
    ]);
    refusal(await register('joined', joined.plane.kubeconfig), 'OtherFleet', 'projects/rivals');
    await fleet.admin(joined.plane, [
      'patch',
      'memberships.hub.gke.io',
      'membership',
      '--type=merge',
      '-p',
      '{"spec":{"owner":{"id":"projects/default"}}}',
    ]);
    expect(await traces()).toEqual(clean);
  });

  it('a lock CRD that is not ours: its owner is named, it is never touched, and --adopt reads it', async () => {
    const crd = {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: 'memberships.hub.gke.io', labels: { owner: 'somebody' } },
      spec: {
        group: 'hub.gke.io',
        scope: 'Cluster',
        names: { plural: 'memberships', singular: 'membership', kind: 'Membership', listKind: 'MembershipList' },
        versions: [
          {
            name: 'v1beta1',
            served: true,
            storage: true,
            schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
          },
        ],
      },
    };
    await fleet.admin(plane, ['create', '-f', '-'], JSON.stringify(crd));
    await fleet.admin(plane, ['wait', '--for=condition=Established', 'crd/memberships.hub.gke.io']);
    const lock = (owner: string): string =>
      JSON.stringify({
        apiVersion: 'hub.gke.io/v1beta1',
        kind: 'Membership',
        metadata: { name: 'membership' },
        spec: { owner: { id: owner } },
      });
    await fleet.admin(plane, ['apply', '-f', '-'], lock('//gkehub.example/projects/7'));
    const foreign = await fleet.admin(plane, [
      'get',
      'crd,memberships.hub.gke.io',
      '-o',
      'jsonpath={.items[*].metadata.resourceVersion}',
    ]);
    refusal(await register('fresh', plane.kubeconfig), 'ForeignCrd', '//gkehub.example/projects/7');
    refusal(await register('fresh', plane.kubeconfig, '--adopt'), 'OtherFleet', '//gkehub.example/projects/7');
    expect(await traces()).toEqual({
      ...clean,
      lock: 'customresourcedefinition.apiextensions.k8s.io/memberships.hub.gke.io\n',
    });
    expect(
      await fleet.admin(plane, [
        'get',
        'crd,memberships.hub.gke.io',
        '-o',
        'jsonpath={.items[*].metadata.resourceVersion}',
      ]),
    ).toBe(foreign);

    await fleet.admin(plane, ['apply', '-f', '-'], lock('projects/default'));
    const before = await fleet.admin(plane, [
      'get',
      'crd',
      'memberships.hub.gke.io',
      '-o',
      'jsonpath={.metadata.labels}{.spec}',
    ]);
    expect(await register('adopted', plane.kubeconfig, '--adopt')).toMatchObject({ code: 0 });
    expect(
      (
        await fleet.polyanthus([
          'fleet',
          'unregister',
          'adopted',
          `--hub-kubeconfig=${fleet.adminKubeconfig}`,
          `--kubeconfig=${plane.kubeconfig}`,
        ])
      ).code,
    ).toBe(0);
    expect(
      await fleet.admin(plane, ['get', 'crd', 'memberships.hub.gke.io', '-o', 'jsonpath={.metadata.labels}{.spec}']),
    ).toBe(before);
    await fleet.admin(plane, ['delete', 'crd', 'memberships.hub.gke.io']);
    expect(await traces()).toEqual(clean);
  });

  it('an agent that does not come up: what was made is taken back', async () => {
    const said = await fleet.polyanthus(
      [
        'fleet',
        'register',
        'fresh',
        '--agent=deploy',
        '--timeout=2s',
        `--hub-kubeconfig=${fleet.adminKubeconfig}`,
        `--kubeconfig=${plane.kubeconfig}`,
      ],
      { timeoutMs: soonMs },
    );
    refusal(said, 'AgentNotConnected', 'default/fresh');
    const { namespace: _terminating, ...left } = (await traces()) as Record<string, unknown>;
    const { namespace: _none, ...wanted } = clean;
    expect(left).toEqual(wanted);
  });

  const agent = (changed: Readonly<Record<string, string>>): Promise<Said> =>
    fleet.polyanthus(withArgs(joined.agentArgs, changed), { timeoutMs: soonMs });

  it('an agent with a token that is nonsense, or none at all', async () => {
    refusal(
      await agent({ '--state-dir': join(fleet.folder, 'a1'), '--token-file': await fileOf('nonsense') }),
      'EnrolmentRefused',
      'unknown, has expired or was used',
    );
    refusal(
      await agent({ '--state-dir': join(fleet.folder, 'a2'), '--token-file': join(fleet.folder, 'absent') }),
      'AgentFileUnreadable',
      '--token-file',
      'absent',
    );
  });

  it('an agent whose hub does not answer, or is another', async () => {
    const [port = 0] = await freePorts(1);
    refusal(
      await agent({ '--state-dir': join(fleet.folder, 'a3'), '--hub': `https://127.0.0.1:${port}` }),
      'ConnectionRefused',
      `127.0.0.1:${port}`,
    );
    refusal(
      await agent({ '--state-dir': join(fleet.folder, 'a4'), '--hub-ca': await fileOf(joined.plane.caPem) }),
      'CertificateRejected',
      'a CA that is not trusted',
    );
  });

  it('an agent with a token of another cluster', async () => {
    const tokenFile = join(fleet.folder, 'joined-again.token');
    await fleet.fleet(
      'register',
      'joined',
      '--agent=external',
      `--token-output-file=${tokenFile}`,
      `--kubeconfig=${joined.plane.kubeconfig}`,
    );
    refusal(
      await agent({
        '--state-dir': join(fleet.folder, 'a5'),
        '--token-file': tokenFile,
        '--kubeconfig': plane.kubeconfig,
      }),
      'EnrolmentRefused',
    );
  });

  it('an agent whose certificate has expired: it says so, and enrols again by a new token', async () => {
    const state = join(fleet.folder, 'expired');
    await cp(joined.stateDir, state, { recursive: true });
    const file = join(state, 'identity.json');
    const identity = JSON.parse(await readFile(file, 'utf8')) as {
      keys: { publicKeyPem: string };
      certificatePem: string;
    };
    const uid = await fleet.admin(undefined, [
      'get',
      'memberships.fleet.polyanthus.dev',
      'joined',
      '-n',
      'default',
      '-o',
      'jsonpath={.metadata.uid}',
    ]);
    const authority = loadAuthority(fleet.identity.agentCa, systemRandom);
    const expired = await authority.issueClient(Date.now() - 3_600_000, {
      commonName: `polyanthus:agent:${uid}`,
      organizations: ['polyanthus:agents'],
      publicKeyPem: identity.keys.publicKeyPem,
      ttlMs: 1000,
    });
    await writeFile(file, JSON.stringify({ ...identity, certificatePem: expired }));
    const noToken = await fleet.polyanthus(
      joined.agentArgs
        .filter((arg) => !arg.startsWith('--token-file'))
        .map((arg) => (arg.startsWith('--state-dir') ? `--state-dir=${state}` : arg)),
      { timeoutMs: soonMs },
    );
    refusal(noToken, 'AgentNotEnrolled', 'expired');
    const fromTheFuture = await authority.issueClient(Date.now() + 3_600_000, {
      commonName: `polyanthus:agent:${uid}`,
      organizations: ['polyanthus:agents'],
      publicKeyPem: identity.keys.publicKeyPem,
      ttlMs: 3_600_000,
    });
    await writeFile(file, JSON.stringify({ ...identity, certificatePem: fromTheFuture }));
    const early = fleet.begin(
      ...joined.agentArgs.map((arg) => (arg.startsWith('--state-dir') ? `--state-dir=${state}` : arg)),
    );
    await early.saying(/is valid from [\d-]+T\S+, and here it is [\d-]+T/);
    await early.stop();
    await writeFile(file, JSON.stringify({ ...identity, certificatePem: expired }));
    const tokenFile = join(fleet.folder, 'renewed.token');
    await fleet.fleet(
      'register',
      'joined',
      '--agent=external',
      `--token-output-file=${tokenFile}`,
      `--kubeconfig=${joined.plane.kubeconfig}`,
    );
    const back = fleet.begin(
      ...joined.agentArgs.map((arg) =>
        arg.startsWith('--state-dir')
          ? `--state-dir=${state}`
          : arg.startsWith('--token-file')
            ? `--token-file=${tokenFile}`
            : arg,
      ),
    );
    await back.saying(/connected to/);
    await back.stop();
  });

  it('an agent whose own files are damaged', async () => {
    const state = join(fleet.folder, 'damaged');
    await cp(joined.stateDir, state, { recursive: true });
    await writeFile(join(state, 'identity.json'), '{"keys":');
    refusal(await agent({ '--state-dir': state }), 'AgentStateUnreadable', 'identity.json');
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const identity = JSON.parse(await readFile(join(joined.stateDir, 'identity.json'), 'utf8')) as object;
    await writeFile(
      join(state, 'identity.json'),
      JSON.stringify({ ...identity, certificatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }) }),
    );
    refusal(await agent({ '--state-dir': state }), '\\w+');
  });
});
