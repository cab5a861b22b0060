/** The CA of a kubeconfig context as PEM, to hand it to somebody else. */
import { readFile } from 'node:fs/promises';
import type { KubeContext } from '@polyanthus/kube-client/kubeconfig';

/** Empty when the context trusts the machine's own CAs. */
export async function caPemOf(context: KubeContext): Promise<string> {
  const { 'certificate-authority-data': data, 'certificate-authority': file } = context.cluster.fields;
  if (data !== undefined) return Buffer.from(data, 'base64').toString('utf8');
  return file === undefined ? '' : readFile(file, 'utf8');
}
