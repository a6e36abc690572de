#!/usr/bin/env bash
# docker-systemctl-replacement 1.7.1097 (PyPI, March 2026), which starts services of systemd's unit files in containers that have no systemd, beside systemd itself (seen
# with 252, Debian 12; nothing of it is started).
#
# Behaviour: of the quotes that systemd takes off an `Environment=` line the replacement knows one pair, double ones around a whole assignment. Single quotes around an
# assignment leave the second of them in the value, quotes around the value stay with it, and a quoted value with a blank ends at the blank. And a service gets
# all variables of the container, which systemd leaves to PassEnvironment=.
#
# Seen, of one unit, and GOGC=off in the container:
#   written                       systemd              the replacement
#   "GOMAXPROCS=2"                GOMAXPROCS=2         GOMAXPROCS=2
#   'GOTRACEBACK=all'             GOTRACEBACK=all      GOTRACEBACK=all'
#   GOMEMLIMIT="400MiB"           GOMEMLIMIT=400MiB    GOMEMLIMIT="400MiB"
#   GODEBUG='gctrace=1'           GODEBUG=gctrace=1    GODEBUG='gctrace=1'
#   FLAGS="-a -b"                 FLAGS=-a -b          FLAGS="-a
#   (nothing of GOGC)             nothing of GOGC      GOGC=off
#
# Why it hurts: a Go program ends at its start over a GOMEMLIMIT with quotes, and ignores GODEBUG and GOTRACEBACK with them without a word. The unit file is the one that
# runs on the hosts. With GOGC=off, set for another program of the container, and no GOMEMLIMIT, the service never collects.
#
# Needs root and systemd's program. Exit codes: 0 as described, 1 no longer so, 77 the package or the program could not be had.
set -euo pipefail
[ "$(id -u)" = 0 ] && [ -x /lib/systemd/systemd ] || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
nice -n 10 env/bin/pip install --quiet docker-systemctl-replacement==1.7.1097 || exit 77

mkdir -p root/etc/systemd/system nobody
cat >root/etc/systemd/system/shop.service <<EOF
[Unit]
Description=shop

[Service]
Type=oneshot
Environment="GOMAXPROCS=2" 'GOTRACEBACK=all' GOMEMLIMIT="400MiB"
Environment=GODEBUG='gctrace=1' FLAGS="-a -b"
ExecStart=/bin/sh -c "env >$work/seen"
EOF
NAMES='^(GO[A-Z]+|FLAGS)='

echo replacement:
GOGC=off env/bin/systemctl3 --root "$work/root" start shop.service
grep -E "$NAMES" seen | sort | tee replacement

echo systemd:
chmod 755 "$work"
chown -R 65534 nobody
GOGC=off HOME="$work/nobody" XDG_RUNTIME_DIR="$work/nobody" SYSTEMD_LOG_TARGET=console SYSTEMD_UNIT_PATH="$work/root/etc/systemd/system:" \
    timeout 60 setpriv --reuid 65534 --clear-groups /lib/systemd/systemd --user --test --unit=shop.service >dump 2>&1 || true
sed -n '/Unit shop.service:/,/-> Unit/s/^[[:space:]]*Environment: //p' dump | sort | tee systemd

diff replacement - <<'EOF'
FLAGS="-a
GODEBUG='gctrace=1'
GOGC=off
GOMAXPROCS=2
GOMEMLIMIT="400MiB"
GOTRACEBACK=all'
EOF
diff systemd - <<'EOF'
FLAGS=-a -b
GODEBUG=gctrace=1
GOMAXPROCS=2
GOMEMLIMIT=400MiB
GOTRACEBACK=all
EOF
