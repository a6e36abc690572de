#!/usr/bin/env bash
# The podman of this machine: seen with 4.3.1 (Debian 12); 5.4.2 (Debian 13) wrote the same manifests.
#
# Behaviour: a CPU limit changes on the way from `podman create` to a Kubernetes manifest, twice.
# - `--cpus 0.57` sets a quota of 56999, not 57000, and `podman generate kube` writes 569m. Others come out whole; nothing tells which.
# - `--cpu-quota 33333` without `--cpu-period` is a limit (the period is 100000 then), and the manifest has no CPU limit at all. With the period
#   named, it has 333m. The memory limit of the same container is there in both.
#
# Seen:
#   --cpus 0.57                              quota 56999    cpu: 569m
#   --cpus 1.15                              quota 114999   cpu: 1149m
#   --cpus 0.56                              quota 56000    cpu: 560m
#   --cpu-quota 33333                        quota 33333    (none)
#   --cpu-quota 33333 --cpu-period 100000    quota 33333    cpu: 333m
#
# Why it hurts: the second container is limited to a third of a CPU on the developer's machine and gets the whole node in the cluster: other numbers of
# threads, other load tests. The first makes two numbers of one: a check that what is enforced equals what was asked for fails by
# 1 microsecond, and a manifest that is generated anew from a played one drifts from the file that it came from.
#
# Needs root and podman; containers are made, not started. Exit codes: 0 as described, 1 no longer so, 77 podman is not there.
set -euo pipefail
command -v podman >/dev/null || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
podman=(podman --root "$work/store" --runroot "$work/run" --tmpdir "$work/tmp" --storage-driver vfs --events-backend file --cgroup-manager cgroupfs)
podman --version
mkdir rootfs
touch rootfs/server
tar -C rootfs -cf image.tar .
"${podman[@]}" import -q image.tar localhost/web >/dev/null

try() {
    "${podman[@]}" create --name web --network none --memory 64m "$@" localhost/web /server >/dev/null
    "${podman[@]}" generate kube web >manifest
    grep -q 'memory: 64Mi' manifest
    echo "$*: quota $("${podman[@]}" inspect web --format '{{.HostConfig.CpuQuota}}') $(grep -o 'cpu: .*' manifest || echo none)"
    "${podman[@]}" rm web >/dev/null
}
{
    try --cpus 0.57
    try --cpus 1.15
    try --cpus 0.56
    try --cpu-quota 33333
    try --cpu-quota 33333 --cpu-period 100000
} | tee answers
diff answers - <<'EOF'
--cpus 0.57: quota 56999 cpu: 569m
--cpus 1.15: quota 114999 cpu: 1149m
--cpus 0.56: quota 56000 cpu: 560m
--cpu-quota 33333: quota 33333 none
--cpu-quota 33333 --cpu-period 100000: quota 33333 cpu: 333m
EOF
