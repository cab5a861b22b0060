/** The fleet's commands against a hub with members: what they print, and how they end. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { demoServes, startDemo, temporaryFolder, type TestProcess } from '@polyanthus/apps-hub/testing';
import { parseYaml } from '@polyanthus/ground-yaml/parse';
import { polyanthus, type Transcript } from './testing.ts';

let folder: string;
let demo: TestProcess;
const at = (name: string): string => join(folder, name);
/** The hub's kubeconfig has members' contexts, too, and one of those is the current one. */
const run = (...args: readonly string[]): Promise<Transcript> =>
  polyanthus(args, { HOME: folder, POLYANTHUS_KUBECONFIG: at('hub.kubeconfig') });

async function good(...args: readonly string[]): Promise<string> {
  const answer = await run(...args);
  expect(answer, args.join(' ')).toMatchObject({ code: 0, stderr: '' });
  return answer.stdout;
}

async function bad(code: number, ...args: readonly string[]): Promise<string> {
  const answer = await run(...args);
  expect(answer, args.join(' ')).toMatchObject({ code, stdout: '' });
  return answer.stderr;
}

beforeAll(async () => {
  folder = await temporaryFolder();
  demo = startDemo(at('demo'));
  await demo.until(demoServes);
  const text = await readFile(at('demo/admin.kubeconfig'), 'utf8');
  await writeFile(at('hub.kubeconfig'), text.replace(/^current-context: .*$/m, 'current-context: hub'));
  // What the hub knows of a member is recorded a moment after its tunnel opens.
  const known = async (): Promise<void> => expect((await good('fleet', 'list')).match(/ True +v1/g)).toHaveLength(3);
  await vi.waitFor(known, { timeout: 20_000 });
});
afterAll(async () => {
  demo.kill('SIGINT');
  await demo.ended;
  await rm(folder, { recursive: true, force: true });
});

describe('fleet list and describe', () => {
  it('prints a table, and every format of -o', async () => {
    const table = (await good('fleet', 'list')).split('\n');
    expect(table[0]).toMatch(/^NAME +EXTERNAL_ID +STATE +CONNECTED +VERSION +AGE$/);
    expect(table[1]).toMatch(/^edge +[0-9a-f-]{36} +READY +True +v1\.37\.2\S* +\d+[sm]$/);
    expect((await good('fleet', 'list', '-o', 'wide')).split('\n')[0]).toMatch(/ NODES +AGENT +LAST_CONNECTION /);
    expect(await good('fleet', 'list', '-o', 'name')).toBe(
      ['edge', 'osaka', 'paris'].map((name) => `membership.fleet.polyanthus.dev/${name}\n`).join(''),
    );
    const json = JSON.parse(await good('fleet', 'list', '-o', 'json')) as { kind: string; items: unknown[] };
    expect(json).toMatchObject({ kind: 'List', apiVersion: 'v1' });
    expect(json.items).toHaveLength(3);
    expect(parseYaml(await good('fleet', 'list', '--output=yaml'))).toEqual(json);
    expect(await bad(2, 'fleet', 'list', '-o', 'xml')).toMatch(/xml.*json, yaml, wide, name[\s\S]*\(UsageError\)/);
  });

  it('shows one, says which one is missing, and where a fleet is empty', async () => {
    expect(parseYaml(await good('fleet', 'describe', 'paris'))).toMatchObject({ metadata: { name: 'paris' } });
    expect(JSON.parse(await good('fleet', 'describe', 'paris', '-o', 'json'))).toMatchObject({ kind: 'Membership' });
    expect(await bad(1, 'fleet', 'describe', 'rome')).toMatch(
      /memberships\.fleet\.polyanthus\.dev "rome" not found\nnext: .*polyanthus fleet list/,
    );
    expect(await bad(2, 'fleet', 'describe')).toContain('(UsageError)');
    expect(await good('fleet', 'list', `--hub-context=connectgateway_default_global_edge`)).toContain('osaka');
    expect(await good('fleet', 'list', '--fleet=empty')).toBe('No memberships in fleet empty.\n');
  });

  it('completes the names that the hub knows', async () => {
    expect(await good('__complete', 'fleet', 'describe', '')).toBe('edge\nosaka\nparis\n');
    expect(await good('__complete', 'fleet', 'get-credentials', 'o')).toBe('osaka\n');
  });
});

describe('fleet scopes, namespaces and bindings', () => {
  it('are made, listed and deleted by name', async () => {
    expect(await good('fleet', 'scopes', 'create', 'shop', '--display-name=The shop')).toBe(
      'scope.fleet.polyanthus.dev/shop created\n',
    );
    expect(await good('fleet', 'scopes', 'create', 'later', '--dry-run')).toContain('(server dry run)');
    expect(await good('fleet', 'scopes', 'list', '-o', 'name')).toBe('scope.fleet.polyanthus.dev/shop\n');
    expect(await good('__complete', 'fleet', 'scopes', 'add-member', '')).toBe('shop\n');
    expect(await good('__complete', 'fleet', 'scopes', 'add-member', 'shop', 'e')).toBe('edge\n');
    await good('fleet', 'scopes', 'add-member', 'shop', 'edge');
    await good('fleet', 'namespaces', 'create', 'web', '--scope=shop');
    expect(await good('fleet', 'namespaces', 'list')).toMatch(/^shop\.web +shop +web +\d+s$/m);
    await good('fleet', 'bindings', 'create', 'dev', '--scope=shop', '--user=ana@example.com', '--role=edit');
    expect(await good('fleet', 'bindings', 'list')).toMatch(/^dev +shop +ana@example\.com +EDIT +\d+s$/m);
    expect(
      await bad(1, 'fleet', 'bindings', 'create', 'x', '--scope=shop', '--user=a', '--group=b', '--role=edit'),
    ).toMatch(/exactly one of --user and --group[\s\S]*\(InvalidBinding\)/);
    expect(await bad(1, 'fleet', 'scopes', 'create', 'shop')).toContain('"shop" already exists');
    await good('fleet', 'bindings', 'delete', 'dev');
    await good('fleet', 'namespaces', 'delete', 'shop.web');
    await good('fleet', 'scopes', 'remove-member', 'shop', 'edge');
    await good('fleet', 'scopes', 'delete', 'shop');
    expect(await bad(1, 'fleet', 'scopes', 'delete', 'shop')).toContain('"shop" not found');
  });
});

describe('fleet get-credentials and register', () => {
  it('writes a context for a member and keeps what else is in the file', async () => {
    await writeFile(at('mine'), 'apiVersion: v1\nkind: Config\n# mine\nclusters: []\ncontexts: []\nusers: []\n');
    const answer = await run('fleet', 'get-credentials', 'osaka', `--kubeconfig=${at('mine')}`, '-n', 'web');
    expect(answer).toMatchObject({ code: 0, stdout: '' });
    const context = 'connectgateway_default_global_osaka_ns-web';
    expect(answer.stderr).toContain(context);
    const text = await readFile(at('mine'), 'utf8');
    expect(text).toContain('# mine');
    expect(parseYaml(text)).toMatchObject({
      'current-context': context,
      contexts: [{ name: context, context: { namespace: 'web' } }],
      clusters: [
        { cluster: { server: expect.stringMatching(/\/v1\/projects\/default\/.*\/memberships\/osaka$/) as string } },
      ],
    });
    expect(await bad(1, 'fleet', 'get-credentials', 'rome', `--kubeconfig=${at('mine')}`)).toContain('not found');
  });

  it('refuses a name that is taken, a name that is none, and a cluster that is not there', async () => {
    const osaka = `--kubeconfig=${at('demo/agents/osaka/member.kubeconfig')}`;
    expect((await run('fleet', 'register', 'paris', '--agent=external', osaka)).stderr).toContain('(NameTaken)');
    expect((await run('fleet', 'register', 'Paris!', '--agent=external', osaka)).stderr).toContain(
      '(InvalidMembershipName)',
    );
    const gone = (await readFile(at('demo/agents/osaka/member.kubeconfig'), 'utf8')).replace(
      /127\.0\.0\.1:\d+/,
      '127.0.0.1:1',
    );
    await writeFile(at('gone'), gone);
    const refused = await run('fleet', 'register', 'rome', '--agent=external', `--kubeconfig=${at('gone')}`);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/127\.0\.0\.1:1[\s\S]*next: /);
    expect((await run('fleet', 'register', 'rome', '--agent=external', `--kubeconfig=${at('none')}`)).stderr).toContain(
      at('none'),
    );
    expect(await good('fleet', 'list', '-o', 'name')).not.toContain('rome');
  });
});
