#!/usr/bin/env bash
# Four readers of JUnit reports (PyPI): junit-time-diff 0.2.0 (August 2026), velvet-report 2.1.3, flakemap 0.3.7, junitparser 5.0.3.
#
# Behaviour: JUnit's times may have commas between the thousands, as the schema of Maven's Surefire says. junit-time-diff, which is made
# to fail a build whose tests got slower, counts what has a comma as 0 seconds, so the slower test is one that got faster by all of its time. velvet-report ends with a
# traceback. flakemap says that it does not know this time, and junitparser reads it.
#
# Seen, of one test of 999 seconds that takes 1,450 in the next run, beside one of 12.4:
#   junit-time-diff    before 1011.40 s, now 12.40 s, -98.8 %, no regression, exit code 0
#   (without comma)    before 1011.40 s, now 1462.40 s, +44.6 %, exit code 1
#   velvet-report      a ValueError
#   flakemap           a warning, the duration is unknown
#   junitparser        1450 s
#
# Why it hurts: only the tests of a quarter of an hour and more have a comma: the load tests, which the gate is there for. The week in which one of them passes a thousand
# seconds is told as the best that there was, and from then on no run of it can be a regression.
#
# Exit codes: 0 as described, 1 no longer so, 77 a package could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
nice -n 10 env/bin/pip install --quiet junit-time-diff==0.2.0 velvet-report==2.1.3 flakemap==0.3.7 junitparser==5.0.3 || exit 77

report() { # SECONDS OF ALL, SECONDS OF THE TEST
    echo '<?xml version="1.0" encoding="UTF-8"?>'
    echo "<testsuite name=\"shop.LoadTest\" time=\"$1\" tests=\"2\" errors=\"0\" skipped=\"0\" failures=\"0\">"
    echo "  <testcase name=\"short\" classname=\"shop.LoadTest\" time=\"12.4\"/>"
    echo "  <testcase name=\"long\" classname=\"shop.LoadTest\" time=\"$2\"/>"
    echo "</testsuite>"
}
mkdir runs
report 1,011.4 999 >runs/before.xml
report 1,462.4 1,450 >runs/now.xml
report 1462.4 1450 >plain.xml
compare() { # NAME REPORT: what junit-time-diff says of the tests that both have
    local code=0
    env/bin/junit-time-diff runs/before.xml "$2" >said || code=$?
    echo "$1: $(awk '/^Common tests \(/ {print $4, $5, $7}' said) exit $code"
}
{
    compare comma runs/now.xml
    compare plain plain.xml
    ! env/bin/velvet-report generate --history history runs/now.xml page >said 2>&1
    echo "velvet-report: $(grep -o '^ValueError' said)"
    echo "flakemap: $(env/bin/flakemap --json runs | grep -o 'now.xml: shop.LoadTest.long: invalid duration')"
    echo "junitparser: $(env/bin/python -c 'import junitparser; print([case.time for suite in junitparser.JUnitXml.fromfile("runs/now.xml") for case in suite])')"
} | tee answers
diff answers - <<'EOF'
comma: 1011.40s 12.40s -98.8% exit 0
plain: 1011.40s 1462.40s +44.6% exit 1
velvet-report: ValueError
flakemap: now.xml: shop.LoadTest.long: invalid duration
junitparser: [12.4, 1450.0]
EOF
