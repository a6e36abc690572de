#!/usr/bin/env bash
# sarif-junit 1.1.4 (npm): SARIF becomes JUnit's XML, so that a pipeline shows findings as tests that failed.
#
# Behaviour: only a result that states its own level can fail. SARIF lets a result leave it out: then the level is that of its rule, and if the
# rule has none, it is "warning" (SARIF 2.1.0, section 3.27.10). Such a result becomes a test that passed. In the other direction a result that says
# that it is none (kind "pass") is rightly no failure, so the two cannot be told apart in the output.
#
# Seen, of one rule whose default level is "error" and one without a default:
#   level "error" in the result          failed
#   none, its rule says "error"          passed
#   none, its rule says nothing          passed      (SARIF: a warning)
#   level "warning" in the result        failed
#   none, kind "pass"                    passed
#   tests 5, failures 2
#
# Why it hurts: tools that keep the level with the rule, which saves it in each result, end in a report of green tests, one for each finding. It says
# how many there are and what they are about, so it does not look as if anything were missing.
#
# Exit codes: 0 as described, 1 no longer so, 77 the package could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
nice -n 10 npm install --silent --no-fund --no-audit --ignore-scripts sarif-junit@1.1.4 >/dev/null || exit 77

python3 - >findings.sarif <<'EOF'
import json

place = [{"physicalLocation": {"artifactLocation": {"uri": "deploy/shop.yaml"}, "region": {"startLine": 12}}}]


def result(text, rule, **more):
    return {"ruleId": rule, "message": {"text": text}, "locations": place, **more}


driver = {"name": "lint", "rules": [{"id": "limit", "defaultConfiguration": {"level": "error"}}, {"id": "request"}]}
results = [
    result("own error", "limit", level="error"),
    result("error of the rule", "limit"),
    result("warning by default", "request"),
    result("own warning", "request", level="warning"),
    result("kind pass", "limit", kind="pass"),
]
print(json.dumps({"version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}))
EOF
node_modules/.bin/sarif-junit -i findings.sarif -o tests.xml >/dev/null
python3 - <<'EOF' | tee answers
from xml.etree import ElementTree

suite = ElementTree.parse("tests.xml").getroot().find("testsuite")
for case in suite:
    print(case.get("name").replace("Ln 12 ", ""), "failed" if case.find("failure") is not None else "passed", sep=": ")
print("tests", suite.get("tests"), "failures", suite.get("failures"))
EOF
diff answers - <<'EOF'
own error: failed
error of the rule: passed
warning by default: passed
own warning: failed
kind pass: passed
tests 5 failures 2
EOF
