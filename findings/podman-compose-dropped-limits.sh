#!/usr/bin/env bash
# podman-compose 1.6.0 (PyPI, June 2026).
#
# Behaviour: it passes `cpus` and `mem_limit` on to Podman, but drops these keys of the Compose specification without a word, though
# Podman has an option for each of them: cpu_quota, cpu_period, memswap_limit, mem_swappiness, oom_kill_disable, oom_score_adj, cgroup_parent.
#
# Seen, of a service with cpu_quota 150000, cpu_period 100000, mem_limit 512m and memswap_limit 512m:
#   podman create ... --cpu-shares 512 -m 512m ...
#
# Why it hurts: `cpu_quota: 150000` is 1.5 CPUs on paper and no limit at all in the container: Go, the JVM and Node size themselves for the whole
# machine. `memswap_limit` equal to `mem_limit` means "no swap"; without it Podman adds as much swap again, so a program that
# should be killed at its limit crawls in swap instead. The neighbours on the list (cpus, cpu_shares, mem_limit) work, so one row of tests passes.
#
# Podman itself is not needed: a stand-in writes down what it is asked for, and nothing is started.
# Exit codes: 0 as described, 1 no longer so, 77 the package could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
nice -n 10 env/bin/pip install --quiet podman-compose==1.6.0 || exit 77

mkdir bin shop
cat >bin/podman <<EOF
#!/bin/sh
echo "podman \$*" >>"$work/asked"
case \$1 in
--version) echo "podman version 5.4.2" ;;
ps) echo "[]" ;;
esac
EOF
chmod +x bin/podman
cat >shop/compose.yaml <<'EOF'
services:
  paper:
    image: localhost/web:1
    cpu_quota: 150000
    cpu_period: 100000
    cpu_shares: 512
    mem_limit: 512m
    memswap_limit: 512m
    mem_swappiness: 0
    oom_kill_disable: true
    oom_score_adj: 500
    cgroup_parent: /shop
  plain:
    image: localhost/web:1
    cpus: 1.5
    mem_limit: 512m
EOF
(cd shop && PATH=$work/bin:$PATH ../env/bin/podman-compose up --no-start) >output 2>&1 || true
grep -E '^podman create' asked | sed 's/--label [^ ]* *//g' | tee created
grep -v '^podman' output || true

[ "$(wc -l <created)" = 2 ]
paper=$(grep paper created)
plain=$(grep plain created)
[[ $plain == *' --cpus 1.5 '* && $plain == *' -m 512m '* ]]
[[ $paper == *' --cpu-shares 512 '* && $paper == *' -m 512m '* ]]
[[ $paper != *quota* && $paper != *period* && $paper != *swap* && $paper != *oom* && $paper != *cgroup* && $paper != *--cpus\ * ]]
[ "$(grep -ciE 'quota|swap|unsupported|ignor' output)" = 0 ]
