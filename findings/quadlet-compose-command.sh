#!/usr/bin/env bash
# quadlet-compose 0.3.0 (PyPI, May 2026; needs Python 3.10), its output read by Podman's own Quadlet generator 5.4.2 (Debian 13).
#
# Behaviour: a `command:` that is written as a list loses all words but the last. Each word becomes an `Exec=` line of its own; of several such
# lines Podman's generator takes the last. Neither of the two programs says a word. The same command written as one string arrives whole.
#
# Seen, for `command: [server, --port, "8080"]`:
#   Exec=server
#   Exec=--port
#   Exec=8080
#   ExecStart=/usr/bin/podman run ... localhost/web:1 8080
# and for `command: server --port 8080`:
#   ExecStart=/usr/bin/podman run ... localhost/web:1 server --port 8080
#
# Why it hurts: the flags that size a program (workers, caches, memory) sit in such lists. With an image that has an entrypoint the container
# does start, on the defaults of everything that was left out; the unit file, read by eye, still shows all the words.
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

python3 -m venv env
nice -n 10 env/bin/pip install --quiet quadlet-compose==0.3.0 || exit 77
unpack podman=5.4.2+ds1-2+b2 || exit 77

mkdir shop
cat >shop/compose.yaml <<'EOF'
services:
  web:
    image: localhost/web:1
    command: COMMAND
EOF
start() { # what Podman would run: of the unit only the Exec lines, as the rest has keys that are newer than this generator
    sed "s/COMMAND/$1/" shop/compose.yaml >one/compose.yaml
    (cd one && ../env/bin/quadlet-compose convert) >units 2>error
    [ ! -s error ]
    { printf '[Container]\nImage=localhost/web:1\n' && grep '^Exec=' units | tee /dev/stderr; } >quadlet/web.container
    QUADLET_UNIT_DIRS=$PWD/quadlet root/usr/libexec/podman/quadlet -dryrun 2>/dev/null | grep '^ExecStart='
}
mkdir one quadlet
start '[server, --port, "8080"]' | tee list
start 'server --port 8080' | tee string
grep -qE 'localhost/web:1 8080$' list
grep -qE 'localhost/web:1 server --port 8080$' string
