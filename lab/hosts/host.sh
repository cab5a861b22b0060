#!/bin/bash
# host.sh up NAME | down NAME (orderly) | cut NAME (power cut) | unplug/plug NAME (network cable) | wipe NAME | exec NAME cmd...
# A "bare-metal" host hN: own mount, pid, uts, ipc, network and cgroup namespaces, systemd as pid 1.
# Its disk is runs/LAB_RUN/NAME/{up,containerd,kubelet,etcd} and outlives down and cut; wipe removes it.
set -e
S=$(cd "$(dirname "$0")" && pwd); L=${LAB_DIR:?}
C=$1; N=$2; R=$L/runs/${LAB_RUN:?}; H=$R/$N; NS=${LAB_RUN:?}-$N
ADDR=10.88.0.$((10+${N#h}))
CTRL="cpu cpuacct cpuset memory devices freezer blkio pids"
# Memory is accounted by the group this shell runs in: the lab's group is made
# *below* the group this shell is already in, so nothing leaves that accounting. Path kept in $H/memcg.
cgdir() { case $1 in memory) cat $H/memcg;; *) echo /sys/fs/cgroup/$1/$LAB_RUN/$N;; esac; }
run_once() {   # one power cycle; ends with 129 when the host rebooted itself, 130 when it halted
  for c in $CTRL systemd unified; do
    d=$(cgdir $c); mkdir -p $d
    if [ $c = cpuset ]; then for x in $(dirname $d) $d; do
      cat /sys/fs/cgroup/cpuset/cpuset.cpus > $x/cpuset.cpus; cat /sys/fs/cgroup/cpuset/cpuset.mems > $x/cpuset.mems; done; fi
  done
  [ -n "$MEM" ] && echo $MEM > $(cgdir memory)/memory.limit_in_bytes
  $S/net.sh port $N $ADDR || return 1
  # join the groups, then unshare: the cgroup namespace takes the current group of every hierarchy as its root
  ( for c in $CTRL systemd unified; do echo $BASHPID > $(cgdir $c)/cgroup.procs; done
    exec ip netns exec $NS unshare --mount --uts --ipc --pid --cgroup --fork --kill-child --propagation private $S/host-init.sh $N ) &
  u=$!
  # the child of unshare is pid 1 of the host: take a child only once it is in another pid namespace
  p=; for i in $(seq 200); do for k in $(cat /proc/$u/task/$u/children 2>/dev/null); do
      x=$(readlink /proc/$k/ns/pid 2>/dev/null || true); [ -n "$x" ] && [ "$x" != "$(readlink /proc/self/ns/pid)" ] && p=$k; done
    [ -n "$p" ] && break; sleep .05; done
  echo $p > $H/init.pid
  rc=0; wait $u || rc=$?
  rm -f $H/init.pid
  $S/net.sh unport $N      # interfaces, routes and packet filter rules go with the power
  for c in $CTRL systemd unified; do
    d=$(cgdir $c); case $d in /sys/fs/cgroup/*/"$LAB_RUN"/$N) ;; *) echo "no group path for $c: '$d'"; continue;; esac
    for t in $(seq 20); do [ -d "$d" ] || break; find "$d" -depth -type d -exec rmdir {} \; 2>/dev/null || true; sleep .1; done
  done
  return $rc
}
gone() { for i in $(seq 200); do [ -e $H/supervise.pid ] || return 0; sleep .1; done; echo "$N: supervisor still there"; return 1; }   # it ends after the groups and the namespace are removed
case "$C" in
up)
  [ -e $H/supervise.pid ] && { echo "$N is up"; exit 1; }
  mkdir -p $H/up $H/work $H/m $H/containerd $H/kubelet $H/etcd
  echo /sys/fs/cgroup/memory$(awk -F: '$2=="memory"{print $3}' /proc/self/cgroup | sed "s#/$LAB_RUN/.*##")/$LAB_RUN/$N > $H/memcg
  setsid $0 supervise $N </dev/null >>$H/console.log 2>&1 &
  for i in $(seq 100); do [ -s $H/init.pid ] && break; sleep .05; done
  ;;
supervise) cd /; echo $$ > $H/supervise.pid; trap 'rm -f $H/supervise.pid' EXIT; while :; do rc=0; run_once || rc=$?; echo "[$(date +%T)] $N ended with $rc"; [ $rc = 129 ] || exit 0; done;;
unplug) ip -n $LAB_RUN-sw link set p-$N down;;
plug) ip -n $LAB_RUN-sw link set p-$N up;;
cut) kill -9 $(cat $H/init.pid); gone;;
down)
  p=$(cat $H/init.pid 2>/dev/null || true); [ -n "$p" ] || exit 0
  kill -s RTMIN+3 $p                              # systemd: halt.target
  for i in $(seq 1 $((${GRACE:-20}*10))); do [ -d /proc/$p ] || break; sleep .1; done
  [ -d /proc/$p ] && kill -9 $p || true           # pid 1 of the pid namespace: the kernel ends the rest
  gone;;
wipe) [ -e $H/supervise.pid ] && { echo "$N is up"; exit 1; }; case $H in "$R"/h[0-9]*) rm -rf "$H";; esac;;
exec) p=$(cat $H/init.pid); shift 2; exec nsenter -t $p -m -u -i -n -p -C -r -w -- "$@";;
esac
