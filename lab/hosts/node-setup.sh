#!/bin/bash
# run on a host as root: what a lifecycle product does before kubeadm. $1 = Kubernetes version
set -e
M=/media/lab; V=$1
install -m755 $M/containerd/* /usr/local/bin/
mkdir -p /opt/cni/bin /etc/cni/net.d /etc/containerd/certs.d /lib/modules /etc/systemd/system/kubelet.service.d
install -m755 $M/cni/* /opt/cni/bin/
install -m644 $M/etc/containerd.toml /etc/containerd/config.toml
install -m644 $M/etc/containerd.service $M/etc/kubelet.service /etc/systemd/system/
install -m644 $M/etc/10-kubeadm.conf /etc/systemd/system/kubelet.service.d/
install -m755 $M/bin/$V/kubelet $M/bin/$V/kubeadm $M/bin/$V/kubectl /usr/bin/
printf 'net.ipv4.ip_forward=1\nnet.bridge.bridge-nf-call-iptables=1\n' > /etc/sysctl.d/90-k8s.conf
sysctl -q -p /etc/sysctl.d/90-k8s.conf || true
printf 'runtime-endpoint: unix:///run/containerd/containerd.sock\n' > /etc/crictl.yaml
systemctl daemon-reload
systemctl enable --now containerd
systemctl enable kubelet
systemctl restart containerd
mkdir -p /etc/containerd/certs.d/_default
printf '[host."http://10.88.0.1:5000"]\n  capabilities = ["pull", "resolve"]\n' > /etc/containerd/certs.d/_default/hosts.toml
[ -n "$NOIMPORT" ] && exit 0
for t in $M/images/$V.tar $M/images/addons.tar; do [ -e $t ] && ctr -n k8s.io images import --local $t >/dev/null; done
ctr -n k8s.io images ls -q | grep -v sha256
