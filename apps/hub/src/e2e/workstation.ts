/** The lab's workstation: programs in its network, kubectl above all, as users of clusters on the lab's hosts run them. */
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createCsr } from '@polyanthus/ground-pki/authority';
import { generateKey } from '@polyanthus/ground-pki/keys';
import type { Hosts } from '../../../../lab/src/hosts.ts';
import { binary } from '../../../../lab/src/parts.ts';
import { run, start, type Running, type RunOptions, type Said } from './processes.ts';

/** Of the hosts' cluster and of kubectl, unless said otherwise. */
export const kubernetesVersion = '1.37.2';

/** Which kubectl. */
export interface KubectlOptions {
  readonly version?: '1.37.2' | '1.32.13';
}

/** Hosts and a folder for the files of their users. */
export class Workstation {
  readonly hosts: Hosts;
  readonly folder: string;

  constructor(hosts: Hosts, folder: string) {
    this.hosts = hosts;
    this.folder = folder;
  }

  /** Of the hosts' cluster, as its administrator, not through a hub. */
  get clusterKubeconfig(): string {
    return join(this.folder, 'admin.conf');
  }

  /** Runs a program on the workstation to its end. */
  onWorkstation(program: string, args: readonly string[], options?: RunOptions): Promise<Said> {
    return run('ip', ['netns', 'exec', this.hosts.namespace('ws'), program, ...args], options);
  }

  /** Starts a program on the workstation that goes on. */
  begin(program: string, ...args: readonly string[]): Running {
    return start('ip', ['netns', 'exec', this.hosts.namespace('ws'), program, ...args], { HOME: this.folder });
  }

  /** kubectl with a kubeconfig; a code other than 0 is an answer. */
  kubectl(kubeconfig: string, args: readonly string[], options: RunOptions & KubectlOptions = {}): Promise<Said> {
    return this.onWorkstation(kubectlPath(options.version), [`--kubeconfig=${kubeconfig}`, ...args], options);
  }

  /** The same; throws when it fails. Answers what it printed. */
  async ask(kubeconfig: string, args: readonly string[], options?: RunOptions & KubectlOptions): Promise<string> {
    return must(await this.kubectl(kubeconfig, args, options), `kubectl ${args.join(' ')}`).out;
  }

  /** kubectl that goes on. */
  beginKubectl(kubeconfig: string, args: readonly string[], options: RunOptions & KubectlOptions = {}): Running {
    const command = [kubectlPath(options.version), `--kubeconfig=${kubeconfig}`, ...args];
    return start('ip', ['netns', 'exec', this.hosts.namespace('ws'), ...command], options.env);
  }

  /** A client certificate by a request that the user of `kubeconfig` approves: kubectl's flags for it. */
  async certified(kubeconfig: string, name: string): Promise<readonly [cert: string, key: string]> {
    const keys = await generateKey();
    const request = Buffer.from(await createCsr(keys, name)).toString('base64');
    const csrName = `user-${randomUUID()}`;
    const csr = {
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      metadata: { name: csrName },
      spec: { request, signerName: 'kubernetes.io/kube-apiserver-client', usages: ['client auth'] },
    };
    await this.ask(kubeconfig, ['create', '-f', '-'], { stdin: JSON.stringify(csr) });
    await this.ask(kubeconfig, ['certificate', 'approve', csrName]);
    await this.ask(kubeconfig, ['wait', '--for=jsonpath={.status.certificate}', `csr/${csrName}`, '--timeout=60s']);
    const certificate = await this.ask(kubeconfig, ['get', `csr/${csrName}`, '-o=jsonpath={.status.certificate}']);
    const [cert, key] = [join(this.folder, `${csrName}.crt`), join(this.folder, `${csrName}.key`)];
    await writeFile(cert, Buffer.from(certificate, 'base64'));
    await writeFile(key, keys.privateKeyPem, { mode: 0o600 });
    return [`--client-certificate=${cert}`, `--client-key=${key}`];
  }
}

function kubectlPath(version: KubectlOptions['version'] = kubernetesVersion): string {
  return binary('kubectl', version) ?? 'kubectl';
}

/** What was said; throws when the code is not 0. */
export function must(said: Said, what: string): Said {
  if (said.code !== 0) throw new Error(`${what} ended with ${said.code}: ${said.err.slice(-2000)}`);
  return said;
}
