#!/bin/bash
# runs as pid 1 of the new namespaces: builds the host's file tree and becomes systemd
set -e
S=$(cd "$(dirname "$0")" && pwd); L=${LAB_DIR:?}; N=$1; H=$L/runs/${LAB_RUN:?}/$N; R=$H/m
mount --make-rprivate /
mount -t overlay overlay -o lowerdir=$L/rootfs,upperdir=$H/up,workdir=$H/work $R
mount -t proc proc $R/proc
mount -t sysfs sysfs $R/sys
# Shield: fs.*, vm.* and most of kernel.* are the machine's, not the host's. /proc/sys is read-only except net
# (own network namespace); the settings that systemd, kubelet and installers write are private files of this host.
mount --bind $R/proc/sys $R/proc/sys; mount --bind $R/proc/sys/net $R/proc/sys/net
mount -t tmpfs -o mode=755,size=1m shield $R/mnt
for k in vm/overcommit_memory=0 vm/panic_on_oom=0 vm/max_map_count vm/swappiness vm/min_free_kbytes kernel/panic=0 kernel/panic_on_oops=0 \
         kernel/keys/root_maxkeys kernel/keys/root_maxbytes kernel/core_pattern kernel/core_uses_pid kernel/threads-max \
         fs/file-max fs/nr_open fs/aio-max-nr fs/inotify/max_user_instances fs/inotify/max_user_watches fs/inotify/max_queued_events \
         fs/protected_fifos fs/protected_hardlinks fs/protected_regular fs/protected_symlinks fs/may_detach_mounts fs/suid_dumpable; do
  f=${k%=*}; [ -e /proc/sys/$f ] || continue
  case $k in *=*) echo ${k#*=};; *) cat /proc/sys/$f;; esac > $R/mnt/${f//\//_}
  mount --bind $R/mnt/${f//\//_} $R/proc/sys/$f
done
# All hosts share the machine's kernel and so its boot id, which never changes here: each power cycle of a host gets its own.
cat /proc/sys/kernel/random/uuid > $R/mnt/boot_id
mount --bind $R/mnt/boot_id $R/proc/sys/kernel/random/boot_id
umount -l $R/mnt
mount -o remount,bind,ro $R/proc/sys
mount -t tmpfs -o mode=755,size=16m cgroup_root $R/sys/fs/cgroup
for c in cpu cpuacct cpuset memory devices freezer blkio pids; do
  mkdir $R/sys/fs/cgroup/$c; mount -t cgroup -o $c cgroup $R/sys/fs/cgroup/$c
done
mkdir $R/sys/fs/cgroup/systemd; mount -t cgroup -o none,name=systemd cgroup $R/sys/fs/cgroup/systemd
mount -t bpf bpf $R/sys/fs/bpf 2>/dev/null || true
mount -t tmpfs -o mode=755,size=4m dev $R/dev
for n in null zero full random urandom tty kmsg fuse; do
  [ -e /dev/$n ] && { touch $R/dev/$n; mount --bind /dev/$n $R/dev/$n; }
done
mkdir -p $R/dev/pts $R/dev/shm $R/dev/mqueue
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts $R/dev/pts
ln -s pts/ptmx $R/dev/ptmx; ln -s /proc/self/fd $R/dev/fd
ln -s /proc/self/fd/0 $R/dev/stdin; ln -s /proc/self/fd/1 $R/dev/stdout; ln -s /proc/self/fd/2 $R/dev/stderr
mount -t tmpfs -o mode=1777 shm $R/dev/shm
mount -t mqueue mqueue $R/dev/mqueue
mount -t tmpfs -o mode=755 run $R/run
mkdir -p $R/run/lock
# real ext4 directories: containerd's overlay snapshotter cannot stack on the host's overlay
for d in containerd kubelet etcd; do mkdir -p $R/var/lib/$d; mount --bind $H/$d $R/var/lib/$d; done
# shared read-only media: binaries and images (what a package mirror would hold)
mkdir -p $R/media/lab; mount --bind $L/media $R/media/lab; mount -o remount,bind,ro $R/media/lab
echo $N > $R/etc/hostname
printf '127.0.0.1 localhost\n::1 localhost\n10.88.0.1 ws\n' > $R/etc/hosts
for i in $(seq 1 12); do echo "10.88.0.$((10+i)) h$i" >> $R/etc/hosts; done
echo "nameserver 10.88.0.1" > $R/etc/resolv.conf
[ -s $H/machine-id ] || head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' > $H/machine-id
cat $H/machine-id > $R/etc/machine-id; echo >> $R/etc/machine-id
hostname $N
cd $R
mkdir -p mnt/.old
pivot_root . mnt/.old
umount -l /mnt/.old
mount --make-rshared /
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin container=lab TERM=dumb /lib/systemd/systemd --log-target=console --show-status=1
