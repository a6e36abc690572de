#!/usr/bin/env bash
# cgxget and cgxset of libcgroup 3.1.0 (Debian 13: cgroup-tools, libcgroup3), which translate between cgroup v1 and v2.
#
# Behaviour: asked for cpu.weight on a v1 machine, cgxget states numbers that cgroup v2 does not have: 0 for the shares 2 that Kubernetes gives
# to a container without a request, and 25600 for the largest shares. v2 knows 1 to 10000. In the other direction `cpu.weight=1` becomes
# shares 10, so weight 0 is read back from what 1 to 10 wrote, never 1. Memory is not translated at all: `memory.max` ends with code 91 and
# prints nothing, on either stream.
#
# Seen (cpu.shares, then cpu.weight as told; in brackets what runc makes of it, by its old formula and by that of 1.3.2 and later):
#      2 ->     0   (1, 1)
#    102 ->     9   (4, 17)
#    512 ->    50   (20, 59)
#   1024 ->   100   (39, 100)
# 262144 -> 25600   (10000, 10000)
#
# Why it hurts: this is the tool that the cgroup world offers for the move from v1 to v2, and settings copied with it are refused by a v2 kernel at
# both ends of the scale. In between a service that is moved next to containers gets another share than a container with the same shares.
#
# Needs root and a writable cgroup v1 hierarchy of the cpu controller; it makes one empty cgroup and removes it.
# Exit codes: 0 as described, 1 no longer so, 77 the packages or the hierarchy could not be had.
set -euo pipefail
work=$(mktemp -d)
group=findings-$$
cpu=$(awk '$3 == "cgroup" && $4 ~ /(^|,)cpu(,|$)/ {print $2; exit}' /proc/self/mounts)
trap 'rmdir "$cpu/$group" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work"
[ -n "$cpu" ] && mkdir "$cpu/$group" || exit 77

unpack() { # PACKAGE=VERSION of Debian 13, from the mirror that this machine uses, into the folder root
    local mirror apt
    mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' | awk '$1 == "Debian" {print $2; exit}')
    mkdir -p state/lists/partial cache/archives/partial
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >sources.list
    apt=(apt-get -qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State="$work/state"
        -o Dir::Cache="$work/cache" -o Acquire::Languages=none -o APT::Sandbox::User=root)
    "${apt[@]}" update && "${apt[@]}" download "$@" && for deb in ./*.deb; do dpkg -x "$deb" root; done
}
unpack cgroup-tools=3.1.0-2+b2 libcgroup3=3.1.0-2+b2 libc6 || exit 77
lib=root/usr/lib/$(uname -m)-linux-gnu
tool() { # with Debian 13's own C library, so that an older system will do
    local name=$1
    shift
    "$(echo "$lib"/ld-linux-*.so.*)" --library-path "$lib:/lib/$(uname -m)-linux-gnu" "root/usr/bin/$name" "$@"
}

for shares in 2 102 512 1024 262144; do
    echo $shares >"$cpu/$group/cpu.shares"
    echo "$shares $(tool cgxget -2 -n -v -r cpu.weight "$group" | tr -d ' \n')"
done | tee told
tool cgxset -2 -r cpu.weight=1 "$group"
{ echo "weight 1 wrote $(cat "$cpu/$group/cpu.shares")" && echo "and reads $(tool cgxget -2 -n -v -r cpu.weight "$group" | tr -d ' \n')"; } | tee -a told
code=0
tool cgxget -2 -r memory.max "$group" >memory 2>&1 || code=$?
echo "memory.max: code $code, $(wc -c <memory) bytes of output" | tee -a told
diff told - <<'EOF'
2 0
102 9
512 50
1024 100
262144 25600
weight 1 wrote 10
and reads 0
memory.max: code 91, 0 bytes of output
EOF
