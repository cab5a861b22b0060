/** The context of a program that runs in a pod with its ServiceAccount (client-go rest.InClusterConfig). */
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { clientErrors } from './errors.ts';
import type { KubeContext } from './kubeconfig.ts';

const serviceAccountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';

/** `env` is the process environment; the token file is read again as it is renewed. Throws NotInCluster. */
export async function inClusterContext(
  env: Readonly<Record<string, string | undefined>>,
  folder = serviceAccountFolder,
): Promise<KubeContext> {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env;
  if (host === undefined || host === '' || port === undefined || port === '') {
    throw clientErrors.error('NotInCluster', 'KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set');
  }
  const tokenFile = join(folder, 'token');
  await access(tokenFile).catch((cause: unknown) => {
    throw clientErrors.error('NotInCluster', `there is no ServiceAccount token at ${tokenFile}`, { cause });
  });
  const namespace = await readFile(join(folder, 'namespace'), 'utf8').catch(() => '');
  const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
  return {
    name: 'in-cluster',
    namespace: namespace.trim() === '' ? 'default' : namespace.trim(),
    cluster: { name: 'in-cluster', file: folder, fields: { server, 'certificate-authority': join(folder, 'ca.crt') } },
    user: { name: 'in-cluster', file: folder, fields: { tokenFile } },
  };
}
