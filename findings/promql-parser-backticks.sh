#!/usr/bin/env bash
# promql-parser 0.11.0 (PyPI, October 2026; the Rust parser), beside promtool 2.53.3 (Debian 13).
#
# Behaviour: PromQL's backtick strings are raw, so that regular expressions need no doubled backslashes. promql-parser checks them
# for escapes all the same and refuses those that "..." does not have: `\d`, `\w`, `\.`. It takes `\b` and `\n`, and
# keeps them as they are. So the check fits the other kind of string, and the value fits this one.
#
# Seen, promtool taking every line:
#   up{pod=~`web-\d+`}   unknown escape sequence 'd'
#   up{pod=~`a\.b`}      unknown escape sequence '.'
#   up{pod=~`\bweb`}     taken, the value is \bweb
#
# Why it hurts: recording and alerting rules of containers match pod names by `\d+`, mostly in backticks, because YAML and Go templates eat
# backslashes. Linters and query builders made on this parser call such valid rules broken, and `\b` in the first test hides it.
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
unpack promtool=2.53.3+ds1-2 || exit 77
python3 -m venv env
nice -n 10 env/bin/pip install --quiet promql-parser==0.11.0 || exit 77

n=0
cat >queries <<'EOF'
up{pod=~`web-\d+`}
up{pod=~`a\.b`}
label_replace(up, "x", "$1", "pod", `(\w+)-.*`)
up{pod=~`\bweb`}
up{pod=~"web-\\d+"}
EOF
{
    printf 'groups:\n- name: g\n  rules:\n'
    while read -r query; do printf '  - record: r\n    labels: {n: "%s"}\n    expr: %s\n' "$((++n))" "$query"; done <queries
} >rules.yml
root/usr/bin/promtool check rules rules.yml

env/bin/python - <<'EOF' | tee answers
import promql_parser
for query in open("queries").read().splitlines():
    try:
        promql_parser.parse(query)
        print("taken  ", query)
    except ValueError as error:
        print("refused", query, error)
print("value", promql_parser.parse(r"up{pod=~`\bweb`}").matchers.matchers[0].value)
EOF
[ "$(grep -c '^refused' answers)" = 3 ]
[ "$(grep -c "unknown escape sequence '[dw.]'" answers)" = 3 ]
grep -qx 'value \\bweb' answers
