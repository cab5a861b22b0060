/** Tunnels through a proxy that passes bytes (L4) and one that speaks HTTP (L7), as ingresses do. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ControlPlane } from '../../../../lab/src/control-plane.ts';
import { skipped, soonMs, TestFleet, until, whyNot, withArgs, type Member } from './fixture.ts';
import { startNginx, whyNoNginx, type Nginx } from './nginx.ts';
import { figure } from './processes.ts';
import { ask } from './raw.ts';

if (whyNoNginx !== undefined && process.env['REQUIRE_REAL'] === '1')
  throw new Error(`REQUIRE_REAL=1, but ${whyNoNginx}`);
const why = whyNot ?? whyNoNginx;
const objects = 48;
const objectBytes = 1_000_000;

describe.skipIf(why !== undefined)(`a tunnel behind nginx${skipped}${whyNoNginx ?? ''}`, () => {
  let fleet: TestFleet;
  let nginx: Nginx;
  let plane: ControlPlane;
  let member: Member;
  const admin = () => ({ token: fleet.identity.adminToken });

  beforeAll(async () => {
    fleet = await TestFleet.start();
    [nginx, plane] = await Promise.all([startNginx(fleet), fleet.plane('1.37.2')]);
    member = await fleet.joinPlane('new', plane);
    await fleet.fleet('bindings', 'create', 'admin', '--membership=new', '--user=polyanthus:admin', '--role=admin');
    const kubeconfig = await fleet.kubeconfig(admin(), fleet.memberPath('new'));
    const big = (index: number): string =>
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: `big-${index}` },
        data: { a: 'x'.repeat(objectBytes) },
      });
    await until(soonMs, async () => (await fleet.kubectl('1.37.2', kubeconfig, ['get', 'configmaps'])).code === 0);
    for (let index = 0; index < objects; index++) {
      const headers = { 'content-type': 'application/json' };
      const path = `${fleet.memberPath('new')}/api/v1/namespaces/default/configmaps`;
      expect((await ask(fleet, admin(), path, { method: 'POST', headers, body: big(index) })).status).toBe(201);
    }
  });
  afterAll(async () => {
    await nginx?.stop();
    await fleet?.stop();
  });

  /** MB/s of one list through the tunnel that is open now. */
  const throughput = async (): Promise<number> => {
    const started = performance.now();
    const list = await ask(fleet, admin(), `${fleet.memberPath('new')}/api/v1/namespaces/default/configmaps`);
    expect(list.status).toBe(200);
    expect(list.body.length).toBeGreaterThan(objects * objectBytes);
    return list.body.length / 1000 / (performance.now() - started);
  };

  it.each([
    ['no proxy', () => fleet.url, () => fleet.hubCaFile],
    ['nginx at L4', () => nginx.l4Url, () => fleet.hubCaFile],
    ['nginx at L7', () => nginx.l7Url, () => nginx.l7CaFile],
  ])('carries requests, watches and a binding (%s)', async (way, url, caFile) => {
    await member.agent.stop();
    const changed: Readonly<Record<string, string>> = { '--hub': url(), '--hub-ca': caFile() };
    member.agent = fleet.begin(...withArgs(member.agentArgs, changed));
    await member.agent.saying(/connected to/);
    const kubeconfig = await fleet.kubeconfig(admin(), fleet.memberPath('new'));
    const watch = fleet.watchKubectl('1.37.2', kubeconfig, 'get', 'secrets', '--watch', '--output-watch-events');
    const name = way.toLowerCase().replaceAll(' ', '-');
    await until(
      soonMs,
      async () => (await fleet.kubectl('1.37.2', kubeconfig, ['create', 'secret', 'generic', name])).code === 0,
    );
    await watch.saying(new RegExp(`ADDED +${name}`));
    await watch.stop();
    await fleet.fleet('bindings', 'create', name, '--membership=new', '--user=zoe', '--role=admin');
    const bound = async (): Promise<boolean> =>
      (await fleet.kubectl('1.37.2', plane.kubeconfig, ['get', 'clusterrolebinding', `fleet:${name}`])).code === 0;
    await until(soonMs, bound, () => member.agent.said());
    const rates = [await throughput(), await throughput(), await throughput()];
    figure(`list of ${objects} MB through the tunnel, ${way}: best of three ${Math.max(...rates).toFixed(0)} MB/s`);
  });
});
