/**
 * A hub on the lab's workstation and one real host that is joined to it by the agent's Deployment from our image. What
 * runs here runs in the workstation's network, as its users would.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { background } from '@polyanthus/ground-base/context';
import { createCsr } from '@polyanthus/ground-pki/authority';
import { generateKey } from '@polyanthus/ground-pki/keys';
import { mediaFolder, prepareMedia, startHosts, type Hosts } from '../../../../lab/src/hosts.ts';
import { packLayout } from '../../../../lab/src/images.ts';
import { startCluster } from '../../../../lab/src/kubeadm.ts';
import { binary, cacheFolder } from '../../../../lab/src/parts.ts';
import { buildImage, imageName } from '../../../image/src/build-image.ts';
import { bundle, run, start, type Running, type RunOptions, type Said } from './processes.ts';

/** Address of the workstation, which every host reaches. */
const hubAddress = '10.88.0.1:8443';
const kubernetesVersion = '1.37.2';

/** Host, hub and their users. */
export class RealHost {
  readonly hosts: Hosts;
  readonly folder: string;
  /** What the agent's containers run. */
  readonly image: { readonly digest: string; readonly bytes: number };
  readonly #main: string;
  readonly #archive: string;
  #hub: Running | undefined;

  private constructor(hosts: Hosts, folder: string, main: string, image: RealHost['image'], archive: string) {
    this.hosts = hosts;
    this.folder = folder;
    this.image = image;
    this.#main = main;
    this.#archive = archive;
  }

  /** Builds the image, starts host and hub; the host has the image and is not joined yet. */
  static async start(): Promise<RealHost> {
    const folder = await mkdtemp(join(tmpdir(), 'polyanthus-host-'));
    await prepareMedia(kubernetesVersion);
    const archive = join(mediaFolder, `images/polyanthus-${process.pid}.tar`);
    const layout = join(folder, 'layout');
    const built = await buildImage(background(), {
      output: layout,
      name: imageName,
      compression: 'none',
      cacheFolder: join(cacheFolder, 'debian-packages'),
    });
    await packLayout(layout, archive);
    const main = await bundle(folder);
    const hosts = await startHosts(1);
    const host = new RealHost(hosts, folder, main, built, archive);
    try {
      await host.#begin();
      return host;
    } catch (error) {
      await host.stop();
      throw error;
    }
  }

  async #begin(): Promise<void> {
    await writeFile(this.clusterKubeconfig, await startCluster(this.hosts, kubernetesVersion), { mode: 0o600 });
    const archive = `/media/lab/images/polyanthus-${process.pid}.tar`;
    const imported = await this.hosts.ssh('h1', `ctr -n k8s.io images import --local ${archive}`);
    if (imported.code !== 0) throw new Error(`the image was not imported: ${imported.stderr}`);
    const data = `--data-dir=${join(this.folder, 'hub')}`;
    this.#hub = this.begin(process.execPath, this.#main, 'up', data, `--listen=${hubAddress}`, '--host-name=10.88.0.1');
    await this.#hub.saying(/The hub serves at \S+/);
  }

  /** Of the host's cluster, as its administrator, not through the hub. */
  get clusterKubeconfig(): string {
    return join(this.folder, 'admin.conf');
  }
  get hubKubeconfig(): string {
    return join(this.folder, 'hub/admin.kubeconfig');
  }

  /** Runs a program on the workstation to its end. */
  onWorkstation(program: string, args: readonly string[], options?: RunOptions): Promise<Said> {
    return run('ip', ['netns', 'exec', this.hosts.namespace('ws'), program, ...args], options);
  }

  /** Starts a program on the workstation that goes on. */
  begin(program: string, ...args: readonly string[]): Running {
    return start('ip', ['netns', 'exec', this.hosts.namespace('ws'), program, ...args], { HOME: this.folder });
  }

  /** `polyanthus fleet …` as the hub's administrator; throws when it fails. */
  async fleet(...args: readonly string[]): Promise<Said> {
    const command = [this.#main, 'fleet', ...args, `--hub-kubeconfig=${this.hubKubeconfig}`];
    return must(await this.onWorkstation(process.execPath, command, { timeoutMs: 200_000 }), `fleet ${args[0] ?? ''}`);
  }

  /** kubectl with a kubeconfig; a code other than 0 is an answer. */
  kubectl(kubeconfig: string, args: readonly string[], options: RunOptions & KubectlOptions = {}): Promise<Said> {
    return this.onWorkstation(kubectlPath(options.version), [`--kubeconfig=${kubeconfig}`, ...args], {
      timeoutMs: 120_000,
      ...options,
    });
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

  /** A kubeconfig of a hub user, by a certificate that the hub's administrator approved, that leads to membership h1. */
  async userKubeconfig(name: string): Promise<string> {
    const keys = await generateKey();
    const request = Buffer.from(await createCsr(keys, name)).toString('base64');
    const csr = {
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      metadata: { name: 'user' },
      spec: { request, signerName: 'kubernetes.io/kube-apiserver-client', usages: ['client auth'] },
    };
    await this.ask(this.hubKubeconfig, ['create', '-f', '-'], { stdin: JSON.stringify(csr) });
    await this.ask(this.hubKubeconfig, ['certificate', 'approve', 'user']);
    const issued = ['wait', '--for=jsonpath={.status.certificate}', 'csr/user', '--timeout=10s'];
    await this.ask(this.hubKubeconfig, issued);
    const certificate = await this.ask(this.hubKubeconfig, ['get', 'csr/user', '-o=jsonpath={.status.certificate}']);
    const file = join(this.folder, `${name}.kubeconfig`);
    await this.fleet('get-credentials', 'h1', `--kubeconfig=${file}`);
    const context = (await this.ask(file, ['config', 'current-context'])).trim();
    const [cert, key] = [join(this.folder, 'user.crt'), join(this.folder, 'user.key')];
    await writeFile(cert, Buffer.from(certificate, 'base64'));
    await writeFile(key, keys.privateKeyPem, { mode: 0o600 });
    const credentials = [`--client-certificate=${cert}`, `--client-key=${key}`, '--embed-certs'];
    await this.ask(file, ['config', 'set-credentials', 'user', ...credentials]);
    await this.ask(file, ['config', 'set-context', context, '--user=user']);
    return file;
  }

  /** Ends everything and wipes the host. */
  async stop(): Promise<void> {
    await this.#hub?.stop();
    await this.hosts.stop();
    await rm(this.#archive, { force: true });
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Which kubectl; the newest unless said otherwise. */
export interface KubectlOptions {
  readonly version?: '1.37.2' | '1.32.13';
}

function kubectlPath(version: KubectlOptions['version'] = kubernetesVersion): string {
  return binary('kubectl', version) ?? 'kubectl';
}

function must(said: Said, what: string): Said {
  if (said.code !== 0) throw new Error(`${what} ended with ${said.code}: ${said.err.slice(-2000)}`);
  return said;
}
