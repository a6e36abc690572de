#!/usr/bin/env bash
# dclint 3.1.0 (npm): a linter of compose files.
#
# Behaviour: `dclint --fix` writes the whole file anew, and numbers that no rule is about come out as others: file modes lose the zero that
# makes them octal, and whole numbers above 2^53 are rounded. It reports no change of values.
#
# Seen:
#   mode: 0440                             ->  mode: 440                         (0440 is 288, decimal 440 is octal 0670)
#   GOMEMLIMIT: 9223372036854775807        ->  GOMEMLIMIT: 9223372036854776000   (above 2^63-1)
#   ACCOUNT: 012345678901                  ->  ACCOUNT: 12345678901
#
# Why it hurts: the fix is asked for to sort keys. A mode that lets owner and group read becomes one that lets the group write and execute.
# 9223372036854775807 is what Go itself prints for "no memory limit"; the rounded number is refused by Go, so the container
# ends at its start. Such a change hides in a diff that moves every line.
#
# Exit codes: 0 as described, 1 no longer so, 77 the package could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
nice -n 10 npm install --silent --no-fund --no-audit --ignore-scripts dclint@3.1.0 >/dev/null || exit 77

cat >compose.yaml <<'EOF'
name: shop
services:
  web:
    image: localhost/web:1
    environment:
      ACCOUNT: 012345678901
      GOMEMLIMIT: 9223372036854775807
    secrets:
      - source: key
        mode: 0440
    container_name: web
secrets:
  key:
    file: ./key
EOF
cp compose.yaml before
node_modules/.bin/dclint --fix compose.yaml || true
diff before compose.yaml || true

grep -qE '^ +mode: 440$' compose.yaml
grep -qE '^ +GOMEMLIMIT: 9223372036854776000$' compose.yaml
grep -qE '^ +ACCOUNT: 12345678901$' compose.yaml
