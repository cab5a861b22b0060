/** What every API server that approves and signs certificates of kubelets must do. */
import { beforeAll, describe, expect, it } from 'vitest';
import { createCsr } from '@polyanthus/ground-pki/authority';
import { parseCertificate } from '@polyanthus/ground-pki/certificate';
import { generateKey } from '@polyanthus/ground-pki/keys';
import type { KubeClient } from '@polyanthus/kube-client/client';
import { certificateSigningRequests, type CertificateSigningRequest } from '@polyanthus/kube-kinds/certificates';
import { clusterRoleBindings } from '@polyanthus/kube-kinds/core';
import { suiteTimeoutMs, type World } from '../testing.ts';

const clientSigner = 'kubernetes.io/kube-apiserver-client-kubelet';
const servingSigner = 'kubernetes.io/kubelet-serving';

interface Wish {
  readonly node?: string;
  readonly signerName?: string;
  readonly usages?: readonly string[];
  readonly names?: readonly string[];
}

const bindings = [
  ['system:bootstrappers', 'system:node-bootstrapper'],
  ['system:bootstrappers', 'system:certificates.k8s.io:certificatesigningrequests:nodeclient'],
  ['system:nodes', 'system:node-bootstrapper'],
  ['system:nodes', 'system:certificates.k8s.io:certificatesigningrequests:selfnodeclient'],
  ['strangers', 'system:node-bootstrapper'],
] as const;

const isSigned = ({ status }: CertificateSigningRequest): boolean => (status?.certificate ?? '') !== '';
const certificateOf = ({ status }: CertificateSigningRequest) =>
  parseCertificate(Buffer.from(status?.certificate ?? '', 'base64').toString());

/** Declares the suite; `open` gives the world once. */
export function certificateSuite(name: string, open: () => Promise<World>): void {
  describe(`certificates of kubelets on ${name}`, { timeout: suiteTimeoutMs }, () => {
    let world: World;
    beforeAll(async () => {
      world = await open();
      for (const [group, role] of bindings)
        await world.client.create(world.ctx, clusterRoleBindings, {
          apiVersion: 'rbac.authorization.k8s.io/v1',
          kind: 'ClusterRoleBinding',
          metadata: { generateName: 'test-' },
          subjects: [{ kind: 'Group', apiGroup: 'rbac.authorization.k8s.io', name: group }],
          roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
        });
    });

    const get = (request: string): Promise<CertificateSigningRequest> =>
      world.client.get(world.ctx, certificateSigningRequests, { name: request });
    /** Resolves with the request once `holds` is true of it. */
    const until = async (
      request: string,
      holds: (found: CertificateSigningRequest) => boolean,
      what: string,
    ): Promise<CertificateSigningRequest> => {
      await world.until(async () => holds(await get(request)), `${request} to be ${what}`);
      return get(request);
    };
    const ask = async (client: KubeClient, request: string, wish: Wish = {}): Promise<void> => {
      const { node = 'n1', signerName = clientSigner, names = [] } = wish;
      const { usages = ['digital signature', 'client auth'] } = wish;
      const pem = await createCsr(await generateKey(), `system:node:${node}`, ['system:nodes'], { names });
      await client.create(world.ctx, certificateSigningRequests, {
        apiVersion: 'certificates.k8s.io/v1',
        kind: 'CertificateSigningRequest',
        metadata: { name: request },
        spec: { request: Buffer.from(pem).toString('base64'), signerName, usages },
      });
    };
    const bootstrapper = (): KubeClient => world.as('system:bootstrap:abcdef', 'system:bootstrappers');
    const kubelet = (): KubeClient => world.as('system:node:n1', 'system:nodes');

    it('are approved for who may introduce nodes, and signed', async () => {
      await ask(bootstrapper(), 'first');
      const signed = await until('first', isSigned, 'signed');
      expect(signed.status?.conditions).toEqual([
        expect.objectContaining({
          type: 'Approved',
          status: 'True',
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
      await ask(kubelet(), 'again');
      const { status } = await until('again', isSigned, 'signed');
      expect(status?.conditions?.[0]?.message).toBe(
        'Auto approving self kubelet client certificate after SubjectAccessReview.',
      );
    });

    it('are not approved for another node, for strangers, or for more than a kubelet needs', async () => {
      await ask(kubelet(), 'other-node', { node: 'n2' });
      await ask(world.as('stranger', 'strangers'), 'stranger');
      await ask(bootstrapper(), 'server', { usages: ['digital signature', 'client auth', 'server auth'] });
      await ask(bootstrapper(), 'named', { names: ['n1.example.com'] });
      await ask(bootstrapper(), 'last');
      await until('last', isSigned, 'signed');
      await world.pass(1000);
      for (const request of ['other-node', 'stranger', 'server', 'named'])
        expect((await get(request)).status?.conditions ?? []).toEqual([]);
    });

    it('for serving are signed once somebody approves them, when they are right', async () => {
      const usages = ['digital signature', 'server auth'];
      await ask(kubelet(), 'serving', { signerName: servingSigner, usages, names: ['n1.example.com'] });
      await ask(kubelet(), 'nameless', { signerName: servingSigner, usages });
      for (const request of ['serving', 'nameless'])
        await world.client.patch(
          world.ctx,
          certificateSigningRequests,
          { name: request },
          { type: 'merge', body: { status: { conditions: [{ type: 'Approved', status: 'True', reason: 'Test' }] } } },
          { subresource: 'approval' },
        );
      expect(certificateOf(await until('serving', isSigned, 'signed'))).toMatchObject({
        commonName: 'system:node:n1',
        dnsNames: ['n1.example.com'],
        forClients: false,
      });
      const hasFailed = ({ status }: CertificateSigningRequest): boolean =>
        (status?.conditions ?? []).some(({ type }) => type === 'Failed');
      const failed = await until('nameless', hasFailed, 'failed');
      expect(failed.status?.conditions?.at(-1)).toMatchObject({
        status: 'True',
        reason: 'SignerValidationFailure',
        message: 'DNS or IP subjectAltName is required',
      });
    });
  });
}
