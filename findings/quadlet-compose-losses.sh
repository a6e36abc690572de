#!/usr/bin/env bash
# quadlet-compose 0.3.0 (PyPI, May 2026; needs Python 3.10), its output read by Podman's own Quadlet generator 5.4.2 (Debian 13).
#
# Behaviour: two things of a compose file do not reach the unit, and nothing says so (exit code 0, standard error empty):
# - every CPU limit, both `cpus:` and `deploy.resources.limits`; of the latter the memory limit goes too;
# - all words of a list-form `command:` but the last. Each word becomes an `Exec=` line of its own, and Podman's generator takes the last.
#
# Seen, for `command: [server, --port, "8080"]`:
#   Exec=server
#   Exec=--port
#   Exec=8080
#   ExecStart=/usr/bin/podman run ... localhost/web:1 8080
#
# Why it hurts: the container starts without any limit, so whatever reads limits (Go's runtime, the JVM, a limit checker) sees
# "none" and takes the whole machine. `mem_limit:` is kept, so a first look at the unit says that limits are carried over.
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
    command: [server, --port, "8080"]
    cpus: 1.5
    mem_limit: 512m
  api:
    image: localhost/api:1
    deploy:
      resources:
        limits: {cpus: "0.5", memory: 256m}
EOF
(cd shop && ../env/bin/quadlet-compose convert) >units 2>error
sed -n '/\.container$/,/^$/p' units | grep -vE 'Label|^$'

mkdir quadlet # the Exec lines as they are, and no key that is newer than this generator
{ printf '[Container]\nImage=localhost/web:1\n' && grep '^Exec=' units; } >quadlet/web.container
QUADLET_UNIT_DIRS=$PWD/quadlet root/usr/libexec/podman/quadlet -dryrun 2>&1 | grep '^ExecStart=' | tee start

[ ! -s error ]
[ "$(grep -ciE 'cpu|256m' units)" = 0 ]
grep -qx 'Memory=512m' units
[ "$(grep '^Exec=' units | tr '\n' ' ')" = 'Exec=server Exec=--port Exec=8080 ' ]
grep -qE 'localhost/web:1 8080$' start
