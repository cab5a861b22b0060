import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepareMedia, startHosts, whyNotHosts, type Hosts } from './src/hosts.ts';
import { onControlPlane, startCluster } from './src/kubeadm.ts';

const why = whyNotHosts();

describe.skipIf(why !== undefined)(`one real host with a kubelet${why === undefined ? '' : ` (${why})`}`, () => {
  let hosts: Hosts;
  beforeAll(async () => {
    await prepareMedia('1.37.2');
    hosts = await startHosts(1);
    await startCluster(hosts, '1.37.2');
  }, 600_000);
  afterAll(() => hosts?.stop(), 120_000);

  it('runs a pod that kubectl can exec into', async () => {
    const ran = await onControlPlane(
      hosts,
      "kubectl run box --image=docker.io/library/busybox:1.35 --image-pull-policy=IfNotPresent --command -- sleep 3600 && kubectl wait --for=condition=Ready pod/box --timeout=90s && kubectl exec box -- sh -c 'sha256sum /bin/busybox >/dev/null && tar --help >/dev/null 2>&1; exit 7'",
    );
    expect(`${ran.code} ${ran.stderr}`).toContain('7');
    expect(ran.stdout).toContain('pod/box condition met');
  });
});
