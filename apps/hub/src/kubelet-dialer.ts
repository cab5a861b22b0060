/** How the API server of a demo cluster reaches the kubelets of its simulated nodes: as kube-apiserver does, by mutual TLS. */
import type { Context } from '@polyanthus/ground-base/context';
import type { Transport } from '@polyanthus/ground-http/message';
import { createTransport } from '@polyanthus/ground-http/node-client';
import type { Authority } from '@polyanthus/ground-pki/authority';
import { parseCertificate } from '@polyanthus/ground-pki/certificate';
import { generateKey } from '@polyanthus/ground-pki/keys';
import { statusError } from '@polyanthus/kube-objects/status';
import type { KubeletDialer } from '@polyanthus/kube-server/subresources/kubelet';

/** Whom a kubelet lets in. */
const kubeletClientName = 'kube-apiserver-kubelet-client';
const certificateTtlMs = 365 * 86_400_000;

/** Whether a certificate that TLS has verified is the API server's: any other of the same CA may not run commands in pods. */
export function isKubeletClient(certificate: Uint8Array | undefined): boolean {
  return certificate !== undefined && parseCertificate(certificate).commonName === kubeletClientName;
}

/** The part of a Node object that says where its kubelet is. */
interface NodeFields {
  readonly metadata?: { readonly name?: string };
  readonly status?: {
    readonly addresses?: readonly { readonly type: string; readonly address: string }[];
    readonly daemonEndpoints?: { readonly kubeletEndpoint?: { readonly Port?: number } };
  };
}

/** One transport per node and port; the kubelet must have a certificate of the cluster's CA for the node's own name. */
export async function createKubeletDialer(ctx: Context, authority: Authority): Promise<KubeletDialer> {
  const key = await generateKey();
  const cert = await authority.issueClient(ctx.clock.now(), {
    commonName: kubeletClientName,
    organizations: [],
    publicKeyPem: key.publicKeyPem,
    ttlMs: certificateTtlMs,
  });
  const known = new Map<string, { readonly port: number; readonly transport: Transport }>();
  return async (_ctx, object) => {
    const { metadata, status } = object as NodeFields;
    const name = metadata?.name ?? '';
    const address = status?.addresses?.find((one) => one.type === 'InternalIP')?.address;
    const port = status?.daemonEndpoints?.kubeletEndpoint?.Port;
    if (address === undefined || port === undefined)
      throw statusError('ServiceUnavailable', `node ${name} does not say where its kubelet is`);
    const before = known.get(name);
    if (before?.port === port) return before.transport;
    await before?.transport.close();
    const transport = createTransport({
      baseUrl: `https://${address}:${port}`,
      tls: { ca: authority.certificatePem, cert, key: key.privateKeyPem, serverName: name },
    });
    known.set(name, { port, transport });
    return transport;
  };
}
