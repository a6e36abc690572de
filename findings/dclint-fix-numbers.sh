#!/usr/bin/env bash
# dclint 3.1.0 (npm), a linter of compose files; what it writes is read by Docker Compose 2.26.1 (Debian 13).
#
# Behaviour: `dclint --fix` writes the whole file anew, and numbers that no rule is about come out as others: file modes lose the zero that
# makes them octal, and whole numbers above 2^53 are rounded. It reports no change of values.
#
# Seen, in the file before and after, and what Compose makes of it:
#   mode: 0440                         mode: 440                           288 (octal 0440), then 440 (octal 0670)
#   GOMEMLIMIT: 9223372036854775807    GOMEMLIMIT: 9223372036854776000     the same numbers, as text for the container
#
# Why it hurts: the fix is asked for to sort keys. A mode that lets owner and group read becomes one that lets the group write and execute.
# 9223372036854775807 is what Go itself prints for "no memory limit"; the rounded number is larger than any that Go takes, so the program
# ends at its start. Such a change hides in a diff that moves every line.
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
unpack docker-compose=2.26.1-4 || exit 77
nice -n 10 npm install --silent --no-fund --no-audit --ignore-scripts dclint@3.1.0 >/dev/null || exit 77

cat >compose.yaml <<'EOF'
name: shop
services:
  web:
    image: localhost/web:1
    environment:
      GOMEMLIMIT: 9223372036854775807
    secrets:
      - source: key
        mode: 0440
    container_name: web
secrets:
  key:
    file: ./key
EOF
touch key
look() {
    echo "$1: $(grep -E 'mode|GOMEM' compose.yaml | sort | xargs), Compose: $(HOME=$work root/usr/libexec/docker/cli-plugins/docker-compose config |
        grep -E 'mode|GOMEM' | sort | xargs)"
}
{
    look before
    node_modules/.bin/dclint --fix compose.yaml >&2 || true
    look after
} | tee answers
diff answers - <<'EOF'
before: mode: 0440 GOMEMLIMIT: 9223372036854775807, Compose: mode: 288 GOMEMLIMIT: 9223372036854775807
after: mode: 440 GOMEMLIMIT: 9223372036854776000, Compose: mode: 440 GOMEMLIMIT: 9223372036854776000
EOF
