/** Everyday kubectl, newest and oldest, through the hub into real members of two minors. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubectls, skipped, TestFleet, soonMs, until, whyNot } from './fixture.ts';

const members = ['new', 'old'] as const;
const cases = members.flatMap((member) => kubectls.map((version) => [member, version] as const));

describe.skipIf(whyNot !== undefined)(`kubectl through a hub${skipped}`, () => {
  let fleet: TestFleet;
  const kubeconfigs: Record<string, string> = {};

  beforeAll(async () => {
    fleet = await TestFleet.start();
    await Promise.all([fleet.join('new', '1.37.2'), fleet.join('old', '1.36.3')]);
    const ana = await fleet.userByCsr('ana@example.com');
    for (const member of members) {
      await fleet.fleet(
        'bindings',
        'create',
        `ana-${member}`,
        `--membership=${member}`,
        '--user=ana@example.com',
        '--role=admin',
      );
      kubeconfigs[member] = await fleet.kubeconfig(ana, fleet.memberPath(member));
    }
    await Promise.all(
      members.map((member) =>
        until(
          soonMs,
          async () =>
            (await fleet.kubectl('1.37.2', kubeconfigs[member] ?? '', ['auth', 'can-i', '*', '*'])).code === 0,
        ),
      ),
    );
  });
  afterAll(() => fleet?.stop());

  const ok = async (member: string, version: string, args: readonly string[], stdin?: string): Promise<string> => {
    const said = await fleet.kubectl(version, kubeconfigs[member] ?? '', args, stdin === undefined ? {} : { stdin });
    expect({ args, code: said.code, err: said.code === 0 ? '' : said.err }).toEqual({ args, code: 0, err: '' });
    return said.out;
  };

  it.each(cases)('is the hub user (%s, kubectl %s)', async (member, version) => {
    const { status } = JSON.parse(await ok(member, version, ['auth', 'whoami', '-o', 'json'])) as {
      status: { userInfo: object };
    };
    expect(status.userInfo).toMatchObject({ username: 'ana@example.com', groups: ['system:authenticated'] });
    expect(await ok(member, version, ['version'])).toContain(
      `Server Version: v${member === 'new' ? '1.37.2' : '1.36.3'}`,
    );
  });

  it.each(cases)('applies, patches, scales, explains and deletes (%s, kubectl %s)', async (member, version) => {
    const name = `web-${version.replaceAll('.', '-')}`;
    const deployment = (image: string): string =>
      JSON.stringify({
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name },
        spec: {
          replicas: 1,
          selector: { matchLabels: { app: name } },
          template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'web', image }] } },
        },
      });
    expect(await ok(member, version, ['apply', '-f', '-'], deployment('web:1'))).toBe(
      `deployment.apps/${name} created\n`,
    );
    expect(await ok(member, version, ['apply', '-f', '-'], deployment('web:2'))).toBe(
      `deployment.apps/${name} configured\n`,
    );
    expect(await ok(member, version, ['apply', '-f', '-'], deployment('web:2'))).toBe(
      `deployment.apps/${name} unchanged\n`,
    );
    expect(
      await ok(member, version, ['apply', '--server-side', '--force-conflicts', '-f', '-'], deployment('web:3')),
    ).toBe(`deployment.apps/${name} serverside-applied\n`);
    await ok(member, version, ['patch', 'deployment', name, '-p', '{"metadata":{"labels":{"a":"strategic"}}}']);
    await ok(member, version, [
      'patch',
      'deployment',
      name,
      '--type=merge',
      '-p',
      '{"metadata":{"labels":{"b":"merge"}}}',
    ]);
    await ok(member, version, [
      'patch',
      'deployment',
      name,
      '--type=json',
      '-p',
      '[{"op":"add","path":"/metadata/labels/c","value":"json"}]',
    ]);
    await ok(member, version, ['scale', 'deployment', name, '--replicas=3']);
    expect(
      await ok(member, version, [
        'get',
        'deployment',
        name,
        '-o',
        'jsonpath={.spec.replicas} {.spec.template.spec.containers[0].image} {.metadata.labels}',
      ]),
    ).toBe('3 web:3 {"a":"strategic","b":"merge","c":"json"}');
    expect(await ok(member, version, ['explain', 'deployment.spec.replicas'])).toContain('Number of desired pods');
    expect(await ok(member, version, ['api-resources', '--api-group=apps', '-o', 'name'])).toContain(
      'deployments.apps',
    );
    const diff = await fleet.kubectl(version, kubeconfigs[member] ?? '', ['diff', '-f', '-'], {
      stdin: deployment('web:3'),
    });
    expect(diff.code).toBe(1);
    expect(diff.out).toMatch(/^-  replicas: 3\n\+  replicas: 1$/m);
    expect(await ok(member, version, ['delete', 'deployment', name])).toContain(`deployment.apps "${name}" deleted`);
    expect((await fleet.kubectl(version, kubeconfigs[member] ?? '', ['get', 'deployment', name])).err).toContain(
      'not found',
    );
  });

  it.each(cases)('sees every event of a watch (%s, kubectl %s)', async (member, version) => {
    const name = `seen-by-${version.replaceAll('.', '-')}`;
    await ok(member, version, ['create', 'configmap', `${name}-before`]);
    const watch = fleet.watchKubectl(
      version,
      kubeconfigs[member] ?? '',
      'get',
      'configmaps',
      '--watch',
      '--output-watch-events',
    );
    await watch.saying(/ADDED +seen-by-[\d-]+-before/);
    await ok(member, version, ['create', 'configmap', name]);
    await ok(member, version, ['label', 'configmap', name, 'a=b']);
    await ok(member, version, ['delete', 'configmap', name]);
    await watch.saying(new RegExp(`ADDED +${name}[^]*MODIFIED +${name}[^]*DELETED +${name}`));
    await watch.stop();
  });
});
