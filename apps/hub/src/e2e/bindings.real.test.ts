/** What is bound at the hub is so in the member, at once, for ever, and until it is unbound. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { skipped, TestFleet, soonMs, until, whyNot, type Member } from './fixture.ts';
import { figure } from './processes.ts';

describe.skipIf(whyNot !== undefined)(`bindings of the fleet${skipped}`, () => {
  let fleet: TestFleet;
  let member: Member;
  let dora: string;

  beforeAll(async () => {
    fleet = await TestFleet.start();
    member = await fleet.join('new', '1.37.2');
    dora = await fleet.kubeconfig(await fleet.userByCsr('dora@example.com'), fleet.memberPath('new'));
  });
  afterAll(() => fleet?.stop());

  /** Milliseconds until kubectl as the user of `kubeconfig` succeeds. */
  const works = async (kubeconfig: string, ...args: string[]): Promise<number> => {
    const started = performance.now();
    let said = '';
    await until(
      soonMs,
      async () => {
        const answer = await fleet.kubectl('1.37.2', kubeconfig, args);
        said = answer.err;
        return answer.code === 0;
      },
      () => said,
    );
    return Math.round(performance.now() - started);
  };
  const inMember = async (...args: string[]): Promise<string> =>
    (await fleet.kubectl('1.37.2', member.plane.kubeconfig, args)).out;
  const roleBinding = (name: string): Promise<string> =>
    inMember('get', 'rolebinding', name, '-n', 'cart', '--ignore-not-found', '-o', 'jsonpath={.metadata.uid}');

  it('lets the user work soon, by commands', async () => {
    await fleet.fleet('scopes', 'create', 'shop');
    await fleet.fleet('scopes', 'add-member', 'shop', 'new');
    await fleet.fleet('namespaces', 'create', 'cart', '--scope=shop');
    expect((await fleet.kubectl('1.37.2', dora, ['get', 'configmaps', '-n', 'cart'])).code).toBe(1);
    await fleet.fleet('bindings', 'create', 'dev', '--scope=shop', '--user=dora@example.com', '--role=edit');
    const ms = await works(dora, 'create', 'configmap', 'made', '-n', 'cart');
    figure(`a binding by the command lets its user work after ${ms} ms`);
    expect((await fleet.kubectl('1.37.2', dora, ['get', 'configmaps', '-n', 'kube-system'])).err).toContain(
      'cannot list resource "configmaps"',
    );
  });

  it('lets the user work soon, by kubectl', async () => {
    const binding = {
      apiVersion: 'fleet.polyanthus.dev/v1',
      kind: 'RBACRoleBinding',
      metadata: { name: 'qa', namespace: 'default' },
      spec: { scope: 'shop', user: 'quinn', role: { predefinedRole: 'VIEW' } },
    };
    const quinn = await fleet.kubeconfig(await fleet.userByCsr('quinn'), fleet.memberPath('new'));
    await fleet.admin(undefined, ['apply', '-f', '-'], JSON.stringify(binding));
    const ms = await works(quinn, 'get', 'configmap', 'made', '-n', 'cart');
    figure(`a binding by kubectl lets its user work after ${ms} ms`);
    expect((await fleet.kubectl('1.37.2', quinn, ['delete', 'configmap', 'made', '-n', 'cart'])).err).toContain(
      'cannot delete resource "memberships/gateway"',
    );
  });

  it('brings back what is deleted or changed in the member', async () => {
    const before = await roleBinding('fleet:dev');
    expect(before).not.toBe('');
    const started = performance.now();
    await inMember('delete', 'rolebinding', 'fleet:dev', '-n', 'cart');
    await until(soonMs, async () => !['', before].includes(await roleBinding('fleet:dev')));
    figure(`a deleted RoleBinding is back after ${Math.round(performance.now() - started)} ms`);
    await inMember(
      'patch',
      'rolebinding',
      'fleet:dev',
      '-n',
      'cart',
      '--type=json',
      '-p',
      '[{"op":"replace","path":"/subjects/0/name","value":"mallory"}]',
    );
    await until(
      soonMs,
      async () =>
        (await inMember('get', 'rolebinding', 'fleet:dev', '-n', 'cart', '-o', 'jsonpath={.subjects[*].name}')) ===
        'dora@example.com',
    );
    await inMember('label', 'namespace', 'cart', 'fleet.polyanthus.dev/scope-');
    await until(soonMs, async () =>
      (await inMember('get', 'namespace', 'cart', '-o', 'jsonpath={.metadata.labels}')).includes('"shop"'),
    );
  });

  it.each([
    [
      'the binding',
      ['bindings', 'delete', 'dev'],
      ['bindings', 'create', 'dev', '--scope=shop', '--user=dora@example.com', '--role=edit'],
    ],
    ['the membership', ['scopes', 'remove-member', 'shop', 'new'], ['scopes', 'add-member', 'shop', 'new']],
  ])('closes open watches and takes the role away when %s is unbound', async (_what, unbind, bindAgain) => {
    const watch = fleet.watchKubectl('1.37.2', dora, 'get', 'configmaps', '-n', 'cart', '--watch');
    await watch.saying(/made/);
    const started = performance.now();
    await fleet.fleet(...unbind);
    await watch.ended;
    const closedMs = Math.round(performance.now() - started);
    expect(closedMs).toBeLessThan(60_000);
    await until(soonMs, async () => (await roleBinding('fleet:dev')) === '');
    figure(
      `unbinding closes a watch after ${closedMs} ms; the RoleBinding is gone after ${Math.round(performance.now() - started)} ms`,
    );
    expect((await fleet.kubectl('1.37.2', dora, ['get', 'configmaps', '-n', 'cart'])).err).toContain(
      'cannot list resource "memberships/gateway"',
    );
    expect(await inMember('get', 'configmap', 'made', '-n', 'cart', '-o', 'name')).toBe('configmap/made\n');
    await fleet.fleet(...bindAgain);
    await works(dora, 'get', 'configmap', 'made', '-n', 'cart');
  });
});
