/** The Deployment of a hub on a Kubernetes cluster: N equal replicas, of which one leads. */

import { livePath, readyPath } from './probes.ts';

/** What may be chosen of it. */
export interface HubDeploymentOptions {
  readonly namespace: string;
  readonly replicas: number;
  readonly image: string;
  /** Names and addresses by which agents and users reach the hub. */
  readonly hostNames: readonly string[];
  readonly serviceType: 'ClusterIP' | 'LoadBalancer' | 'NodePort';
  readonly identitySecret: string;
}

/** For agents and users. */
const frontPort = 8443;
/** For the other replicas alone. */
const replicaPort = 8444;
/** The time that a stop may take, above the drain of the process. */
const graceSeconds = 45;

/** It, with a name and labels. */
export function hubDeployment(
  options: HubDeploymentOptions,
  at: { readonly name: string; readonly labels: Readonly<Record<string, string>> },
): object {
  const { name, labels } = at;
  const matchLabels = { 'app.kubernetes.io/name': name };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: options.namespace, labels },
    spec: {
      replicas: options.replicas,
      // One after another: every agent has a replica to go to.
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      selector: { matchLabels },
      template: {
        metadata: { labels },
        spec: {
          serviceAccountName: name,
          terminationGracePeriodSeconds: graceSeconds,
          securityContext: {
            runAsNonRoot: true,
            runAsUser: 65532,
            runAsGroup: 65532,
            seccompProfile: { type: 'RuntimeDefault' },
          },
          topologySpreadConstraints: ['kubernetes.io/hostname', 'topology.kubernetes.io/zone'].map((topologyKey) => ({
            maxSkew: 1,
            topologyKey,
            whenUnsatisfiable: 'ScheduleAnyway',
            labelSelector: { matchLabels },
          })),
          containers: [container(name, options)],
        },
      },
    },
  };
}

function container(name: string, options: HubDeploymentOptions): object {
  // What runs in the cluster may come by the Service's name.
  const serviceNames = [`${name}.${options.namespace}.svc`, `${name}.${options.namespace}.svc.cluster.local`];
  const fieldEnv = (name: string, fieldPath: string): object => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  // kubelets take any certificate for a probe and show none.
  const says = (path: string): object => ({ httpGet: { path, port: 'https', scheme: 'HTTPS' } });
  return {
    name: 'hub',
    image: options.image,
    imagePullPolicy: 'IfNotPresent',
    args: [
      'hub',
      'run',
      '--kubeconfig=in-cluster',
      `--namespace=${options.namespace}`,
      `--identity-secret=${options.identitySecret}`,
      `--listen=[::]:${frontPort}`,
      `--replica-listen=[::]:${replicaPort}`,
      '--replica-name=$(POD_NAME)',
      '--replica-address=$(POD_IP)',
      ...[...options.hostNames, ...serviceNames].map((host) => `--host-name=${host}`),
    ],
    env: [fieldEnv('POD_NAME', 'metadata.name'), fieldEnv('POD_IP', 'status.podIP')],
    ports: [
      { name: 'https', containerPort: frontPort },
      { name: 'replicas', containerPort: replicaPort },
    ],
    readinessProbe: { ...says(readyPath), periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 2 },
    livenessProbe: {
      ...says(livePath),
      periodSeconds: 10,
      timeoutSeconds: 5,
      initialDelaySeconds: 60,
      failureThreshold: 6,
    },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    resources: { requests: { cpu: '200m', memory: '256Mi' }, limits: { memory: '2Gi' } },
  };
}
