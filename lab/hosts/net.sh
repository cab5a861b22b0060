#!/bin/bash
# net.sh up | down | port NAME ADDRESS | unport NAME
# One switch (a bridge) in a network namespace of its own, one namespace for the workstation, one per host. Nothing is
# added to the machine's own network. LAB_RUN names them, so that several runs can stand side by side.
set -e
P=${LAB_RUN:?}
port() {
  ip -n "$P-sw" link del "p-$1" 2>/dev/null || true
  ip netns add "$P-$1"
  ip -n "$P-$1" link set lo up
  # The same address at every power cycle: a host with a new one is unreachable for a minute.
  ip -n "$P-$1" link add eth0 address "$(printf '02:00:0a:58:00:%02x' "${2##*.}")" type veth peer name "p-$1" netns "$P-sw"
  ip -n "$P-sw" link set "p-$1" master br0 up
  ip -n "$P-$1" addr add "$2/24" dev eth0
  ip -n "$P-$1" link set eth0 up
  # kubeadm's address detection wants a default route; the workstation is the gateway.
  [ "$1" = ws ] || ip -n "$P-$1" route add default via 10.88.0.1
}
case "$1" in
up)
  ip netns add "$P-sw"
  ip -n "$P-sw" link set lo up
  ip -n "$P-sw" link add br0 type bridge
  ip -n "$P-sw" link set br0 up
  # Bridged frames must not run through the packet filter of the switch.
  ip netns exec "$P-sw" sh -c 'for f in /proc/sys/net/bridge/bridge-nf-call-*; do [ -e "$f" ] && echo 0 > "$f"; done; true'
  port ws 10.88.0.1
  ;;
port) port "$2" "$3" ;;
unport)
  # A deleted namespace gives its veth back only later.
  ip -n "$P-sw" link del "p-$2" 2>/dev/null || true
  ip netns del "$P-$2" 2>/dev/null || true
  ;;
down) for n in $(ip netns list | awk '{print $1}' | grep "^$P-"); do ip netns del "$n"; done ;;
esac
