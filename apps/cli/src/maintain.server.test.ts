/** `cluster maintain` and `runbook` as a shell sees them: exit codes, Ctrl-C, what is said where it goes wrong. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { serve } from '@polyanthus/ground-http/node-server';
import { createClient } from '@polyanthus/kube-client/rest';
import { nodes } from '@polyanthus/kube-kinds/core';
import { administrator, startTestCluster, type TestCluster } from '@polyanthus/kube-server/testing';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';

const waitMs = 120_000;

let folder: string;
let cluster: TestCluster;
const children = new Set<ChildProcess>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'polyanthus-'));
  cluster = await startTestCluster();
  const client = createClient(cluster.transport);
  await client.create(cluster.ctx, nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } });
  await open('admin', administrator);
  await open('nobody', { ...administrator, username: 'nobody', groups: ['system:authenticated'] });
  await writeKubeconfig('away', '127.0.0.1:1');
}, waitMs);
afterAll(async () => {
  for (const child of children) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  await cluster.close();
  await rm(folder, { recursive: true, force: true });
}, waitMs);

async function open(name: string, user: typeof administrator): Promise<void> {
  const handler = cluster.cluster.handlerAs(user);
  const { address } = await serve(cluster.ctx, { handler, listen: { host: '127.0.0.1', port: 0 } });
  await writeKubeconfig(name, address);
}

async function writeKubeconfig(name: string, address: string): Promise<void> {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'c',
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
    clusters: [{ name: 'c', cluster: { server: `http://${address}` } }],
    users: [{ name: 'u', user: {} }],
  };
  await writeFile(join(folder, `${name}.kubeconfig`), JSON.stringify(config));
}

/** Runs `polyanthus ARGS` in the folder. */
function start(...args: readonly string[]) {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], {
    cwd: folder,
    env: { PATH: dirname(process.execPath), HOME: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.add(child);
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const ended = once(child, 'close').then(([code, signal]) => ({ code: (code ?? signal) as unknown, out, err }));
  return { child, ended, err: () => err };
}
const run = (...args: readonly string[]) => start(...args).ended;
const said = (pattern: RegExp) => expect.stringMatching(pattern) as string;

it(
  'names what is wrong and the next step, and ends with a code for scripts',
  async () => {
    const cases: readonly (readonly [number, RegExp, readonly string[]])[] = [
      [
        1,
        /no node "n2" \(did you mean n1\?\).*\nnext: /,
        ['cluster', 'maintain', 'n2', '--kubeconfig=admin.kubeconfig'],
      ],
      [
        1,
        /cannot get resource "nodes".*\nnext: .*administrator/,
        ['cluster', 'maintain', 'n1', '--kubeconfig=nobody.kubeconfig'],
      ],
      [1, /connection refused.*\nnext: .*\(ConnectionRefused\)/s, ['runbook', 'list', '--kubeconfig=away.kubeconfig']],
      [1, /none\.kubeconfig.*\nnext: .*\(KubeconfigUnreadable\)/, ['runbook', 'list', '--kubeconfig=none.kubeconfig']],
      [
        1,
        /runs.*"r9" not found\nnext: .*runbook list|knows no such API/,
        ['runbook', 'watch', 'r9', '--kubeconfig=admin.kubeconfig'],
      ],
      [
        2,
        /is less than 1\nnext: .*explain node-maintenance/,
        ['cluster', 'maintain', 'n1', '--window=0', '--kubeconfig=admin.kubeconfig'],
      ],
      [2, /unknown command "maintian" \(did you mean maintain\?\)/, ['cluster', 'maintian']],
      [1, /no hub is configured.*\nnext: .*--kubeconfig/, ['cluster', 'maintain', 'n1']],
    ];
    for (const [code, err, args] of cases)
      expect(await run(...args), args.join(' ')).toMatchObject({ code, err: said(err) });
  },
  waitMs,
);

it(
  'stops at Ctrl-C, says how to go on, and is taken back by what it said',
  async () => {
    const kubeconfig = '--kubeconfig=admin.kubeconfig';
    const first = start('cluster', 'maintain', 'n1', '--approve', '--name=m', kubeconfig);
    await vi.waitFor(
      () => expect(first.err()).toContain('approve m --step handover/n1 --kubeconfig=admin.kubeconfig'),
      waitMs,
    );
    expect(first.err()).toContain('log: polyanthus-runs/m.log (tail -f polyanthus-runs/m.log)');
    const second = await run('cluster', 'maintain', 'n1', '--name=other', kubeconfig);
    expect(second).toMatchObject({
      code: 1,
      out: 'other\n',
      err: said(/held by run polyanthus-runs\/m.*runbook abort m/),
    });
    const watching = start('runbook', 'watch', 'm', kubeconfig);
    await vi.waitFor(() => expect(watching.err()).toContain('Waiting'), waitMs);
    watching.child.kill('SIGINT');
    expect(await watching.ended).toMatchObject({ code: 130, err: said(/interrupted\n$/) });
    first.child.kill('SIGINT');
    expect(await first.ended).toMatchObject({
      code: 130,
      out: 'm\n',
      err: said(/to take it back: polyanthus runbook undo m --kubeconfig=admin\.kubeconfig\ninterrupted\n$/),
    });
    const lines = (await readFile(join(folder, 'polyanthus-runs', 'm.log'), 'utf8')).trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { event: string }).event)).toContain('taken');
    expect(await run('runbook', 'undo', 'm', kubeconfig)).toMatchObject({ code: 0 });
    expect(await run('runbook', 'pause', 'm', kubeconfig)).toMatchObject({ code: 1, err: said(/\(RunEnded\)/) });
    expect((await run('runbook', 'list', '-o', 'name', kubeconfig)).out.split('\n')).toHaveLength(3);
  },
  3 * waitMs,
);
