/** One real host with a kubelet, joined by the agent's Deployment from our image; streams go through to containerd. */
import { createHash, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { whyNotHosts } from '../../../../lab/src/hosts.ts';
import { whyNotReal } from '../../../../lab/src/parts.ts';
import { imageName } from '../../../image/src/build-image.ts';
import type { RunOptions } from './processes.ts';
import { RealHost } from './real-host.ts';
import type { KubectlOptions } from './workstation.ts';

const why = whyNotHosts() ?? whyNotReal(['kubectl', '1.37.2'], ['kubectl', '1.32.13']);
const namespace = '--namespace=polyanthus-agent';
const copiedBytes = 200_000_000;

const protocol = (websockets: boolean): RunOptions => ({
  env: {
    KUBECTL_REMOTE_COMMAND_WEBSOCKETS: String(websockets),
    KUBECTL_PORT_FORWARD_WEBSOCKETS: String(websockets),
  },
});
const newest = { version: '1.37.2' } as const;
const ways: readonly (readonly [string, RunOptions & KubectlOptions])[] = [
  ['WebSocket, kubectl 1.37.2', { ...newest, ...protocol(true) }],
  ['SPDY, kubectl 1.37.2', { ...newest, ...protocol(false) }],
  ['kubectl 1.32.13', { version: '1.32.13' }],
];

const box = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'box', namespace: 'default' },
  spec: {
    terminationGracePeriodSeconds: 0,
    containers: [
      {
        name: 'box',
        image: 'docker.io/library/busybox:1.35',
        imagePullPolicy: 'IfNotPresent',
        command: [
          'sh',
          '-c',
          'mkdir -p /tmp/www; echo hello > /tmp/www/index.html; httpd -p 8080 -h /tmp/www; i=0; while true; do echo line $i; i=$((i+1)); sleep 0.1; done',
        ],
      },
    ],
  },
};

/** Runs on the workstation: GETs, one after another and together, each on a connection of its own; prints good answers. */
const getMany = `
const { get } = require('node:http');
const one = () => new Promise((resolve) => get({ host: '127.0.0.1', port: process.argv[1], agent: false }, (answer) => {
  let text = '';
  answer.on('data', (chunk) => (text += chunk)).on('end', () => resolve(answer.statusCode === 200 && text === 'hello\\n' ? 1 : 0));
}).on('error', () => resolve(0)));
let sequential = 0;
for (let i = 0; i < 1000; i++) sequential += await one();
const parallel = (await Promise.all(Array.from({ length: 50 }, one))).reduce((sum, good) => sum + good, 0);
console.log(JSON.stringify({ sequential, parallel }));`;

describe.skipIf(why !== undefined)(
  `one real host with a kubelet${why === undefined ? '' : ` (skipped: ${why})`}`,
  () => {
    let host: RealHost;
    let ana = '';
    const admin = (...args: readonly string[]): Promise<string> => host.ask(host.clusterKubeconfig, args);
    /** Everything in the cluster that registering makes, by name. */
    const left = async (): Promise<string> =>
      (await admin('get', 'namespaces,clusterroles,clusterrolebindings,crds', '-o=name'))
        .split('\n')
        .filter((name) => !name.includes('/system:'))
        .join('\n');
    const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`;

    beforeAll(async () => {
      host = await RealHost.start();
    }, 600_000);
    afterAll(() => host?.stop(), 120_000);

    it('is left as it was when the agent does not come up', async () => {
      const before = await left();
      const register = ['register', 'h1', '--image=127.0.0.1:1/none:1', `--kubeconfig=${host.clusterKubeconfig}`];
      await expect(host.fleet(...register, '--timeout=3s')).rejects.toThrow('AgentNotConnected');
      expect(await host.ask(host.hubKubeconfig, ['get', 'memberships', '-o=name'])).toBe('');
      await expect.poll(left, { timeout: 60_000, interval: 500 }).toBe(before);
    });

    it('is joined by the agent, whose Deployments run from our image', async ({ annotate }) => {
      const started = performance.now();
      const said = await host.fleet(
        'register',
        'h1',
        '--agent=deploy',
        `--image=${imageName}`,
        `--kubeconfig=${host.clusterKubeconfig}`,
      );
      expect(said.out).toMatch(/h1 .*READY +True/);
      await annotate(`image of ${host.image.bytes} bytes, ${host.image.digest}; registered in ${seconds(started)}`);
      for (const role of ['tunnel', 'fleet'])
        await admin('rollout', 'status', `deployment/polyanthus-agent-${role}`, namespace, '--timeout=60s');
      const pods = JSON.parse(await admin('get', 'pods', namespace, '-o', 'json')) as {
        items: { status: { phase: string; containerStatuses: { image: string; restartCount: number }[] } }[];
      };
      expect(
        pods.items.map(({ status }) => [
          status.phase,
          status.containerStatuses[0]?.image,
          status.containerStatuses[0]?.restartCount,
        ]),
      ).toEqual([
        ['Running', imageName, 0],
        ['Running', imageName, 0],
      ]);
    });

    it('lets a user of the hub in by a binding that the fleet role makes', async () => {
      ana = await host.userKubeconfig('ana@example.com');
      await host.fleet('bindings', 'create', 'ana', '--membership=h1', '--user=ana@example.com', '--role=edit');
      await expect
        .poll(async () => (await host.kubectl(ana, ['auth', 'can-i', 'create', 'pods'])).out, { timeout: 10_000 })
        .toBe('yes\n');
      expect(await host.ask(ana, ['auth', 'whoami', '-o=jsonpath={.status.userInfo}'])).toBe(
        '{"groups":["system:authenticated"],"username":"ana@example.com"}',
      );
      await host.ask(ana, ['apply', '-f', '-'], { stdin: JSON.stringify(box) });
      await host.ask(ana, ['wait', '--for=condition=Ready', 'pod/box', '--timeout=60s']);
    });

    it.for(ways)('execs and hands the exit code back (%s)', async ([, options]) => {
      const said = await host.kubectl(ana, ['exec', '-i', 'box', '--', 'sh', '-c', 'cat; echo away >&2; exit 7'], {
        ...options,
        stdin: 'through',
      });
      expect({ out: said.out, code: said.code }).toEqual({ out: 'through', code: 7 });
      expect(said.err).toContain('away');
    });

    it.for(ways.slice(0, 2))('copies 200 MB there and back (%s)', async ([way, options], { annotate }) => {
      const [there, back] = [join(host.folder, 'there'), join(host.folder, 'back')];
      const content = randomBytes(copiedBytes);
      const sum = createHash('sha256').update(content).digest('hex');
      await writeFile(there, content);
      const timed = async (kubeconfig: string, from: string, to: string): Promise<string> => {
        const started = performance.now();
        await host.ask(kubeconfig, ['cp', from, to, '--retries=0'], options);
        return `${(copiedBytes / 1000 / (performance.now() - started)).toFixed(0)} MB/s`;
      };
      const up = await timed(ana, there, 'default/box:/tmp/copied');
      expect(await host.ask(ana, ['exec', 'box', '--', 'sha256sum', '/tmp/copied'], options)).toBe(
        `${sum}  /tmp/copied\n`,
      );
      const down = await timed(ana, 'default/box:/tmp/copied', back);
      expect(
        createHash('sha256')
          .update(await readFile(back))
          .digest('hex'),
      ).toBe(sum);
      const straight = [
        await timed(host.clusterKubeconfig, there, 'default/box:/tmp/copied'),
        await timed(host.clusterKubeconfig, 'default/box:/tmp/copied', back),
      ];
      await annotate(`cp of 200 MB, ${way}: up ${up}, down ${down}; without the hub up ${straight.join(', down ')}`);
    });

    it('follows a log', async () => {
      const following = host.beginKubectl(ana, ['logs', '-f', 'box', '--tail=1']);
      const [, first = ''] = await following.saying(/^line (\d+)\n/);
      await following.saying(new RegExp(`line ${Number(first) + 30}\n`));
      await following.stop();
      const numbers = [...following.said().matchAll(/^line (\d+)$/gm)].map((match) => Number(match[1]));
      expect(numbers).toEqual(numbers.map((_number, index) => Number(first) + index));
    });

    it.for(ways)('forwards 1,000 GETs in a row and 50 at a time (%s)', async ([way, options], { annotate }) => {
      const forward = host.beginKubectl(ana, ['port-forward', 'pod/box', ':8080'], options);
      const [, port = ''] = await forward.saying(/127\.0\.0\.1:(\d+) -> 8080/);
      const started = performance.now();
      const said = await host.onWorkstation(
        process.execPath,
        [
          '--input-type=module',
          '-e',
          `import { createRequire } from 'node:module'; const require = createRequire('/');${getMany}`,
          port,
        ],
        { timeoutMs: 200_000 },
      );
      await annotate(`port-forward, ${way}: 1,050 GETs in ${seconds(started)}`);
      await forward.stop();
      expect(`${said.out}${said.err}`).toBe('{"sequential":1000,"parallel":50}\n');
    });

    it('comes back when its pods are replaced, each with a key of its own', async ({ annotate }) => {
      const started = performance.now();
      for (let round = 0; round < 3; round++) {
        await admin('delete', 'pods', '--all', namespace, '--wait');
        await expect
          .poll(async () => (await host.kubectl(ana, ['get', 'pod', 'box'])).code, { timeout: 60_000 })
          .toBe(0);
      }
      await annotate(`3 times all pods of the agent deleted: ${seconds(started)}`);
      await host.fleet('bindings', 'create', 'ana-sees', '--membership=h1', '--user=ana@example.com', '--role=view');
      await expect
        .poll(() => admin('get', 'clusterrolebindings', '-o=name'), { timeout: 30_000 })
        .toContain('fleet:ana-sees');
    });

    it('says at once that the host is away after a power cut, and is there again when it has power', async ({
      annotate,
    }) => {
      // The cable first: else the kernel says goodbye for every process that ends.
      await host.hosts.power('unplug', 'h1');
      await host.hosts.power('cut', 'h1');
      const cut = performance.now();
      const get = (cache: string): ReturnType<RealHost['kubectl']> =>
        host.kubectl(ana, [`--cache-dir=${join(host.folder, cache)}`, 'get', 'pods']);
      const early = await get('cache-1');
      await annotate(`kubectl right after the power cut ended after ${seconds(cut)} with ${early.code}`);
      const connected = ['get', 'membership', 'h1', '-o=jsonpath={.status.conditions[?(@.type=="Connected")].status}'];
      await expect.poll(() => host.ask(host.hubKubeconfig, connected), { timeout: 60_000 }).toBe('False');
      await annotate(`the hub knew ${seconds(cut)} after the power cut`);
      const said = await get('cache-2');
      await annotate(`kubectl with an empty cache then failed in ${said.ms.toFixed(0)} ms: ${said.err.trim()}`);
      for (const one of [early, said]) {
        expect(one.code).not.toBe(0);
        expect(one.err).toContain('membership default/h1');
        expect(one.err).toContain('kubectl -n polyanthus-agent get pods');
      }
      await host.hosts.power('up', 'h1');
      const up = performance.now();
      await expect
        .poll(async () => (await host.kubectl(ana, ['exec', 'box', '--', 'true'])).code, {
          timeout: 240_000,
          interval: 500,
        })
        .toBe(0);
      await annotate(`exec through the hub ${seconds(up)} after the power returned`);
    }, 300_000);

    it('is left without a trace when it is unregistered, and can be joined again at once', async ({ annotate }) => {
      const started = performance.now();
      await host.fleet('unregister', 'h1', `--kubeconfig=${host.clusterKubeconfig}`);
      const register = ['register', 'h1', '--agent=deploy', `--image=${imageName}`];
      expect((await host.fleet(...register, `--kubeconfig=${host.clusterKubeconfig}`)).out).toMatch(/READY +True/);
      await annotate(`unregistered and joined again in ${seconds(started)}`);
      await host.fleet('unregister', 'h1', `--kubeconfig=${host.clusterKubeconfig}`);
      await expect.poll(left, { timeout: 60_000, interval: 500 }).not.toMatch(/polyanthus|hub\.gke\.io|fleet:/);
    });
  },
);
