#!/usr/bin/env bash
# composeverter 1.7.5 (npm), which brings compose files to the common specification, and podman-compose 1.6.0 (PyPI), which reads them.
#
# Behaviour: composeverter takes the quotes off what YAML 1.2 reads as text without them. podman-compose reads YAML 1.1, as Ansible does and the first docker-compose did:
# there the same words are truth values and numbers, of the base 60 too. The limits are moved as they should be.
#
# Seen, of environment and command, as podman-compose's `config` has them:
#   written         from the file    from what composeverter made of it
#   GOGC: "off"     'off'            false
#   WAIT: "12:30"   '12:30'          750
#   BATCH: "1_000"  '1_000'          1000
#   - "on"          'on'             true
#   - "1e3"         1e3              1e3
#
# Why it hurts: Go takes off for off and ignores false, so the collector that was switched off beside a GOMEMLIMIT runs at 100 again. Half past twelve is its number of
# minutes. The quotes had been put there for exactly this reader, and the changed file has a difference at each line that nobody looks at.
#
# Needs Node.js and podman, of which nothing is started. Exit codes: 0 as described, 1 no longer so, 77 a package or podman could not be had.
set -euo pipefail
command -v podman >/dev/null || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
nice -n 10 npm install --silent --no-fund --no-audit --ignore-scripts composeverter@1.7.5 >/dev/null || exit 77
python3 -m venv env
nice -n 10 env/bin/pip install --quiet podman-compose==1.6.0 PyYAML==6.0.3 || exit 77

cat >old.yaml <<'EOF'
services:
  shop:
    image: shop:1
    mem_limit: 512m
    cpus: 0.5
    environment:
      GOGC: "off"
      WAIT: "12:30"
      BATCH: "1_000"
    command: ["-verbose", "on", "-rate", "1e3"]
EOF
cat >bring.cjs <<'EOF'
const fs = require('fs')
const composeverter = require('composeverter')
const made = (composeverter.default ?? composeverter).migrateToCommonSpec(fs.readFileSync('old.yaml', 'utf8'))
fs.writeFileSync('new.yaml', made.replace(/^name: .*\n/, '')) // a name to be filled in
EOF
node bring.cjs
for file in old new; do
    env/bin/podman-compose -p shop -f $file.yaml config 2>/dev/null >$file.read
    python3 - $file <<'EOF'
import re
import sys

text = open(sys.argv[1] + ".read").read()
print(sys.argv[1], *re.findall(r"(?:GOGC|WAIT|BATCH|memory|mem_limit): .*", text), *re.findall(r"^    - .*", text, re.M), sep="; ")
EOF
done | tee answers
diff answers - <<'EOF'
old; BATCH: '1_000'; GOGC: 'off'; WAIT: '12:30'; mem_limit: 512m;     - -verbose;     - 'on';     - -rate;     - 1e3
new; memory: 512m; BATCH: 1000; GOGC: false; WAIT: 750;     - -verbose;     - true;     - -rate;     - 1e3
EOF
