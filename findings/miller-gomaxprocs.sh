#!/usr/bin/env bash
# Miller 6.13.0 (Debian 13: miller; 6.6.0 of Debian 12 and 6.18.1 of Debian unstable were seen to do the same), a Go program that reads GOMAXPROCS itself.
#
# Behaviour: a GOMAXPROCS that Go takes is undone. The runtime starts with it; then Miller reads the variable once more and, if it is a valid number,
# sets GOMAXPROCS to the number of CPUs. One that is no number changes nothing: Go ignored it already. Nothing is said, and mlr has no
# option for it.
#
# Seen on 2 CPUs, in the runtime's own trace of its scheduler:
#   GOMAXPROCS=1      gomaxprocs=1, then gomaxprocs=2
#   GOMAXPROCS=5      gomaxprocs=5, then gomaxprocs=2
#   GOMAXPROCS=5.0    gomaxprocs=2
#   (unset)           gomaxprocs=2
#
# Why it hurts: GOMAXPROCS is the one thing that holds a Go program of another's making to the CPUs of its container, if that program was built before
# Go 1.25. `GOMAXPROCS=1 mlr` under a quota of one CPU on a node of 64 runs 64 threads and is throttled, and whoever looks for the
# cause finds the variable in /proc/PID/environ, well spelled. A CPU affinity (taskset) is what Miller does follow.
#
# Exit codes: 0 as described, 1 no longer so, 77 the package could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

unpack() { # PACKAGE=VERSION of Debian 13, from the mirror that this machine uses, into the folder root
    local mirror apt
    mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' | awk '$1 == "Debian" {print $2; exit}')
    mkdir -p state/lists/partial cache/archives/partial
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >sources.list
    apt=(apt-get -qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State="$work/state"
        -o Dir::Cache="$work/cache" -o Acquire::Languages=none -o APT::Sandbox::User=root)
    "${apt[@]}" update && "${apt[@]}" download "$@" && for deb in ./*.deb; do dpkg -x "$deb" root; done
}
unpack miller=6.13.0-1 || exit 77
root/usr/bin/mlr --version

cpus=$(nproc)
mkfifo records
try() { # what the runtime says in the first and the last line of its trace, while mlr waits for its input for two seconds
    sleep 2 >records &
    env -i GODEBUG=schedtrace=100 "$@" root/usr/bin/mlr cat records 2>&1 >/dev/null | grep -o 'gomaxprocs=[0-9]*' >trace
    wait $!
    echo "$* $(head -1 trace) $(tail -1 trace)"
}
{
    try GOMAXPROCS=$((cpus + 3))
    try GOMAXPROCS=$((cpus + 3)).0
    try UNSET=
} | tee answers
diff answers - <<EOF
GOMAXPROCS=$((cpus + 3)) gomaxprocs=$((cpus + 3)) gomaxprocs=$cpus
GOMAXPROCS=$((cpus + 3)).0 gomaxprocs=$cpus gomaxprocs=$cpus
UNSET= gomaxprocs=$cpus gomaxprocs=$cpus
EOF
