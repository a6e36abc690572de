#!/usr/bin/env bash
# @adobe/cgroup-metrics 3.0.6 (npm): the CPU time and the memory of one's own container, from cgroup v1.
#
# Behaviour: the kernel counts a cgroup's CPU time twice, in nanoseconds (cpuacct.usage) and, split into user and system, in ticks of a
# hundredth of a second (cpuacct.stat). The package reads both, names both cpuNanosSinceContainerStart, and its calculateUsage takes either. Of the split it
# makes a ten-millionth of the truth.
#
# Seen, of a cgroup that used two seconds of CPU time within five and a half:
#                cpuNanosSinceContainerStart   calculateUsage, in percent
#   usage()      2004003671                    36
#   stat().user  164                           0.000003
#
# Why it hurts: the split is what tells a program that computes from one whose time goes to the kernel, as under memory pressure. A dashboard or alarm
# that is made of it is flat at zero beside a total that is right.
#
# Needs root, bwrap (the package reads fixed paths) and cgroup v1 with the cpuacct controller; it makes one cgroup and removes it.
# Exit codes: 0 as described, 1 no longer so, 77 a package, a program or the hierarchy could not be had.
set -euo pipefail
work=$(mktemp -d)
group=findings-$$
cpuacct=$(awk '$3 == "cgroup" && $4 ~ /(^|,)cpuacct(,|$)/ {print $2; exit}' /proc/self/mounts)
trap 'rmdir "$cpuacct/$group" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work"
[ -n "$cpuacct" ] && command -v bwrap >/dev/null && mkdir "$cpuacct/$group" || exit 77
nice -n 10 npm install --silent --no-fund --no-audit --ignore-scripts @adobe/cgroup-metrics@3.0.6 >/dev/null || exit 77

cat >read.js <<'EOF'
const { cpu } = require("@adobe/cgroup-metrics");

const read = () => ({ usage: cpu.usage(), user: cpu.stat().user, system: cpu.stat().system });
const first = read();
process.stdin.resume().on("end", () => { // the busy process has ended
    const last = read();
    for (const name of ["usage", "user", "system"]) console.log(name, last[name].cpuNanosSinceContainerStart, cpu.calculateUsage(first[name], last[name]));
});
EOF
busy() { # in the cgroup, until it has used two seconds of CPU time
    echo $BASHPID >"$cpuacct/$group/cgroup.procs"
    while [ "$(<"$cpuacct/$group/cpuacct.usage")" -lt 2000000000 ]; do for ((i = 0; i < 20000; i++)); do :; done; done
}
busy | bwrap --ro-bind / / --tmpfs /sys/fs/cgroup --ro-bind "$cpuacct/$group" /sys/fs/cgroup/cpuacct --chdir "$work" node read.js | tee answers

# the parts add up to the whole if a tick is ten million nanoseconds, and are told as if it were one
awk '{count[$1] = $2; percent[$1] = $3}
    END {
        ticks = count["user"] + count["system"]
        ratio = count["usage"] / (ticks * 1e9 / '"$(getconf CLK_TCK)"')
        exit !(count["usage"] >= 2e9 && ratio > 0.9 && ratio < 1.1 && percent["usage"] > 2 && percent["user"] + percent["system"] < 0.0001)
    }' answers
