import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { background, withCancel, type Context } from '@polyanthus/ground-base/context';
import { systemRandom } from '@polyanthus/ground-base/random';
import { createCsr } from '@polyanthus/ground-pki/authority';
import { parseCertificate } from '@polyanthus/ground-pki/certificate';
import { generateKey } from '@polyanthus/ground-pki/keys';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { createClient } from '@polyanthus/kube-client/rest';
import { certificateSigningRequests, type CertificateSigningRequest } from '@polyanthus/kube-kinds/certificates';
import { clusterRoleBindings } from '@polyanthus/kube-kinds/core';
import { createInformer, type Informer } from '@polyanthus/kube-runtime/informer';
import { startTestCluster, type TestCluster } from '@polyanthus/kube-server/testing';
import { startControllers } from '../start.ts';
import { suiteTimeoutMs } from '../testing.ts';
import { expiryMs } from './cleaner.ts';

const clientSigner = 'kubernetes.io/kube-apiserver-client-kubelet';
const servingSigner = 'kubernetes.io/kubelet-serving';

/** By the real clock: keys and signatures are made by threads that no virtual clock waits for. */
describe('certificates of kubelets', { timeout: suiteTimeoutMs }, () => {
  let server: TestCluster;
  let ctx: Context;
  let requests: Informer<CertificateSigningRequest>;
  let closing: (() => Promise<void>) | undefined;
  afterAll(async () => closing?.());
  beforeAll(async () => {
    server = await startTestCluster();
    const { ctx: inner, cancel } = withCancel(background());
    ctx = inner;
    const admin = createClient(server.transport);
    const controllers = startControllers(ctx, {
      client: admin,
      random: systemRandom,
      names: ['certificatesigningrequest-approving-controller', 'certificatesigningrequest-cleaner-controller'],
    });
    requests = createInformer(admin, certificateSigningRequests, { random: systemRandom });
    requests.start(ctx);
    await requests.synced;
    closing = async () => {
      cancel();
      await controllers.stopped;
      await server.close();
    };
    for (const [group, role] of [
      ['system:bootstrappers', 'system:node-bootstrapper'],
      ['system:bootstrappers', 'system:certificates.k8s.io:certificatesigningrequests:nodeclient'],
      ['system:nodes', 'system:node-bootstrapper'],
      ['system:nodes', 'system:certificates.k8s.io:certificatesigningrequests:selfnodeclient'],
      ['strangers', 'system:node-bootstrapper'],
    ] as const)
      await admin.create(ctx, clusterRoleBindings, {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'ClusterRoleBinding',
        metadata: { generateName: 'test-' },
        subjects: [{ kind: 'Group', apiGroup: 'rbac.authorization.k8s.io', name: group }],
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
      });
  });

  const as = (username: string, ...groups: readonly string[]): KubeClient =>
    createClient(server.transportAs({ username, groups: [...groups, 'system:authenticated'] }));
  /** Resolves with the request once `holds` is true of it. */
  const until = (name: string, holds: (request: CertificateSigningRequest) => boolean) =>
    new Promise<CertificateSigningRequest>((resolve) => {
      const look = (request: CertificateSigningRequest): void => {
        if (request.metadata.name === name && holds(request)) resolve(request);
      };
      requests.onEvent({ onAdd: look, onUpdate: (_before, after) => look(after) });
    });
  const ask = async (
    client: KubeClient,
    name: string,
    options: {
      readonly node?: string;
      readonly signerName?: string;
      readonly usages?: readonly string[];
      readonly names?: readonly string[];
    } = {},
  ): Promise<void> => {
    const {
      node = 'n1',
      signerName = clientSigner,
      usages = ['digital signature', 'client auth'],
      names = [],
    } = options;
    const pem = await createCsr(await generateKey(), `system:node:${node}`, ['system:nodes'], { names });
    await client.create(ctx, certificateSigningRequests, {
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      metadata: { name },
      spec: { request: Buffer.from(pem).toString('base64'), signerName, usages },
    });
  };
  const isSigned = ({ status }: CertificateSigningRequest): boolean => (status?.certificate ?? '') !== '';
  const certificateOf = ({ status }: CertificateSigningRequest) =>
    parseCertificate(Buffer.from(status?.certificate ?? '', 'base64').toString());

  it('are approved for who may introduce nodes, and signed', async () => {
    await ask(as('system:bootstrap:abcdef', 'system:bootstrappers'), 'first');
    const signed = await until('first', isSigned);
    expect(signed.status?.conditions).toEqual([
      expect.objectContaining({
        type: 'Approved',
        reason: 'AutoApproved',
        message: 'Auto approving kubelet client certificate after SubjectAccessReview.',
      }),
    ]);
    expect(certificateOf(signed)).toMatchObject({
      commonName: 'system:node:n1',
      organizations: ['system:nodes'],
      forClients: true,
    });
  });

  it('are renewed for the node itself', async () => {
    await ask(as('system:node:n1', 'system:nodes'), 'again');
    const signed = await until('again', isSigned);
    expect(signed.status?.conditions?.[0]?.message).toBe(
      'Auto approving self kubelet client certificate after SubjectAccessReview.',
    );
  });

  it('are not approved for another node, for strangers, or for more than a kubelet needs', async () => {
    await ask(as('system:node:n1', 'system:nodes'), 'other-node', { node: 'n2' });
    await ask(as('stranger', 'strangers'), 'stranger');
    const bootstrapper = as('system:bootstrap:abcdef', 'system:bootstrappers');
    await ask(bootstrapper, 'server', { usages: ['digital signature', 'client auth', 'server auth'] });
    await ask(bootstrapper, 'named', { names: ['n1.example.com'] });
    // One worker takes them in order: when this one is approved, those above have been looked at.
    await ask(bootstrapper, 'last');
    await until('last', isSigned);
    for (const name of ['other-node', 'stranger', 'server', 'named'])
      expect(requests.get(name)?.status?.conditions ?? []).toEqual([]);
  });

  it('for serving are signed once somebody approves them, when they are right', async () => {
    const node = as('system:node:n1', 'system:nodes');
    const usages = ['digital signature', 'server auth'];
    await ask(node, 'serving', { signerName: servingSigner, usages, names: ['n1.example.com'] });
    await ask(node, 'nameless', { signerName: servingSigner, usages });
    const admin = createClient(server.transport);
    for (const name of ['serving', 'nameless'])
      await admin.patch(
        ctx,
        certificateSigningRequests,
        { name },
        { type: 'merge', body: { status: { conditions: [{ type: 'Approved', status: 'True', reason: 'Test' }] } } },
        { subresource: 'approval' },
      );
    expect(certificateOf(await until('serving', isSigned))).toMatchObject({
      commonName: 'system:node:n1',
      dnsNames: ['n1.example.com'],
      forClients: false,
    });
    const failed = await until('nameless', ({ status }) =>
      (status?.conditions ?? []).some(({ type }) => type === 'Failed'),
    );
    expect(failed.status?.conditions?.at(-1)).toMatchObject({
      reason: 'SignerValidationFailure',
      message: 'DNS or IP subjectAltName is required',
    });
  });
});

describe('a request', () => {
  const request = (status: CertificateSigningRequest['status']): CertificateSigningRequest => ({
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name: 'r', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { request: '', signerName: clientSigner },
    ...(status === undefined ? {} : { status }),
  });
  it.each([
    [undefined, '2026-01-02T00:00:00Z'],
    [{ conditions: [] }, '2026-01-02T00:00:00Z'],
    [
      { conditions: [{ type: 'Denied', status: 'True' as const, lastUpdateTime: '2026-01-01T05:00:00Z' }] },
      '2026-01-01T06:00:00Z',
    ],
    [
      {
        conditions: [{ type: 'Approved', status: 'True' as const, lastUpdateTime: '2026-01-01T05:00:00Z' }],
        certificate: 'bm9uZQ==',
      },
      '2026-01-01T06:00:00Z',
    ],
  ])('with the status %o is of use until %s', (status, expected) => {
    expect(expiryMs(request(status))).toBe(Date.parse(expected));
  });
});
