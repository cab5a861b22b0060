/** kubectl through the gateway and a tunnel to a real kube-apiserver. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { background } from '@polyanthus/ground-base/context';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { testCertificates } from '@polyanthus/ground-http/testing';
import { until } from '@polyanthus/engine-tunnel/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubeconfigText, startControlPlane, type ControlPlane } from '../../../lab/src/control-plane.ts';
import { binary, whyNotReal } from '../../../lab/src/parts.ts';
import { memberUrl, startTestGateway, type TestGateway } from './testing.ts';

const kubectls = ['1.37.2', '1.32.13'] as const;
const why = whyNotReal(['etcd', '3.7.0'], ['kube-apiserver', '1.37.2'], ['kubectl', '1.37.2'], ['kubectl', '1.32.13']);
const run = promisify(execFile);

interface Said {
  readonly out: string;
  readonly err: string;
  readonly code: number;
}

describe.skipIf(why !== undefined)(`kubectl through the gateway${why === undefined ? '' : ` (${why})`}`, () => {
  let plane: ControlPlane;
  let gateway: TestGateway;
  let kubeconfig: string;

  const kubectl = (version: string, ...args: string[]): Promise<Said> =>
    run(binary('kubectl', version) ?? '', ['--kubeconfig', kubeconfig, ...args]).then(
      ({ stdout, stderr }) => ({ out: stdout, err: stderr, code: 0 }),
      (error: { readonly stdout: string; readonly stderr: string; readonly code: number }) => ({
        out: error.stdout,
        err: error.stderr,
        code: error.code,
      }),
    );
  const direct = (...args: string[]): Promise<unknown> =>
    run(binary('kubectl', '1.37.2') ?? '', ['--kubeconfig', plane.kubeconfig, ...args]);

  beforeAll(async () => {
    plane = await startControlPlane();
    // Of our own: the rules of `edit` come from the controller manager, which does not run here.
    await direct('create', 'clusterrole', 'config', '--verb=*', '--resource=configmaps');
    await direct('create', 'clusterrolebinding', 'devs', '--clusterrole=config', '--group=devs');
    const member = createTransport({
      baseUrl: plane.url,
      tls: { ca: plane.caPem },
      headers: async () => ({ authorization: `Bearer ${plane.adminToken}` }),
    });
    gateway = await startTestGateway(member);
    kubeconfig = join(plane.folder, 'through-the-hub');
    await writeFile(
      kubeconfig,
      kubeconfigText(`https://localhost:${gateway.hub.server.port}${memberUrl}`, testCertificates.ca, 'alice'),
    );
  });
  afterAll(async () => {
    await gateway?.close();
    await plane?.stop();
  });

  it.each(kubectls)('is the caller in the member, no more and no less (%s)', async (version) => {
    const who = await kubectl(version, 'auth', 'whoami', '-o', 'json');
    expect(JSON.parse(who.out)).toMatchObject({
      status: { userInfo: { username: 'alice', groups: ['devs', 'system:authenticated'] } },
    });
    const name = `made-by-${version.replaceAll('.', '-')}`;
    expect(await kubectl(version, 'create', 'configmap', name, '--from-literal=a=b')).toMatchObject({
      code: 0,
      out: `configmap/${name} created\n`,
    });
    expect(await kubectl(version, 'patch', 'configmap', name, '-p', '{"data":{"a":"c"}}')).toMatchObject({ code: 0 });
    expect((await kubectl(version, 'get', 'configmap', name, '-o', 'jsonpath={.data.a}')).out).toBe('c');
    const forbidden = await kubectl(version, 'get', 'nodes');
    expect(forbidden).toMatchObject({
      code: 1,
      err: expect.stringContaining('User "alice" cannot list resource "nodes"') as unknown,
    });
  });

  it.each(kubectls)('sees a watch event by event (%s)', async (version) => {
    const watch = spawn(binary('kubectl', version) ?? '', [
      '--kubeconfig',
      kubeconfig,
      'get',
      'configmaps',
      '--watch-only',
      '-o',
      'name',
    ]);
    const seen = once(watch.stdout, 'data') as Promise<[Buffer]>;
    await until(background(), () => gateway.gateway.open() >= 1);
    const name = `watched-by-${version.replaceAll('.', '-')}`;
    await direct('create', 'configmap', name);
    expect(String((await seen)[0])).toContain(`configmap/${name}`);
    const gone = once(watch, 'exit');
    watch.kill();
    await gone;
    await until(background(), () => gateway.gateway.open() === 0);
  });

  it.each(kubectls)('is told why it may not, and what there is not (%s)', async (version) => {
    gateway.access.allowed = () => false;
    expect((await kubectl(version, 'get', 'pods')).err).toContain('cannot list resource "memberships/gateway"');
    gateway.access.allowed = () => true;
    const { current } = gateway.member;
    gateway.member.current = { ...current, name: 'another' };
    const unknown = await kubectl(version, 'get', 'pods');
    expect(unknown.code).toBe(1);
    expect(unknown.err).toContain('memberships.fleet.polyanthus.dev "member-1" not found');
    gateway.member.current = current;
  });

  it('is told at once when the agent is away, on discovery too', async () => {
    await gateway.agent.stop();
    await until(background(), () => gateway.hub.hub.localTunnel('uid-1') === undefined);
    for (const version of kubectls) {
      for (const args of [
        ['get', 'pods'],
        ['api-resources', '--cached=false'],
        ['get', 'widgets.example.com'],
      ]) {
        const said = await kubectl(
          version,
          ...args,
          `--cache-dir=${plane.folder}/cache-${version}-${args.at(-1) ?? ''}`,
        );
        expect(said.code).toBe(1);
        expect(said.err).toContain(
          'membership fleet-a/member-1 cannot be reached: the agent has no connection to the hub',
        );
      }
    }
  });
});
