#!/usr/bin/env bash
# sarif-tools 3.0.5 (PyPI).
#
# Behaviour: `sarif summary --check error` is the gate for a pipeline: it ends with 1 if there are errors. It counts results that were accepted
# (`suppressions`) and results that are gone (`baselineState: absent`) as errors like any other. And a result that names its rule by
# `rule.id` instead of `ruleId`, as SARIF 2.1.0 allows, ends every command with a KeyError.
#
# Seen:
#   one suppressed error, nothing else               error: 1, exit code 1
#   one error that is absent since the baseline      error: 1, exit code 1
#   one result of kind "pass", without a level       none: 1, exit code 0
#   a result with rule.id and no ruleId              KeyError: 'ruleId', exit code 1
#
# Why it hurts: linters of manifests write "ignored, with a reason" as a suppression and "mended" as absent, so that viewers can hide both. Behind
# this gate an ignored finding cannot be ignored, and mending the last finding fails the build once more. The third line shows that
# the tool does know results that do not count, so one does not look for it here.
#
# Exit codes: 0 as described, 1 no longer so, 77 the package could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
nice -n 10 env/bin/pip install --quiet sarif-tools==3.0.5 || exit 77

gate() { # NAME and a result, as JSON: what the gate says
    cat >"$1.sarif" <<EOF
{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "lint", "rules": [{"id": "limit"}]}}, "results": [$2]}]}
EOF
    local code=0
    env/bin/sarif --check error summary "$1.sarif" >"$1.out" 2>&1 || code=$?
    echo "$1: exit $code, $(grep -E '^(error|none): [1-9]|^KeyError' "$1.out")"
}
{
    gate suppressed '{"ruleId": "limit", "level": "error", "message": {"text": "m"}, "suppressions": [{"kind": "external", "status": "accepted"}]}'
    gate absent '{"ruleId": "limit", "level": "error", "message": {"text": "m"}, "baselineState": "absent"}'
    gate pass '{"ruleId": "limit", "kind": "pass", "message": {"text": "m"}}'
    gate rule-object '{"rule": {"id": "limit", "index": 0}, "level": "error", "message": {"text": "m"}}'
} | tee answers
diff answers - <<'EOF'
suppressed: exit 1, error: 1
absent: exit 1, error: 1
pass: exit 0, none: 1
rule-object: exit 1, KeyError: 'ruleId'
EOF
