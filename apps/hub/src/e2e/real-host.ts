/**
 * A hub on the lab's workstation and one real host that is joined to it by the agent's Deployment from our image. What
 * runs here runs in the workstation's network, as its users would.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepareMedia, startHosts, type Hosts } from '../../../../lab/src/hosts.ts';
import { startCluster } from '../../../../lab/src/kubeadm.ts';
import { buildHostImage, type HostImage } from './host-image.ts';
import { bundle, type Running, type Said } from './processes.ts';
import { kubernetesVersion, must, Workstation } from './workstation.ts';

/** Address of the workstation, which every host reaches. */
const hubAddress = '10.88.0.1:8443';

/** Host, hub and their users. */
export class RealHost extends Workstation {
  /** What the agent's containers run. */
  readonly image: HostImage;
  readonly #main: string;
  #hub: Running | undefined;

  private constructor(hosts: Hosts, folder: string, main: string, image: HostImage) {
    super(hosts, folder);
    this.image = image;
    this.#main = main;
  }

  /** Builds the image, starts host and hub; the host has the image and is not joined yet. */
  static async start(): Promise<RealHost> {
    const folder = await mkdtemp(join(tmpdir(), 'polyanthus-host-'));
    await prepareMedia(kubernetesVersion);
    const image = await buildHostImage(folder);
    const main = await bundle(folder);
    const host = new RealHost(await startHosts(1), folder, main, image);
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
    await this.image.importOn(this.hosts, 'h1');
    const data = `--data-dir=${join(this.folder, 'hub')}`;
    this.#hub = this.begin(process.execPath, this.#main, 'up', data, `--listen=${hubAddress}`, '--host-name=10.88.0.1');
    await this.#hub.saying(/The hub serves at \S+/);
  }

  get hubKubeconfig(): string {
    return join(this.folder, 'hub/admin.kubeconfig');
  }

  /** `polyanthus fleet …` as the hub's administrator; throws when it fails. */
  async fleet(...args: readonly string[]): Promise<Said> {
    const command = [this.#main, 'fleet', ...args, `--hub-kubeconfig=${this.hubKubeconfig}`];
    return must(await this.onWorkstation(process.execPath, command, { timeoutMs: 200_000 }), `fleet ${args[0] ?? ''}`);
  }

  /** A kubeconfig of a hub user, by a certificate that the hub's administrator approved, that leads to membership h1. */
  async userKubeconfig(name: string): Promise<string> {
    const credentials = await this.certified(this.hubKubeconfig, name);
    const file = join(this.folder, `${name}.kubeconfig`);
    await this.fleet('get-credentials', 'h1', `--kubeconfig=${file}`);
    const context = (await this.ask(file, ['config', 'current-context'])).trim();
    await this.ask(file, ['config', 'set-credentials', 'user', ...credentials, '--embed-certs']);
    await this.ask(file, ['config', 'set-context', context, '--user=user']);
    return file;
  }

  /** Ends everything and wipes the host. */
  async stop(): Promise<void> {
    await this.#hub?.stop();
    await this.hosts.stop();
    await this.image.remove();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
