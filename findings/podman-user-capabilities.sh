#!/usr/bin/env bash
# The podman of this machine, with runc if it is there: seen with Podman 4.3.1 and runc 1.1.5 (Debian 12).
#
# Behaviour: for a user other than root, `--cap-add` gives the capability to the process itself (permitted, effective and ambient), and `--privileged`,
# which is supposed to be more, gives none: they stay in the bounding set. `podman generate kube` writes the first container as
# runAsUser and capabilities.add, as if that were the same.
#
# Seen in /proc/self/status of the container's first process, of user 65532:
#   --cap-drop MKNOD        CapEff 0000000000000000
#   --cap-add SYS_PTRACE    CapEff 0000000000080000, CapAmb 0000000000080000
#   --cap-add ALL           all of them, effective and ambient
#   --privileged            CapEff 0000000000000000
# and in the manifest of the second: add: CAP_SYS_PTRACE, runAsUser: 65532
#
# Why it hurts: a debugger or profiler beside a Go service, which runs without root and needs SYS_PTRACE to read its neighbour, works under
# Podman with the least privilege. The same manifest under Kubernetes, whose capabilities are not ambient (KEP 2763 would make them so), starts and reads
# nothing, though the field is there to be seen. Under Podman itself --privileged, tried for a moment to see whether rights are the cause, says that they are not.
#
# Needs root, podman and gcc (for a static program, the only file of the image). Exit codes: 0 as described, 1 no longer so, 77 a program is not there.
set -euo pipefail
command -v podman >/dev/null && command -v gcc >/dev/null || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
podman=(podman --root "$work/store" --runroot "$work/run" --tmpdir "$work/tmp" --storage-driver vfs --events-backend file --cgroup-manager cgroupfs)
! command -v runc >/dev/null || podman+=(--runtime runc)
podman --version

cat >caps.c <<'EOF'
#include <stdio.h>
#include <string.h>

int main(void) {
    char line[256];
    FILE *file = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, file))
        if (!strncmp(line, "CapEff", 6) || !strncmp(line, "CapAmb", 6)) fputs(line, stdout);
    return 0;
}
EOF
mkdir rootfs
gcc -static -o rootfs/caps caps.c
tar -C rootfs -cf image.tar .
"${podman[@]}" import -q image.tar localhost/caps >/dev/null

try() {
    echo "$*" $("${podman[@]}" run --rm --network none --ulimit nofile=512:512 --ulimit nproc=512:512 --user 65532 "$@" localhost/caps /caps)
}
none=0000000000000000 ptrace=0000000000080000
{
    try --cap-drop MKNOD
    try --cap-add SYS_PTRACE
    try --privileged
    "${podman[@]}" create --name web --network none --user 65532 --cap-add SYS_PTRACE localhost/caps /caps >/dev/null
    "${podman[@]}" generate kube web | grep -oE 'add:|- CAP_SYS_PTRACE|runAsUser: .*'
    "${podman[@]}" rm web >/dev/null
} | tee answers
all=$(try --cap-add ALL)
echo "$all"
[[ $all =~ CapEff:\ ([0-9a-f]+)\ CapAmb:\ ([0-9a-f]+) && ${BASH_REMATCH[1]} = "${BASH_REMATCH[2]}" && $((16#${BASH_REMATCH[1]} & 16#80001)) = $((16#80001)) ]]
diff answers - <<EOF
--cap-drop MKNOD CapEff: $none CapAmb: $none
--cap-add SYS_PTRACE CapEff: $ptrace CapAmb: $ptrace
--privileged CapEff: $none CapAmb: $none
add:
- CAP_SYS_PTRACE
runAsUser: 65532
EOF
