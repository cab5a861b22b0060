/** Two real hosts with a cluster, a service of three replicas with a budget, and `polyanthus cluster maintain` on them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { labKeyFile, prepareMedia, startHosts, type Hosts } from '../../../../lab/src/hosts.ts';
import { startCluster } from '../../../../lab/src/kubeadm.ts';
import { runsNamespace } from '@polyanthus/engine-runbook/kinds';
import type { LoadFigures } from '../../../../lab/src/load.ts';
import type { KillConfig, KillFigures } from './kill-each-step.ts';
import { bundle, type Running } from './processes.ts';
import { kubernetesVersion, must, Workstation } from './workstation.ts';

const nodePort = 30_080;
const waitMs = 200_000;
const killScript = join(import.meta.dirname, 'kill-each-step.ts');
const loadScript = join(import.meta.dirname, '../../../../lab/src/load.ts');

/** CoreDNS as a web server: its health endpoint keeps connections, and serves on for a while after SIGTERM (lameduck). */
const corefile = '.:1053 {\n  health :8080 {\n    lameduck 8s\n  }\n  ready :8181\n}\n';
const labels = { app: 'web' };
const objects = [
  { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'web' }, data: { Corefile: corefile } },
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: {
      replicas: 3,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: 30,
          containers: [
            {
              name: 'web',
              image: 'registry.k8s.io/coredns/coredns:v1.14.6',
              imagePullPolicy: 'IfNotPresent',
              args: ['-conf', '/etc/web/Corefile'],
              readinessProbe: { httpGet: { path: '/health', port: 8080 }, periodSeconds: 1 },
              volumeMounts: [{ name: 'conf', mountPath: '/etc/web' }],
            },
          ],
          volumes: [{ name: 'conf', configMap: { name: 'web' } }],
        },
      },
    },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web' },
    spec: { type: 'NodePort', selector: labels, ports: [{ port: 80, targetPort: 8080, nodePort }] },
  },
  {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'web' },
    spec: { minAvailable: 2, selector: { matchLabels: labels } },
  },
];

/** See the file's header. */
export class MaintainedHosts extends Workstation {
  readonly #main: string;

  private constructor(hosts: Hosts, folder: string, main: string) {
    super(hosts, folder);
    this.#main = main;
  }

  /** Starts it all and waits until the service is whole. */
  static async start(): Promise<MaintainedHosts> {
    const folder = await mkdtemp(join(tmpdir(), 'px-maint-'));
    await prepareMedia(kubernetesVersion);
    const main = await bundle(folder);
    const made = new MaintainedHosts(await startHosts(2), folder, main);
    try {
      await writeFile(made.clusterKubeconfig, await startCluster(made.hosts, kubernetesVersion), { mode: 0o600 });
      const addresses = made.hosts.names.map((name) => made.hosts.address(name));
      const scanned = must(await made.onWorkstation('ssh-keyscan', ['-t', 'ed25519', ...addresses]), 'ssh-keyscan');
      await writeFile(made.knownHostsFile, scanned.out);
      const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
      await made.admin(['apply', '-f', '-'], list);
      await made.admin(['rollout', 'status', 'deployment/web', '--timeout=110s']);
      return made;
    } catch (error) {
      await made.stop();
      throw error;
    }
  }

  get knownHostsFile(): string {
    return join(this.folder, 'known_hosts');
  }

  /** kubectl as administrator. */
  admin(args: readonly string[], stdin?: string): Promise<string> {
    return this.ask(this.clusterKubeconfig, args, stdin === undefined ? {} : { stdin });
  }

  /** `polyanthus …` on the cluster, in the folder of this fixture. */
  polyanthus(...args: readonly string[]): Running {
    const given = [...args, `--kubeconfig=${this.clusterKubeconfig}`];
    return this.begin('env', '-C', this.folder, process.execPath, this.#main, ...given);
  }

  /** `polyanthus cluster maintain` with a command that leaves a mark on the host and then takes so long. */
  maintain(name: string, nodes: readonly string[], seconds: number, ...more: readonly string[]): Running {
    return this.polyanthus(...this.#maintainArguments(name, nodes, seconds), ...more);
  }

  #maintainArguments(name: string, nodes: readonly string[], seconds: number): readonly string[] {
    const access = [`--ssh-key=${labKeyFile}`, `--known-hosts=${this.knownHostsFile}`];
    return ['cluster', 'maintain', ...nodes, `--name=${name}`, `--run=${commandOf(name, seconds)}`, ...access];
  }

  /** The same, its executor killed after each thing about a step that it stores; the last one ends by itself. */
  async killAtEachStep(name: string, nodes: readonly string[], seconds: number): Promise<KillFigures> {
    const config: KillConfig = {
      kubeconfig: this.clusterKubeconfig,
      proxied: join(this.folder, 'proxied.conf'),
      folder: this.folder,
      main: this.#main,
      run: name,
      first: this.#maintainArguments(name, nodes, seconds),
      next: ['runbook', 'resume', name],
    };
    const running = this.begin(process.execPath, killScript, JSON.stringify(config));
    if ((await running.ended) !== 0) throw new Error(`the run could not be killed: ${running.said()}`);
    return JSON.parse(running.said().trim().split('\n').at(-1) ?? '') as KillFigures;
  }

  /** `STEP/TARGET STATE` of every step of a run, in order. */
  async steps(run: string): Promise<readonly string[]> {
    const line = '{.spec.step}/{.spec.target.name} {.status.state}{"\\n"}';
    const path = `-o=jsonpath={range .items[*]}${line}{end}`;
    const label = `-l=runbook.polyanthus.dev/run=${run}`;
    return (await this.admin(['get', 'runsteps', `-n=${runsNamespace}`, label, path])).trim().split('\n');
  }

  /** Claims of runs on nodes. */
  async nodeClaims(): Promise<string> {
    return this.admin([
      'get',
      'nodes',
      '-o=jsonpath={.items[*].metadata.annotations.runbook\\.polyanthus\\.dev/claim}',
    ]);
  }

  /** The claim that a host keeps: cluster (`-` once it was given back), epoch and holder. */
  async hostClaim(host: string): Promise<readonly string[]> {
    const { stdout } = await this.hosts.ssh(host, 'cat /var/lib/polyanthus/host/claim');
    return stdout.trim().split('\t').slice(0, 3);
  }

  /** Units of a run that a host began, by its journal. */
  async begun(host: string, run: string): Promise<readonly string[]> {
    const { stdout } = await this.hosts.ssh(host, 'grep ^begin /var/lib/polyanthus/host/journal | cut -f5');
    return stdout.split('\n').filter((unit) => unit.startsWith(`polyanthus-${run}-`));
  }

  /** The boot id of a host. */
  async bootId(host: string): Promise<string> {
    return (await this.hosts.ssh(host, 'cat /proc/sys/kernel/random/boot_id')).stdout.trim();
  }

  /** Follows the budget; the function ends it, and answers the fewest healthy pods of all that were seen, and how many it wants. */
  followBudget(): () => Promise<{ readonly fewest: number; readonly wanted: number }> {
    const path = '-o=jsonpath={.status.currentHealthy}/{.status.desiredHealthy} ';
    const running = this.beginKubectl(this.clusterKubeconfig, ['get', 'pdb', 'web', '-w', path]);
    return async () => {
      await running.stop();
      const seen = [...running.said().matchAll(/(\d+)\/(\d+) /g)].map(([, healthy, wanted]) => [healthy, wanted]);
      const column = (index: number): readonly number[] => seen.map((one) => Number(one[index]));
      return { fewest: Math.min(...column(0)), wanted: Math.max(...column(1)) };
    };
  }

  /** `polyanthus runbook rehearse` of the same. */
  rehearse(name: string, nodes: readonly string[], seconds: number): Running {
    const parameters = {
      nodes: nodes.join(','),
      run: commandOf(name, seconds),
      sshKey: labKeyFile,
      knownHosts: this.knownHostsFile,
    };
    const given = Object.entries(parameters).map(([key, value]) => `--parameter=${key}=${value}`);
    return this.polyanthus('runbook', 'rehearse', 'node-maintenance', ...given);
  }

  /** How often a run's command began on a host. */
  async marks(host: string, name: string): Promise<number> {
    const { stdout } = await this.hosts.ssh(host, 'cat /root/marks 2>/dev/null || true');
    return stdout.split('\n').filter((line) => line === name).length;
  }

  /** Until the command of a run has begun on a host. */
  async untilMarked(host: string, name: string): Promise<void> {
    for (const end = performance.now() + waitMs; performance.now() < end; await delay(300))
      if ((await this.marks(host, name)) > 0) return;
    throw new Error(`the command of ${name} did not begin on ${host}`);
  }

  /** Names of nodes that take no pods. */
  async cordoned(): Promise<string> {
    return this.admin(['get', 'nodes', '-o=jsonpath={.items[?(@.spec.unschedulable==true)].metadata.name}']);
  }

  /** Begins the load; the function ends it and answers what it saw. */
  async load(rate: number): Promise<() => Promise<LoadFigures>> {
    const urls = this.hosts.names.map((name) => `http://${this.hosts.address(name)}:${nodePort}/health`);
    const running = this.begin(process.execPath, loadScript, String(rate), ...urls);
    await running.saying(/load begins/);
    return async () => {
      await running.stop();
      const line = running.said().trim().split('\n').at(-1) ?? '';
      return JSON.parse(line) as LoadFigures;
    };
  }

  async stop(): Promise<void> {
    await this.hosts.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

const commandOf = (name: string, seconds: number): string =>
  `echo ${name} >> /root/marks; sync /root/marks; sleep ${seconds}`;
