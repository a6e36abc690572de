#!/usr/bin/env bash
# slokit-sre 1.0.1 (PyPI, July 2026), whose rules are judged by promtool 2.53.3 (Debian 13; 2.42 of Debian 12 was seen to do the same).
#
# Behaviour: the alerts for error budgets that it writes never fire, whatever fails. It records one error ratio for each window, with the window as a
# label, and each alert asks for the long window `and` the short one. `and` keeps a series if the other side has one with the same labels;
# here the label `window` always differs, and neither `ignoring (window)` nor `on (slo)` is there. `promtool check rules` finds nothing to say.
#
# Seen, of a service that fails every second request for four hours, with an objective of 99.9 percent:
#   recorded, 1h and 5m     0.5 and 0.5; the alert asks for more than 0.0144 of both
#   alerts of slokit        none, ever: not ShopFastBurn, ShopSlowBurn or ShopSlowerBurn
#   the same rules after    all three
#   `and` -> `and on (slo)`
#
# Why it hurts: both ratios stand on the dashboard, far above the line, and nobody is paged. The package's own `status`, which compares in Python,
# says that the alert fires, so whoever tries it before the rules are rolled out sees it work.
#
# Exit codes: 0 as described, 1 no longer so, 77 a package could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
nice -n 10 env/bin/pip install --quiet slokit-sre==1.0.1 || exit 77

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

cat >slo.yaml <<'END'
apiVersion: slo-kit/v1
name: shop
service: shop
objective: 0.999
window: 30d
sli:
  good_query: 'sum(rate(http_requests_total{job="shop",code!~"5.."}[{window}]))'
  total_query: 'sum(rate(http_requests_total{job="shop"}[{window}]))'
END
env/bin/slo-kit gen-alerts slo.yaml >rules.yaml
root/usr/bin/promtool check rules rules.yaml | tee checked
grep -q 'SUCCESS: 9 rules' checked

alerts() { # RULES: how many of the three alerts fire, of a service that fails every second request; the ratios have to be there
    cat >test.yaml <<END
rule_files: [$1]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'http_requests_total{job="shop",code="200"}', values: '0+30x240'}
      - {series: 'http_requests_total{job="shop",code="500"}', values: '0+30x240'}
    promql_expr_test:
      - {expr: 'min(slo:sli_error:ratio_rate1h) + min(slo:sli_error:ratio_rate5m)', eval_time: 4h, exp_samples: [{labels: '{}', value: 1}]}
      - {expr: 'count(ALERTS{alertstate="firing"}) or vector(0)', eval_time: 4h, exp_samples: [{labels: '{}', value: $2}]}
END
    root/usr/bin/promtool test rules test.yaml
}
echo "As written, of three alerts 0 fire:" && alerts rules.yaml 0
sed -E 's/\band\\n/and on (slo)\\n/' rules.yaml >mended.yaml
[ "$(grep -c 'and on (slo)' mended.yaml)" = 3 ]
echo "With 'and on (slo)' 3 do:" && alerts mended.yaml 3
env/bin/python - <<'END'
from slo_kit.alerts.multiwindow import MultiWindowPolicy

policy = MultiWindowPolicy()
firing = policy.evaluate(dict.fromkeys(policy.required_windows, 500.0)).firing_conditions
print("The package itself, of the same ratios:", *(result.name for result in firing))
raise SystemExit(len(firing) != 3)
END
