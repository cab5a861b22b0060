/** A hub as pods on one real host: what `polyanthus hub manifests` prints, applied, running from our image. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gatewayPath } from '@polyanthus/domains-fleet/membership-names';
import { kubeconfigText } from '../../../../lab/src/control-plane.ts';
import { prepareMedia, startHosts, type Hosts } from '../../../../lab/src/hosts.ts';
import { startCluster } from '../../../../lab/src/kubeadm.ts';
import { buildHostImage, type HostImage } from './host-image.ts';
import { bundle, run, type Running, type Said } from './processes.ts';
import { kubernetesVersion, must, Workstation } from './workstation.ts';

/** Where the hub's pods are. */
export const hubSystem = '--namespace=polyanthus-system';
const hubUrlInCluster = 'https://polyanthus-hub.polyanthus-system.svc';

/** The host's cluster, the hub in it, and both their users. */
export class PodHub extends Workstation {
  readonly image: HostImage;
  readonly #main: string;
  /** By the Service's port on the host, as users outside of the cluster come. */
  url = '';

  private constructor(hosts: Hosts, folder: string, main: string, image: HostImage) {
    super(hosts, folder);
    this.image = image;
    this.#main = main;
  }

  /** Starts a host with a cluster that has the image; the hub is not there yet. */
  static async start(): Promise<PodHub> {
    const folder = await mkdtemp(join(tmpdir(), 'polyanthus-pods-'));
    await prepareMedia(kubernetesVersion);
    const image = await buildHostImage(folder);
    const main = await bundle(folder);
    const hub = new PodHub(await startHosts(1), folder, main, image);
    try {
      const kubeconfig = await startCluster(hub.hosts, kubernetesVersion);
      await writeFile(hub.clusterKubeconfig, kubeconfig, { mode: 0o600 });
      await image.importOn(hub.hosts, 'h1');
      // The agent finds the hub by the name of its Service.
      await hub.admin('rollout', 'status', 'deployment/coredns', '--namespace=kube-system', '--timeout=110s');
      return hub;
    } catch (error) {
      await hub.stop();
      throw error;
    }
  }

  /** kubectl straight at the cluster, as its administrator. */
  admin(...args: readonly string[]): Promise<string> {
    return this.ask(this.clusterKubeconfig, args);
  }

  /** Applies the manifests and waits for the Deployment. */
  async install(replicas: number): Promise<void> {
    const choice = [`--replicas=${replicas}`, `--image=${this.image.name}`, '--service-type=NodePort'];
    const names = `--host-name=${this.hosts.address('h1')}`;
    const printed = must(await run(process.execPath, [this.#main, 'hub', 'manifests', ...choice, names]), 'manifests');
    await this.ask(this.clusterKubeconfig, ['apply', '--server-side', '-f', '-'], { stdin: printed.out });
    await this.admin('rollout', 'status', 'deployment/polyanthus-hub', hubSystem, '--timeout=110s');
    const port = await this.admin('get', 'service/polyanthus-hub', hubSystem, '-o=jsonpath={.spec.ports[0].nodePort}');
    this.url = `https://${this.hosts.address('h1')}:${port}`;
    const ca = await this.admin(
      'get',
      'secret/polyanthus-hub-identity',
      hubSystem,
      '-o=jsonpath={.data.serving-ca\\.crt}',
    );
    await writeFile(this.hubCaFile, Buffer.from(ca, 'base64'));
    await this.#writeHubKubeconfig(Buffer.from(ca, 'base64').toString('utf8'));
  }

  get hubCaFile(): string {
    return join(this.folder, 'hub-ca.pem');
  }
  /** Of the hub, as an administrator by a token of its cluster. */
  get hubKubeconfig(): string {
    return join(this.folder, 'hub.kubeconfig');
  }

  async #writeHubKubeconfig(caPem: string): Promise<void> {
    await this.admin('create', 'serviceaccount', 'operator');
    const binding = ['operator', '--clusterrole=cluster-admin', '--serviceaccount=default:operator'];
    await this.admin('create', 'clusterrolebinding', ...binding);
    const token = (await this.admin('create', 'token', 'operator')).trim();
    await writeFile(this.hubKubeconfig, kubeconfigText(this.url, caPem, token), { mode: 0o600 });
  }

  /** `polyanthus fleet …` as that administrator; throws when it fails. */
  async fleet(...args: readonly string[]): Promise<Said> {
    const command = [this.#main, 'fleet', ...args, `--hub-kubeconfig=${this.hubKubeconfig}`];
    return must(await this.onWorkstation(process.execPath, command, { timeoutMs: 200_000 }), `fleet ${args[0] ?? ''}`);
  }

  /** Joins the hub's own cluster as membership h1; its agent dials the hub's Service. */
  join(): Promise<Said> {
    const agent = ['--agent=deploy', `--image=${this.image.name}`, `--hub-url=${hubUrlInCluster}`];
    return this.fleet('register', 'h1', ...agent, `--kubeconfig=${this.clusterKubeconfig}`);
  }

  /** A kubeconfig to h1 through the hub, and one of the hub itself, by a certificate of the hub's cluster. */
  async userKubeconfigs(name: string): Promise<{
    readonly member: string;
    readonly hub: string;
    readonly certificate: readonly [cert: string, key: string];
  }> {
    const certificate = await this.certified(this.clusterKubeconfig, name);
    const write = async (file: string, server: string): Promise<string> => {
      const path = join(this.folder, file);
      const cluster = [`--server=${server}`, `--certificate-authority=${this.hubCaFile}`];
      await this.ask(path, ['config', 'set-cluster', 'c', ...cluster]);
      await this.ask(path, ['config', 'set-credentials', 'u', ...certificate]);
      await this.ask(path, ['config', 'set-context', 'c', '--cluster=c', '--user=u']);
      await this.ask(path, ['config', 'use-context', 'c']);
      return path;
    };
    return {
      member: await write(`${name}-h1`, this.url + gatewayPath('default', 'h1')),
      hub: await write(`${name}-hub`, this.url),
      certificate,
    };
  }

  /** Calls a path of h1 through the hub ten times a second until it is stopped. */
  calls(path: string, [cert, key]: readonly [cert: string, key: string]): Running {
    const files = [this.hubCaFile, ...[cert, key].map((flag) => flag.slice(flag.indexOf('=') + 1))];
    const program = join(import.meta.dirname, 'calls.ts');
    return this.begin(process.execPath, program, this.url + gatewayPath('default', 'h1') + path, ...files);
  }

  /** Ends everything and wipes the host. */
  async stop(): Promise<void> {
    await this.hosts.stop();
    await this.image.remove();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
