#!/usr/bin/env bash
# promql-analyzer 0.2.1 (PyPI, September 2026) with promql-parser 0.12.0, its advice tried by promtool 2.53.3 (Debian 13).
#
# Behaviour: for a rule whose only matchers are `=~".*"` it offers the query without them, by the word "structural_safe". What it offers is the name of the metric alone:
# an `offset` or an `@` behind it is gone, so the query asks about now.
#
# Seen, of a memory limit that was 512 MiB yesterday and is 1 GiB today, asked today:
#   rule                            its value   offered                               its value
#   limit{pod=~".*"} offset 1d      536870912   limit, structural_safe                1073741824
#   limit{pod=~".*"} @ 0            536870912   limit, structural_safe                1073741824
#   limit{pod=~".*"}                1073741824  limit, structural_safe                1073741824
#   max(limit{pod=~".*"} offset 1d) 536870912   nothing
#
# Why it hurts: recording rules of the kind "as it was a day ago" are bare selectors, so they are the ones that the advice is made for. Whoever takes it compares today
# with today: the alert on a limit that was lowered, or on memory that grew, never fires again. The new query is valid, and faster, as it was promised.
#
# Exit codes: 0 as described, 1 no longer so, 77 a package could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
nice -n 10 env/bin/pip install --quiet promql-analyzer==0.2.1 promql-parser==0.12.0 || exit 77

unpack() { # PACKAGE=VERSION of Debian 13, from the mirror that this machine uses, into the folder root
    local mirror apt
    mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' | awk '$1 == "Debian" {print $2; exit}')
    mkdir -p state/lists/partial cache/archives/partial
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >sources.list
    apt=(apt-get -qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State="$work/state"
        -o Dir::Cache="$work/cache" -o Acquire::Languages=none -o APT::Sandbox::User=root)
    "${apt[@]}" update && "${apt[@]}" download "$@" && for deb in ./*.deb; do dpkg -x "$deb" root; done
}
unpack promtool=2.53.3+ds1-2 || exit 77

mkdir rules
cat >rules/rules.yaml <<'EOF'
groups:
  - name: limits
    rules:
      - {record: yesterday, expr: 'limit{pod=~".*"} offset 1d'}
      - {record: fixed, expr: 'limit{pod=~".*"} @ 0'}
      - {record: now, expr: 'limit{pod=~".*"}'}
      - {record: highest, expr: 'max(limit{pod=~".*"} offset 1d)'}
EOF
env/bin/python - <<'EOF' | tee offered
from promql_analyzer import dude_rushup

for one in dude_rushup.speakup("rules").speakup_suggestions:
    if one.alternative_query:
        print(f"{one.rule_name}: {one.original_query} -> {one.alternative_query} {one.equivalence}")
EOF
sort offered >sorted
diff sorted - <<'EOF'
fixed: limit{pod=~".*"} @ 0 -> limit structural_safe
now: limit{pod=~".*"} -> limit structural_safe
yesterday: limit{pod=~".*"} offset 1d -> limit structural_safe
EOF

# a day of one limit, then another: each query has its value as promtool says
cat >test.yaml <<'EOF'
tests:
  - interval: 1h
    input_series: [{series: 'limit{pod="shop"}', values: '536870912x24 1073741824x24'}]
    promql_expr_test:
      - {eval_time: 40h, expr: 'max(limit{pod=~".*"} offset 1d)', exp_samples: [{labels: '{}', value: 536870912}]}
      - {eval_time: 40h, expr: 'max(limit{pod=~".*"} @ 0)', exp_samples: [{labels: '{}', value: 536870912}]}
      - {eval_time: 40h, expr: 'max(limit)', exp_samples: [{labels: '{}', value: 1073741824}]}
EOF
root/usr/bin/promtool test rules test.yaml
