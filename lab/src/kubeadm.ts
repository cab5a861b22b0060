/** A real cluster on the lab's hosts: kubeadm, containerd, a pod network of bridge and routes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HostAnswer, Hosts } from './hosts.ts';

const token = 'abcdef.0123456789abcdef';

async function must(answer: Promise<HostAnswer>, what: string): Promise<string> {
  const { code, stdout, stderr } = await answer;
  if (code !== 0) throw new Error(`${what} ended with ${code}: ${(stderr || stdout).slice(-2000)}`);
  return stdout;
}

/** kubectl as administrator on the first host. */
export function onControlPlane(hosts: Hosts, script: string, timeoutMs?: number): Promise<HostAnswer> {
  return hosts.ssh('h1', `export KUBECONFIG=/etc/kubernetes/admin.conf\n${script}`, timeoutMs);
}

/** Sets every host up, makes h1 the control plane, joins the others, waits until all are Ready. Answers the admin kubeconfig. */
export async function startCluster(hosts: Hosts, version: string): Promise<string> {
  await Promise.all(
    hosts.names.map((name) =>
      must(hosts.ssh(name, `bash /media/lab/node-setup.sh ${version}`), `node set-up of ${name}`),
    ),
  );
  const config = readFileSync(join(import.meta.dirname, '../hosts/etc/kubeadm-init.yaml.in'), 'utf8')
    .replaceAll('@IP@', hosts.address('h1'))
    .replaceAll('@NAME@', 'h1')
    .replaceAll('@V@', version);
  await must(
    hosts.ssh('h1', `cat > /root/init.yaml <<'END'\n${config}\nEND\nkubeadm init --config /root/init.yaml`, 300_000),
    'kubeadm init',
  );
  const hash = (
    await must(
      hosts.ssh(
        'h1',
        "openssl x509 -pubkey -in /etc/kubernetes/pki/ca.crt | openssl pkey -pubin -outform der | sha256sum | cut -d' ' -f1",
      ),
      'reading the CA',
    )
  ).trim();
  const join_ = `kubeadm join ${hosts.address('h1')}:6443 --token ${token} --discovery-token-ca-cert-hash sha256:${hash} --ignore-preflight-errors=SystemVerification`;
  for (const name of hosts.names.slice(1)) await must(hosts.ssh(name, join_, 300_000), `kubeadm join of ${name}`);
  await must(
    onControlPlane(hosts, 'kubectl taint nodes --all node-role.kubernetes.io/control-plane- || true'),
    'removing the taint',
  );
  await podNetwork(hosts);
  await must(
    onControlPlane(hosts, 'kubectl wait --for=condition=Ready node --all --timeout=180s', 200_000),
    'waiting for the nodes',
  );
  return must(hosts.ssh('h1', 'cat /etc/kubernetes/admin.conf'), 'reading the kubeconfig');
}

/** The CNI bridge per node and a static route to every other node's pods: the smallest pod network on one layer 2. */
async function podNetwork(hosts: Hosts): Promise<void> {
  const path = `{range .items[*]}{.metadata.name} {.spec.podCIDR} {.status.addresses[?(@.type=="InternalIP")].address}{"\\n"}{end}`;
  // kube-controller-manager hands the ranges out a moment after the nodes have joined.
  const all = `for i in $(seq 60); do [ "$(kubectl get nodes -o jsonpath='{.items[*].spec.podCIDR}' | wc -w)" = ${hosts.names.length} ] && break; sleep 1; done`;
  const table = (
    await must(onControlPlane(hosts, `${all}\nkubectl get nodes -o jsonpath='${path}'`), 'reading pod ranges')
  )
    .trim()
    .split('\n')
    .map((line) => line.split(' '));
  for (const [name = '', range = ''] of table) {
    const conflist = {
      cniVersion: '1.0.0',
      name: 'pods',
      plugins: [
        {
          type: 'bridge',
          bridge: 'cni0',
          isDefaultGateway: true,
          hairpinMode: true,
          ipMasq: false,
          ipam: { type: 'host-local', ranges: [[{ subnet: range }]] },
        },
        { type: 'portmap', capabilities: { portMappings: true } },
      ],
    };
    const routes = table
      .filter(([other]) => other !== name)
      .map(([, otherRange, address]) => `ip route replace ${otherRange} via ${address}`)
      .join('\n');
    const masquerade = `iptables -t nat -A POSTROUTING -s ${range} ! -d 10.244.0.0/16 -j MASQUERADE`;
    const script = `mkdir -p /etc/cni/net.d\ncat > /etc/cni/net.d/10-pods.conflist <<'END'\n${JSON.stringify(conflist)}\nEND\n${atBoot('pod-network', `${routes}\n${masquerade}`)}`;
    await must(hosts.ssh(name, script), `pod network of ${name}`);
  }
}

/** A script that makes a host run `commands` now and at every boot: routes and packet filter rules go with the power. */
function atBoot(name: string, commands: string): string {
  const file = `/usr/local/sbin/${name}`;
  const unit = `[Service]\nType=oneshot\nExecStart=${file}\n[Install]\nWantedBy=multi-user.target`;
  return `cat > ${file} <<'END'\n#!/bin/sh\n${commands}\nEND\nchmod +x ${file}
cat > /etc/systemd/system/${name}.service <<'END'\n${unit}\nEND\nsystemctl enable --now ${name}.service`;
}
