#!/usr/bin/env bash
# vmalert-tool 1.112.0 beside promtool 2.53.3 (both Debian 13; vmalert-tool 1.145.0 of Debian unstable no longer does it).
#
# Behaviour: in a unit test of rules, `values: 9.223372036854776e+18x5` means "this number, and five more of it" to promtool. vmalert-tool reads the
# exponent as a step: it starts at 9.22 and goes down by 18 at each interval. No message; the series then holds 9.2, -8.8, -26.8, -44.8.
# Without the sign (1e15x5) it does the same. The number written out with all its digits is read rightly.
#
# Seen, asked for the sample at 3 minutes:
#   values 9.223372036854776e+18x5   promtool 9.223372036854776e+18   vmalert-tool -44.776627963145
#   values 1e15x5                    promtool 1e+15                   vmalert-tool -44
#   values 536870912x5               promtool 536870912               vmalert-tool 536870912
#
# Why it hurts: 9.223372036854776e+18 is letter by letter what Go programs export as go_gc_gomemlimit_bytes if no limit is set, so that is what one copies
# into the test of a rule "no memory limit set". The test that must fire does not, and the test that an alert stays silent
# passes for the wrong reason: a limit of -44 bytes is below anything.
#
# Exit codes: 0 as described, 1 no longer so, 77 the packages could not be had.
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
unpack promtool=2.53.3+ds1-2 victoria-metrics=1.112.0+ds1-2 || exit 77

cat >rules.yml <<'EOF'
groups: [{name: g, rules: [{record: r, expr: "1"}]}]
EOF
# Each test asks for the sample that was written; the tool that has another one says which.
cat >head.yml <<'EOF'
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
EOF
for pair in '9.223372036854776e+18 9.223372036854776e+18' '1e15 1000000000000000' '536870912 536870912'; do
    read -r value sample <<<"$pair"
    cat <<EOF
- interval: 1m
  input_series: [{series: "m{v='$value'}", values: "${value}x5"}]
  TOOL_expr_test: [{expr: m, eval_time: 3m, exp_samples: [{labels: "m{v='$value'}", value: $sample}]}]
EOF
done >tests
cat head.yml <(sed s/TOOL/promql/ tests) >prom.yml
cat head.yml <(sed s/TOOL/metricsql/ tests) >vm.yml
root/usr/bin/promtool test rules prom.yml
nice -n 10 timeout 120 root/usr/bin/vmalert-tool unittest --files=vm.yml --disableAlertgroupLabel >vm 2>&1 && exit 1
grep 'got:' vm
grep -qF -- 'v="9.223372036854776e+18"} -4.4776627963145E+01' vm
grep -qF -- 'v="1e15"} -4.4E+01' vm
! grep -q 536870912 vm
