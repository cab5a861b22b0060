/** `polyanthus hub run|manifests`: a hub whose API is a Kubernetes cluster. */
import { hostname } from 'node:os';
import type { Context } from '@polyanthus/ground-base/context';
import type { Command, CommandEnvironment, CommandInput, OptionSpec } from '@polyanthus/ground-cli-kit/command';
import { number, requiredText, text, texts } from '@polyanthus/ground-cli-kit/input';
import { dumpYamlDocuments } from '@polyanthus/ground-yaml/dump';
import type { YamlValue } from '@polyanthus/ground-yaml/value';
import { auditText, openAuditLog, type AuditLog } from '../src/audit-log.ts';
import { startClusterHub, type ClusterHubOptions } from '../src/cluster-hub.ts';
import { hubNamespace } from '../src/hub-namespace.ts';
import { hubManifests } from '../src/manifests.ts';
import { parseListen, runUntilStopped } from './up.ts';

const shared: readonly OptionSpec[] = [
  { name: 'namespace', kind: 'string', value: 'NAME', default: hubNamespace, help: "the hub's own namespace" },
  {
    name: 'identity-secret',
    kind: 'string',
    value: 'NAME',
    default: 'polyanthus-hub-identity',
    help: "Secret in it that holds the hub's keys; made when it is not there",
  },
  {
    name: 'host-name',
    kind: 'string',
    value: 'NAME',
    repeat: true,
    help: 'name or address by which agents and users reach the hub',
  },
];

/** Runs one replica. */
export const run: Command = {
  summary: 'Run a replica of a hub whose API is a Kubernetes cluster',
  description:
    'Serves the gateway and the tunnels; the hub’s objects are in the cluster, which "polyanthus hub manifests" prepares. Any number of replicas may run: they forward to the one that holds a tunnel, and one of them runs the controllers. SIGTERM moves the tunnels to the others first.',
  options: [
    {
      name: 'kubeconfig',
      kind: 'string',
      value: 'FILE',
      required: true,
      help: 'kubeconfig of the cluster, or in-cluster for the one it runs in',
    },
    ...shared,
    { name: 'listen', kind: 'string', value: 'HOST:PORT', default: '0.0.0.0:8443', help: 'for agents and users' },
    {
      name: 'replica-listen',
      kind: 'string',
      value: 'HOST:PORT',
      default: '0.0.0.0:8444',
      help: 'for the other replicas alone',
    },
    {
      name: 'replica-name',
      kind: 'string',
      value: 'NAME',
      help: "unique among the replicas; the default is the host's",
    },
    {
      name: 'replica-address',
      kind: 'string',
      value: 'HOST',
      help: 'how the others reach --replica-listen; the default is its host, or the name of this host',
    },
    {
      name: 'audit-log',
      kind: 'string',
      value: 'FILE',
      default: '-',
      help: 'where audit lines go; - is standard output',
    },
    { name: 'drain', kind: 'duration', default: '20s', help: 'how long a stop waits for tunnels and answers' },
  ],
  examples: ['polyanthus hub run --kubeconfig=in-cluster --host-name=hub.example.org'],
  run: async (ctx, input, environment) => {
    const audit = openAudit(ctx, requiredText(input, 'audit-log'), environment);
    const hub = await startClusterHub(ctx, { ...replicaOptions(input), audit: audit.write, env: environment.env });
    environment.io.err(`replica ${replicaName(input)} serves at ${hub.url}\n`);
    const code = await runUntilStopped(ctx, hub);
    await audit.close();
    return code;
  },
};

function openAudit(ctx: Context, file: string, { io }: CommandEnvironment): AuditLog {
  if (file !== '-') return openAuditLog(ctx, file);
  return { write: (line) => io.out(auditText(line)), close: async () => undefined };
}

const replicaName = (input: CommandInput): string => text(input, 'replica-name') ?? hostname();

function replicaOptions(input: CommandInput): Omit<ClusterHubOptions, 'audit' | 'env'> {
  const file = requiredText(input, 'kubeconfig');
  const listen = parseListen(requiredText(input, 'replica-listen'));
  const anywhere = listen.host === '0.0.0.0' || listen.host === '::';
  return {
    address: file === 'in-cluster' ? { kind: 'in-cluster' } : { kind: 'kubeconfig', file },
    namespace: requiredText(input, 'namespace'),
    identitySecret: requiredText(input, 'identity-secret'),
    listen: parseListen(requiredText(input, 'listen')),
    hostNames: texts(input, 'host-name'),
    replica: {
      name: replicaName(input),
      listen,
      address: text(input, 'replica-address') ?? (anywhere ? hostname() : listen.host),
    },
    drainMs: number(input, 'drain') ?? 0,
  };
}

/** Prints what the cluster needs. */
export const manifests: Command = {
  summary: 'Print the objects of a hub on a Kubernetes cluster',
  description:
    'Namespace, kinds, account, the least rights it needs, a Deployment of equal replicas, NetworkPolicy of their internal port, Service and PodDisruptionBudget. Apply them with: polyanthus hub manifests | kubectl apply --server-side -f -',
  options: [
    { name: 'replicas', kind: 'integer', default: '3', help: 'how many replicas' },
    {
      name: 'image',
      kind: 'string',
      value: 'IMAGE',
      default: 'polyanthus.dev/polyanthus:0.1.0',
      help: "the hub's image",
    },
    ...shared,
    {
      name: 'fleet',
      kind: 'string',
      value: 'NAMESPACE',
      repeat: true,
      help: 'namespace that is a fleet, where the hub may write; the default is default',
    },
    {
      name: 'service-type',
      kind: 'string',
      choices: ['ClusterIP', 'LoadBalancer', 'NodePort'],
      default: 'LoadBalancer',
      help: 'how the hub is reached from outside',
    },
    { name: 'output', short: 'o', kind: 'string', choices: ['yaml', 'json'], default: 'yaml', help: 'output format' },
  ],
  run: async (_ctx, input, { io }) => {
    const fleets = texts(input, 'fleet');
    const objects = hubManifests({
      namespace: requiredText(input, 'namespace'),
      replicas: number(input, 'replicas') ?? 1,
      image: requiredText(input, 'image'),
      hostNames: texts(input, 'host-name'),
      serviceType: requiredText(input, 'service-type') as 'ClusterIP' | 'LoadBalancer' | 'NodePort',
      identitySecret: requiredText(input, 'identity-secret'),
      fleets: fleets.length === 0 ? ['default'] : fleets,
    });
    const list = { apiVersion: 'v1', kind: 'List', items: objects };
    io.out(
      requiredText(input, 'output') === 'json'
        ? `${JSON.stringify(list, undefined, 2)}\n`
        : dumpYamlDocuments(objects as unknown as readonly YamlValue[]),
    );
    return 0;
  },
};
