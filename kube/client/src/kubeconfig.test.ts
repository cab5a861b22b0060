import { constantFrom, array, assert, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { impersonationHeaders } from './credentials.ts';
import { checkExec } from './exec-credential.ts';
import { contextOf, kubeconfigFiles, mergeKubeconfigs, parseKubeconfig } from './kubeconfig.ts';

const first = `
current-context: ""
clusters:
- {name: c, cluster: {server: "https://first", certificate-authority: ca.crt}}
contexts:
- {name: x, context: {cluster: c, user: u}}
- {name: lost, context: {cluster: nowhere}}
- {name: no-user, context: {cluster: c, user: ghost}}
- {name: anonymous, context: {cluster: c, namespace: ""}}
users:
- name: u
  user: {client-certificate: ../u.crt, tokenFile: /abs/token, exec: {command: ./bin/plugin, apiVersion: client.authentication.k8s.io/v1}}
- name: v
  user: {exec: {command: plugin}, token: }
`;
const second = `
current-context: x
clusters:
- {name: c, cluster: {server: "https://second", tls-server-name: other}}
- {name: d, cluster: {server: "https://d"}}
`;
const merged = mergeKubeconfigs(
  [parseKubeconfig(first, '/home/a/.kube/config'), parseKubeconfig(second, '/etc/second')],
  ['/home/a/.kube/config', '/etc/second'],
);
const failing = (fn: () => unknown): string => {
  try {
    fn();
    return 'nothing was thrown';
  } catch (error) {
    return `${(error as { code?: string }).code ?? 'no code'}: ${(error as Error).message}`;
  }
};

describe('merging', () => {
  it('takes the whole entry of the first file and the first current-context that is set', () => {
    expect(merged.clusters.get('c')?.fields).toEqual({
      server: 'https://first',
      'certificate-authority': '/home/a/.kube/ca.crt',
    });
    expect(merged.clusters.get('d')?.fields.server).toBe('https://d');
    expect(merged.currentContext).toBe('x');
  });

  it('resolves paths against the file of the entry, and leaves commands of the PATH alone', () => {
    expect(merged.users.get('u')?.fields).toMatchObject({
      'client-certificate': '/home/a/u.crt',
      tokenFile: '/abs/token',
      exec: { command: '/home/a/.kube/bin/plugin' },
    });
    expect(merged.users.get('v')?.fields).toEqual({ exec: { command: 'plugin' } });
  });
});

describe('contextOf', () => {
  it('gives the current context with cluster, user and namespace', () => {
    expect(contextOf(merged)).toMatchObject({
      name: 'x',
      namespace: 'default',
      cluster: { name: 'c' },
      user: { name: 'u' },
    });
    expect(contextOf(merged, 'anonymous').user.fields).toEqual({});
  });

  it('names what is missing, and the file', () => {
    expect(failing(() => contextOf(merged, 'y'))).toBe(
      'KubeconfigContextMissing: /home/a/.kube/config, /etc/second: there is no context "y"',
    );
    expect(failing(() => contextOf(merged, 'lost'))).toBe(
      'KubeconfigContextMissing: /home/a/.kube/config: the context "lost" names the cluster "nowhere", which does not exist',
    );
    expect(failing(() => contextOf(merged, 'no-user'))).toContain('names the user "ghost"');
    expect(failing(() => contextOf(mergeKubeconfigs([])))).toBe(
      'KubeconfigContextMissing: the kubeconfig: no current-context is set',
    );
  });
});

describe('files', () => {
  it('are the flag, else the list of KUBECONFIG without doubles, else the one at home', () => {
    expect(kubeconfigFiles({ KUBECONFIG: '/a::/b:/a', HOME: '/h' }, '/flag')).toEqual({
      files: ['/flag'],
      explicit: true,
    });
    expect(kubeconfigFiles({ KUBECONFIG: '/a::/b:/a', HOME: '/h' })).toEqual({ files: ['/a', '/b'], explicit: false });
    expect(kubeconfigFiles({ HOME: '/h' })).toEqual({ files: ['/h/.kube/config'], explicit: false });
  });
});

describe('what cannot be read', () => {
  it('names file, entry and field, never a value', () => {
    const bad = (text: string) => failing(() => parseKubeconfig(text, 'f'));
    expect(bad('users:\n- {name: u, user: {token: 12345}}')).toBe(
      'KubeconfigUnreadable: kubeconfig f: user u: token is not of the right type',
    );
    expect(bad('clusters: {}')).toBe('KubeconfigUnreadable: kubeconfig f: clusters is not a list');
    expect(bad('clusters: [x]')).toBe('KubeconfigUnreadable: kubeconfig f: clusters[0] is not a mapping with a name');
    expect(bad('clusters: [{name: a}, {name: a}]')).toBe(
      'KubeconfigUnreadable: kubeconfig f: clusters has the name "a" twice',
    );
    expect(bad('users:\n- {name: u, user: {exec: {args: [1]}}}')).toBe(
      'KubeconfigUnreadable: kubeconfig f: user u: exec.args is not of the right type',
    );
    expect(bad('a: [')).toMatch(/^KubeconfigUnreadable: kubeconfig f:1:\d+: /);
  });

  it('is an error with a code whatever the text', () => {
    const piece = constantFrom(
      'clusters',
      'users',
      'contexts',
      ': ',
      '\n',
      '- ',
      '  ',
      'name',
      'user',
      'cluster',
      '{',
      '}',
      '[',
      ']',
      'exec',
      'null',
      '1',
      '"x"',
      'current-context',
      ', ',
    );
    assert(
      property(array(piece, { maxLength: 24 }), (pieces) => {
        expect(failing(() => mergeKubeconfigs([parseKubeconfig(pieces.join(''), 'f')]))).toMatch(
          /^nothing was thrown$|^KubeconfigUnreadable: kubeconfig f/,
        );
      }),
      { numRuns: 2000, interruptAfterTimeLimit: 2000 },
    );
  });
});

describe('users', () => {
  it('impersonate with escaped extra keys', () => {
    const headers = impersonationHeaders(
      { as: 'a', 'as-uid': 'u', 'as-groups': ['g', 'h'], 'as-user-extra': { 'Acme.com/Dept': ['x', 'y'] } },
      'me',
    );
    expect(headers).toEqual({
      'impersonate-user': 'a',
      'impersonate-uid': 'u',
      'impersonate-group': ['g', 'h'],
      'impersonate-extra-acme.com%2Fdept': ['x', 'y'],
    });
    expect(failing(() => impersonationHeaders({ 'as-groups': ['g'] }, 'me'))).toBe(
      'KubeconfigInvalid: user "me": as-uid, as-groups and as-user-extra need `as`',
    );
  });

  it('may not use plugins of v1alpha1, nor v1 without interactiveMode', () => {
    const check = (apiVersion: string, interactiveMode?: string) =>
      failing(() =>
        checkExec({ command: 'p', apiVersion, ...(interactiveMode === undefined ? {} : { interactiveMode }) }, 'u'),
      );
    expect(check('client.authentication.k8s.io/v1alpha1')).toContain(
      'CredentialUnsupported: user "u": exec.apiVersion "client.authentication.k8s.io/v1alpha1" is not supported',
    );
    expect(check('client.authentication.k8s.io/v1')).toContain('interactiveMode must be set');
    expect(check('client.authentication.k8s.io/v1', 'Sometimes')).toContain('is not Never, IfAvailable or Always');
    expect([check('client.authentication.k8s.io/v1', 'Never'), check('client.authentication.k8s.io/v1beta1')]).toEqual([
      'nothing was thrown',
      'nothing was thrown',
    ]);
  });
});
