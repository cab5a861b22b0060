/** Real kubectl through the gateway of the demo into its members: the newest and the oldest that we support. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { background } from '@polyanthus/ground-base/context';
import { readBody } from '@polyanthus/ground-http/body';
import { createTransport } from '@polyanthus/ground-http/node-client';
import { contextName } from '@polyanthus/domains-fleet/membership-names';
import { binary, whyNotReal } from '../../../lab/src/parts.ts';
import { demoServes, startDemo, temporaryFolder, type TestProcess } from './testing.ts';

interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** One kubectl at one member. `protocol` names what streams are asked for over. */
interface Kubectl {
  readonly version: string;
  readonly member: string;
  readonly protocol: 'websocket' | 'spdy';
}

let folder: string;
let demo: TestProcess;

function start({ version, member, protocol }: Kubectl, args: readonly string[]): ReturnType<typeof spawn> {
  const websockets = String(protocol === 'websocket');
  return spawn(binary('kubectl', version) ?? '', [`--context=${contextName('default', member)}`, ...args], {
    env: {
      HOME: folder,
      KUBECONFIG: join(folder, 'demo/admin.kubeconfig'),
      KUBECTL_REMOTE_COMMAND_WEBSOCKETS: websockets,
      KUBECTL_PORT_FORWARD_WEBSOCKETS: websockets,
    },
  });
}

async function run(kubectl: Kubectl, ...args: readonly string[]): Promise<Answer> {
  return finish(start(kubectl, args), '');
}

async function finish(child: ReturnType<typeof spawn>, stdin: string): Promise<Answer> {
  const out = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (out.stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (out.stderr += text));
  child.stdin?.end(stdin);
  const [code] = (await once(child, 'close')) as [number];
  return { code, ...out };
}

async function good(kubectl: Kubectl, ...args: readonly string[]): Promise<string> {
  const answer = await run(kubectl, ...args);
  expect(answer, args.join(' ')).toMatchObject({ code: 0 });
  return answer.stdout;
}

const podNames = async (kubectl: Kubectl): Promise<readonly string[]> =>
  (await good(kubectl, 'get', 'pods', '--selector=app=web', '-o', 'name')).trim().split('\n').sort();

/** The text of a stream up to what `done` wants. */
async function readUntil(child: ReturnType<typeof spawn>, done: (text: string) => boolean): Promise<string> {
  let text = '';
  // It stays open: a program whose reader goes away ends.
  for await (const chunk of child.stdout?.iterator({ destroyOnReturn: false }) ?? []) {
    text += String(chunk);
    if (done(text)) return text;
  }
  throw new Error(`the stream ended:\n${text}`);
}

async function get(port: string): Promise<string> {
  const transport = createTransport({ baseUrl: `http://127.0.0.1:${port}` });
  const answer = await transport.request(background(), { method: 'GET', url: '/', headers: {}, body: null });
  const body = Buffer.from(await readBody(answer.body, 1000)).toString('utf8');
  await transport.close();
  return body;
}

const versions = ['1.37.2', '1.32.13'] as const;
const why = whyNotReal(['kubectl', versions[0]], ['kubectl', versions[1]]);

describe.skipIf(why !== undefined)(`kubectl in members of the demo${why === undefined ? '' : `: ${why}`}`, () => {
  beforeAll(async () => {
    folder = await temporaryFolder();
    demo = startDemo(join(folder, 'demo'));
    await demo.until(demoServes);
  });
  afterAll(async () => {
    demo.kill('SIGINT');
    expect(await demo.ended, demo.output()).toBe(0);
    await rm(folder, { recursive: true, force: true });
  });

  describe.each(versions)('kubectl %s', (version) => {
    const kubectl: Kubectl = { version, member: version === versions[0] ? 'paris' : 'osaka', protocol: 'websocket' };

    it('gets nodes and pods as the user of the hub', async () => {
      await good(kubectl, 'rollout', 'status', 'deployment/web', '--timeout=60s');
      const text = await good(kubectl, 'get', 'nodes,pods', '-A');
      expect(text).toMatch(new RegExp(`node/${kubectl.member}-1 +Ready`));
      expect(text).toMatch(/default +pod\/web-\S+ +1\/1 +Running/);
      expect(await good(kubectl, 'auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}')).toBe(
        'polyanthus:admin',
      );
    });

    it.each(['websocket', 'spdy'] as const)('runs commands and forwards ports over %s', async (protocol) => {
      const over: Kubectl = { ...kubectl, protocol };
      const [pod = ''] = await podNames(over);
      const name = pod.replace('pod/', '');
      expect(await good(over, 'exec', pod, '--', 'hostname')).toBe(`${name}\n`);
      expect(await run(over, 'exec', pod, '--', 'sh', '-c', 'exit 7')).toMatchObject({ code: 7 });
      expect(await finish(start(over, ['exec', '-i', pod, '--', 'cat']), 'all of it\n')).toMatchObject({
        code: 0,
        stdout: 'all of it\n',
      });
      const forward = start(over, ['port-forward', pod, ':8080']);
      const port = /127\.0\.0\.1:(\d+)/.exec(await readUntil(forward, (text) => text.includes('127.0.0.1:')))?.[1];
      const pages = await Promise.all(Array.from({ length: 10 }, () => get(port ?? '')));
      expect(new Set(pages)).toEqual(new Set([`hello from ${name}\n`]));
      forward.kill('SIGINT');
      await once(forward, 'exit');
    });

    it('follows a log', async () => {
      const [pod = ''] = await podNames(kubectl);
      const logs = start(kubectl, ['logs', '-f', pod]);
      const text = await readUntil(logs, (so) => so.split('\n').length > 4);
      expect(text).toMatch(/ started\n.* is alive, 1 s\n.* is alive, 2 s\n/);
      logs.kill('SIGINT');
      await once(logs, 'exit');
    });

    it('restarts, scales and replaces pods', async () => {
      const before = await podNames(kubectl);
      expect(before).toHaveLength(2);
      await good(kubectl, 'rollout', 'restart', 'deployment/web');
      expect(await good(kubectl, 'rollout', 'status', 'deployment/web')).toContain('successfully rolled out');
      await good(kubectl, 'wait', '--for=delete', '--timeout=60s', ...before);
      expect(await podNames(kubectl)).toHaveLength(2);
      await good(kubectl, 'scale', 'deployment/web', '--replicas=3');
      await good(kubectl, 'rollout', 'status', 'deployment/web');
      const scaled = await podNames(kubectl);
      expect(scaled).toHaveLength(3);
      await good(kubectl, 'delete', scaled[0] ?? '');
      await good(kubectl, 'rollout', 'status', 'deployment/web');
      await good(kubectl, 'wait', '--for=delete', '--timeout=60s', scaled[0] ?? '');
      const replaced = await podNames(kubectl);
      expect(replaced).toHaveLength(3);
      expect(replaced).not.toContain(scaled[0]);
    });
  });

  it('lists the members at the root of the hub', async () => {
    const child = spawn(binary('kubectl', versions[0]) ?? '', ['--context=hub', 'get', 'memberships', '-o', 'name'], {
      env: { HOME: folder, KUBECONFIG: join(folder, 'demo/admin.kubeconfig') },
    });
    const { stdout } = await finish(child, '');
    expect(stdout.trim().split('\n')).toEqual(
      ['edge', 'osaka', 'paris'].map((name) => `membership.fleet.polyanthus.dev/${name}`),
    );
  });
});
