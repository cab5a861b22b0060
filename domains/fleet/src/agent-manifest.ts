/** The objects that an agent needs in its member, as data: one Deployment a role, each with its own account and rights. */
import { createHash } from 'node:crypto';
import { enrolmentAudience, type AgentSubjects } from '@polyanthus/engine-tunnel/enrolment';
import type { PolicyRule } from '@polyanthus/kube-kinds/core';
import { agentNamespace, ownedLabel, projectLabel } from '@polyanthus/kube-kinds/own/ownership';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import { impersonationRules } from './impersonation-rules.ts';

/** A role of the agent and what it may do in the member. */
export interface AgentRole {
  readonly name: 'tunnel' | 'fleet';
  readonly clusterRules: readonly PolicyRule[];
}

/** Which cluster this is; its name is the only thing that both roles must read of it. */
const clusterName: PolicyRule = {
  apiGroups: [''],
  resources: ['namespaces'],
  resourceNames: ['kube-system'],
  verbs: ['get'],
};

/**
 * The tunnel role acts as others and can read nothing itself, least of all a Secret. The fleet role makes namespaces and
 * bindings; `bind` lets it hand out roles that it does not hold. It deletes no namespace (docs/adr/0003).
 */
export function agentRoles(member: {
  readonly version: string;
  readonly ceiling: 'full' | 'readonly';
}): readonly AgentRole[] {
  const keep = ['get', 'list', 'watch', 'create', 'patch'];
  return [
    { name: 'tunnel', clusterRules: [...impersonationRules(member.version, member.ceiling), clusterName] },
    {
      name: 'fleet',
      clusterRules: [
        { apiGroups: [''], resources: ['namespaces'], verbs: keep },
        {
          apiGroups: ['rbac.authorization.k8s.io'],
          resources: ['rolebindings', 'clusterrolebindings'],
          verbs: [...keep, 'delete'],
        },
        { apiGroups: ['rbac.authorization.k8s.io'], resources: ['clusterroles'], verbs: ['bind'] },
        // To count them; what a node is reaches nobody.
        { apiGroups: [''], resources: ['nodes'], verbs: ['list'] },
      ],
    },
  ];
}

const accountOf = (role: AgentRole['name']): string => `polyanthus-agent-${role}`;
const subjectOf = (role: AgentRole['name']): string => `system:serviceaccount:${agentNamespace}:${accountOf(role)}`;

/** The accounts below, as the hub sees them when they enrol. */
export const agentSubjects: AgentSubjects = {
  tunnel: subjectOf('tunnel'),
  api: [subjectOf('fleet')],
};

/** On pods: hash of the configuration they were started with, so that a new one starts new pods. */
const configurationHashAnnotation = 'polyanthus.dev/configuration-hash';

/**
 * What the manifest is made for. It holds no secret: the agent enrols with its ServiceAccount token, which the hub checks
 * against the keys of the cluster that registering stored.
 */
export interface AgentManifestOptions {
  readonly fleet: string;
  readonly membership: string;
  readonly membershipUid: string;
  /** Of the member's API server: `v1.37.2`. */
  readonly version: string;
  readonly ceiling: 'full' | 'readonly';
  readonly hubUrl: string;
  readonly hubCaPem: string;
  readonly image: string;
}

/** Namespace, accounts, rights, configuration and Deployments, in the order to apply them. */
export function agentManifest(options: AgentManifestOptions): readonly KubeObject[] {
  const labels = { [ownedLabel]: 'true', 'app.kubernetes.io/managed-by': 'polyanthus' };
  const at = (name: string): KubeObject['metadata'] => ({ name, namespace: agentNamespace, labels });
  const namespace = {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name: agentNamespace,
      labels: { ...labels, [projectLabel]: options.fleet, 'pod-security.kubernetes.io/enforce': 'restricted' },
    },
  };
  const configuration = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: at('polyanthus-agent'),
    data: {
      fleet: options.fleet,
      membership: options.membership,
      'membership-uid': options.membershipUid,
      'hub-url': options.hubUrl,
      'hub-ca.pem': options.hubCaPem,
    },
  };
  const configurationHash = createHash('sha256').update(JSON.stringify(configuration.data)).digest('hex');
  const pod: AgentPod = { image: options.image, membershipUid: options.membershipUid, configurationHash };
  return [namespace, configuration, ...agentRoles(options).flatMap((role) => roleObjects(role, pod, at))];
}

interface AgentPod {
  readonly image: string;
  readonly membershipUid: string;
  readonly configurationHash: string;
}

function roleObjects(
  role: AgentRole,
  pod: AgentPod,
  at: (name: string) => KubeObject['metadata'],
): readonly KubeObject[] {
  const name = accountOf(role.name);
  const rbac = 'rbac.authorization.k8s.io';
  const { namespace: _none, ...clusterWide } = at(name);
  const objects = [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: at(name) },
    { apiVersion: `${rbac}/v1`, kind: 'ClusterRole', metadata: clusterWide, rules: role.clusterRules },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: clusterWide,
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name },
      subjects: [{ kind: 'ServiceAccount', name, namespace: agentNamespace }],
    },
    deployment(role, pod, at(name)),
  ];
  return objects as readonly KubeObject[];
}

function deployment(role: AgentRole, pod: AgentPod, metadata: KubeObject['metadata']): object {
  const labels = { app: accountOf(role.name) };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata,
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels, annotations: { [configurationHashAnnotation]: pod.configurationHash } },
        spec: podSpec(role, pod),
      },
    },
  };
}

const stateFolder = '/var/lib/polyanthus';

/** The agent's file that is there while it does its work; in its state folder. */
export const readyFileName = 'ready';

/** It listens on no port, and its image has no shell: the pinned Node looks for the file. */
const readinessProbe = {
  exec: { command: ['/usr/local/bin/node', '-e', `fs.accessSync('${stateFolder}/${readyFileName}')`] },
  periodSeconds: 10,
  timeoutSeconds: 5,
  failureThreshold: 3,
};

function podSpec(role: AgentRole, pod: AgentPod): object {
  const id = 65532;
  return {
    serviceAccountName: accountOf(role.name),
    securityContext: {
      runAsNonRoot: true,
      runAsUser: id,
      runAsGroup: id,
      fsGroup: id,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    containers: [
      {
        name: 'agent',
        image: pod.image,
        imagePullPolicy: 'IfNotPresent',
        args: [
          'agent',
          'run',
          `--role=${role.name}`,
          '--config-dir=/etc/polyanthus',
          `--state-dir=${stateFolder}`,
          '--service-account-token-file=/var/run/secrets/polyanthus/token',
        ],
        readinessProbe,
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        },
        resources: { requests: { cpu: '20m', memory: '96Mi' }, limits: { memory: '256Mi' } },
        volumeMounts: [
          { name: 'config', mountPath: '/etc/polyanthus', readOnly: true },
          { name: 'state', mountPath: stateFolder },
          { name: 'enrolment', mountPath: '/var/run/secrets/polyanthus', readOnly: true },
        ],
      },
    ],
    volumes: [
      { name: 'config', configMap: { name: 'polyanthus-agent' } },
      // In memory and gone with the pod: the next one has a key of its own and enrols anew.
      { name: 'state', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
      { name: 'enrolment', projected: { sources: [{ serviceAccountToken: enrolmentToken(pod.membershipUid) }] } },
    ],
  };
}

function enrolmentToken(membershipUid: string): object {
  return { path: 'token', audience: enrolmentAudience(membershipUid), expirationSeconds: 3600 };
}
