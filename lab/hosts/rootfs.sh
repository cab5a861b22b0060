#!/bin/bash
# rootfs.sh : the hosts' common file system (about 300 MB), their ssh key, and the runc wrapper
set -e
S=$(cd "$(dirname "$0")" && pwd); L=${LAB_DIR:?}; R=$L/rootfs; mkdir -p "$L"
[ -d $R/etc ] || debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,openssh-server,iproute2,iptables,conntrack,ethtool,socat,ebtables,kmod,procps,sudo,ca-certificates,curl,runc,ipset,util-linux,mount,iputils-ping bookworm $R
[ -f $L/id_ed25519 ] || ssh-keygen -q -t ed25519 -N '' -f $L/id_ed25519
install -d -m700 $R/root/.ssh; install -m600 $L/id_ed25519.pub $R/root/.ssh/authorized_keys
chroot $R systemctl enable ssh >/dev/null 2>&1 || true
[ -e $R/usr/sbin/runc.real ] || { mv $R/usr/sbin/runc $R/usr/sbin/runc.real; install -m755 $S/runc-wrapper.sh $R/usr/sbin/runc; }
install -d $R/etc/systemd/system.conf.d; printf '[Manager]\nDefaultTimeoutStopSec=10s\n' > $R/etc/systemd/system.conf.d/stop.conf
rm -f $R/etc/machine-id; touch $R/etc/machine-id
