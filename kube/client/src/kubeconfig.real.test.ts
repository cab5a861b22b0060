/** The real kubectl reads the same files: what it merges and flattens is what we load. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, isAbsolute, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { binaries, whyNotReal } from '../../../lab/src/parts.ts';
import { kubeconfigFiles, loadKubeconfig, type Kubeconfig } from './kubeconfig.ts';
import type { Entry, ExecFields } from './kubeconfig-entries.ts';
import { writeKubeconfigContext } from './kubeconfig-write.ts';

const run = promisify(execFile);
const why = whyNotReal(['kubectl', '1.37.2'], ['kubectl', '1.32.13']);
const kubectls = binaries('kubectl');

interface View {
  readonly 'current-context': string;
  readonly clusters: readonly Named[] | null;
  readonly users: readonly Named[] | null;
  readonly contexts: readonly Named[] | null;
}
type Named = { readonly name: string } & Record<string, unknown>;

/** Our result in kubectl's flattened form: files inlined, entries by name. */
async function flattened(config: Kubeconfig): Promise<View> {
  return {
    'current-context': config.currentContext,
    clusters: await entries(config.clusters, 'cluster'),
    users: await entries(config.users, 'user'),
    contexts: await entries(config.contexts, 'context'),
  };
}

async function entries(map: ReadonlyMap<string, Entry<object>>, singular: string): Promise<Named[]> {
  const out: Named[] = [];
  for (const [name, entry] of [...map].sort(([a], [b]) => (a < b ? -1 : 1)))
    out.push({ name, [singular]: await inlined(entry.fields as Record<string, unknown>) });
  return out;
}

async function inlined(fields: Record<string, unknown>): Promise<Record<string, unknown>> {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) {
    const isFile = ['certificate-authority', 'client-certificate', 'client-key'].includes(key);
    // What an empty or false field says is the same as its absence.
    if (value === '' || value === false || (Array.isArray(value) && value.length === 0)) continue;
    if (isFile) out[`${key}-data`] = (await readFile(value as string)).toString('base64');
    // kubectl resolves a command when it runs it, and shows it as it stands in the file.
    else if (key === 'exec' && isAbsolute((value as ExecFields).command ?? ''))
      out[key] = { ...(value as ExecFields), command: `./bin/${basename((value as ExecFields).command ?? '')}` };
    else out[key] = value;
  }
  return out;
}

/** kubectl adds defaults of its own to exec entries. */
function comparable(view: View): unknown {
  return JSON.parse(JSON.stringify(view), (key, value: unknown) =>
    ['provideClusterInfo', 'interactiveMode', 'env', 'args'].includes(key) && isEmpty(key, value) ? undefined : value,
  );
}

function isEmpty(key: string, value: unknown): boolean {
  return value === null || value === false || (key === 'interactiveMode' && value === 'IfAvailable');
}

const files: Readonly<Record<string, string>> = {
  one: `
apiVersion: v1
kind: Config
current-context: ""
clusters:
- {name: shared, cluster: {server: "https://one:6443", certificate-authority: pki/ca.crt}}
- {name: skip, cluster: {server: "https://skip", insecure-skip-tls-verify: true, tls-server-name: other, proxy-url: "http://proxy:3128"}}
contexts:
- {name: a, context: {cluster: shared, user: cert, namespace: team}}
users:
- {name: cert, user: {client-certificate: pki/c.crt, client-key: pki/c.key}}
- {name: imp, user: {token: t, as: eve, as-uid: u1, as-groups: [g, h], as-user-extra: {dept: [x]}}}
`,
  two: `
apiVersion: v1
kind: Config
current-context: b
clusters:
- {name: shared, cluster: {server: "https://two", tls-server-name: never-seen}}
contexts:
- {name: a, context: {cluster: skip, user: nobody}}
- {name: b, context: {cluster: shared, user: plugin}}
users:
- name: plugin
  user: {exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: ./bin/login, args: [--x], env: [{name: A, value: "1"}], installHint: get it}}
- {name: basic, user: {username: yes-it-is, password: "0777"}}
`,
  three: 'apiVersion: v1\nkind: Config\ncurrent-context: last\n',
};

describe.skipIf(why !== undefined)(why ?? 'kubectl config view', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'polyanthus-kubeconfig-'));
    for (const name of Object.keys(files)) {
      await mkdir(join(folder, name, 'pki'), { recursive: true });
      await writeFile(join(folder, name, 'config'), files[name] ?? '');
      for (const pem of ['ca.crt', 'c.crt', 'c.key']) await writeFile(join(folder, name, 'pki', pem), `${name} ${pem}`);
    }
  });
  afterAll(() => rm(folder, { recursive: true }));
  const view = async (kubectl: string, env: Record<string, string>): Promise<View> => {
    const { stdout } = await run(kubectl, ['config', 'view', '--merge', '--flatten', '--raw', '-o', 'json'], { env });
    return JSON.parse(stdout) as View;
  };

  for (const kubectl of kubectls) {
    for (const order of [['one'], ['one', 'two'], ['two', 'one'], ['three', 'two', 'one'], ['missing', 'one', 'one']]) {
      it(`${kubectl} merges ${order.join(':')} as we do`, async () => {
        const env = { HOME: folder, KUBECONFIG: order.map((name) => join(folder, name, 'config')).join(':') };
        const theirs = await view(kubectl, env);
        const mine = await flattened(await loadKubeconfig(kubeconfigFiles(env)));
        expect(comparable(mine)).toEqual(
          comparable({
            'current-context': theirs['current-context'],
            clusters: theirs.clusters ?? [],
            users: theirs.users ?? [],
            contexts: theirs.contexts ?? [],
          }),
        );
      });
    }

    it(`${kubectl} reads what we write`, async () => {
      const path = join(folder, `written-${kubectls.indexOf(kubectl)}`);
      const user = {
        exec: {
          apiVersion: 'client.authentication.k8s.io/v1',
          command: 'polyanthus',
          args: ['login', 'yes', '0x1F'],
          interactiveMode: 'IfAvailable',
        },
      };
      await writeKubeconfigContext(path, {
        name: 'fleet_a',
        namespace: 'on',
        cluster: { name: 'fleet_a', fields: { server: 'https://hub/v1/x' } },
        user: { name: 'hub', fields: user },
        setCurrent: true,
      });
      const theirs = await view(kubectl, { HOME: folder, KUBECONFIG: path });
      expect(comparable(theirs)).toMatchObject({
        'current-context': 'fleet_a',
        contexts: [{ name: 'fleet_a', context: { cluster: 'fleet_a', user: 'hub', namespace: 'on' } }],
      });
      expect(theirs.users).toMatchObject([
        { name: 'hub', user: { exec: { command: 'polyanthus', args: ['login', 'yes', '0x1F'] } } },
      ]);
    });
  }
});
