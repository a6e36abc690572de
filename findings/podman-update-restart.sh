#!/usr/bin/env bash
# The podman of this machine with runc: seen with Podman 4.3.1 and runc 1.1.5 (Debian 12). Podman 5.4.2 (Debian 13) keeps what was set, and tells it.
#
# Behaviour: `podman update` changes the limits of a container that runs, and nothing else. `podman inspect`, `podman stats` and `podman generate kube`
# go on to tell the limits that it was made with, and a restart, also one by its restart policy, brings those back.
#
# Seen, of a container with --memory 256m --cpus 0.5, after `podman update --memory 512m --cpus 1.5`:
#                     the kernel            inspect        stats      generate kube
#   as it was made    256 MiB, 0.5 CPUs     256 MiB, 0.5   256 MiB    256Mi, 500m
#   after the update  512 MiB, 1.5 CPUs     256 MiB, 0.5   256 MiB    256Mi, 500m
#   after a restart   256 MiB, 0.5 CPUs     256 MiB, 0.5   256 MiB    256Mi, 500m
#
# Why it hurts: a container is given more memory because it was near its limit. It runs for weeks with that, GOMEMLIMIT was raised with it, and
# it is killed for memory after the next restart, which nobody connects with the update. Until then whoever compares the kernel's files with what
# Podman says finds two limits.
#
# Needs root, Podman 4, runc, gcc (for a static program, the only file of the image) and a kernel that counts memory and CPU in cgroups, v1 or v2.
# Exit codes: 0 as described, 1 no longer so, 77 a program is not there.
set -euo pipefail
command -v podman >/dev/null && command -v runc >/dev/null && command -v gcc >/dev/null || exit 77
[[ $(podman --version) = *' version 4.'* ]] || exit 77
work=$(mktemp -d)
podman=(podman --root "$work/store" --runroot "$work/run" --tmpdir "$work/tmp" --storage-driver vfs --events-backend file --cgroup-manager cgroupfs
    --runtime runc)
clean() { # the container's monitor may still write
    "${podman[@]}" rm --force --time 0 web >/dev/null 2>&1 || true
    rm -rf "$work" 2>/dev/null || { sleep 2 && rm -rf "$work"; }
}
trap clean EXIT
cd "$work"
podman --version

mkdir rootfs
echo 'int pause(void); int main(void) { return pause(); }' | gcc -static -o rootfs/wait -xc -
tar -C rootfs -cf image.tar .
"${podman[@]}" import -q image.tar localhost/wait >/dev/null
"${podman[@]}" run --detach --name web --network none --ulimit nofile=512:512 --ulimit nproc=512:512 --memory 256m --cpus 0.5 localhost/wait /wait >/dev/null

group() { # CONTROLLER: the folder in which the kernel holds the limits of that controller
    local pid path
    pid=$("${podman[@]}" inspect web --format '{{.State.Pid}}')
    path=$(awk -F: -v name="$1" '$2 ~ "(^|,)" name "(,|$)" {print $3}' "/proc/$pid/cgroup")
    if [ -n "$path" ]; then
        echo "$(awk -v name="$1" '$3 == "cgroup" && $4 ~ "(^|,)" name "(,|$)" {print $2; exit}' /proc/self/mounts)$path"
    else
        echo "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$pid/cgroup")"
    fi
}
tell() {
    local memory cpu
    memory=$(group memory) cpu=$(group cpu)
    echo "$1: kernel $(cat "$memory"/memory.{max,limit_in_bytes} 2>/dev/null || true)" \
        "$( (cat "$cpu/cpu.max" || cat "$cpu/cpu.cfs_quota_us") 2>/dev/null | cut -d ' ' -f 1)," \
        "inspect $("${podman[@]}" inspect web --format '{{.HostConfig.Memory}} {{.HostConfig.CpuQuota}}')," \
        "stats $("${podman[@]}" stats --no-stream --format '{{.MemUsage}}' web | sed 's|.*/ ||')," \
        "kube $("${podman[@]}" generate kube web | sed -nE 's/^ +(cpu|memory): //p' | paste -sd ' ')"
}
{
    tell made
    "${podman[@]}" update --memory 512m --cpus 1.5 web >/dev/null
    tell updated
    "${podman[@]}" restart --time 0 web >/dev/null
    tell restarted
} | tee answers
diff answers - <<'EOF'
made: kernel 268435456 50000, inspect 268435456 50000, stats 268.4MB, kube 500m 256Mi
updated: kernel 536870912 150000, inspect 268435456 50000, stats 268.4MB, kube 500m 256Mi
restarted: kernel 268435456 50000, inspect 268435456 50000, stats 268.4MB, kube 500m 256Mi
EOF
