#!/usr/bin/env bash
# systemd 252 (Debian 12): `systemd --test` loads units as the manager does, starts nothing, and prints what it made of them.
#
# Behaviour: the memory settings of a unit take a sum. `MemoryMax=1G 512M` is one limit of 1.5 GiB, and `MemoryMax=1K 1` is 1025 bytes. What stands
# behind the point of a number without a suffix is dropped: `MemoryMax=1.9` is 1 byte. Nothing of it is in the log, which does have a line for
# `MemoryMax=512Mi`, the spelling of Kubernetes; there the unit has no limit.
#
# Seen, the value and the limit in bytes:
#   512M        536870912
#   1G 512M     1610612736
#   1K 1        1025
#   1.9         1
#   512Mi       none, and a line in the log
#
# Why it hurts: other settings take two values on a line as the soft and the hard limit, or as the value for each of two devices, so a pair here looks
# like MemoryHigh and MemoryMax in one. The kernel then allows the sum of both, which is above each of them, and a GOMEMLIMIT that was set for the smaller
# one is far below what the unit may take.
#
# Needs systemd and setpriv. Exit codes: 0 as described, 1 no longer so, 77 a program is missing.
set -euo pipefail
manager=/lib/systemd/systemd
[ -x "$manager" ] && command -v setpriv >/dev/null || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 0755 "$work"
cd "$work"
"$manager" --version | head -1

try() { # VALUE: the limit that a unit with it has, and whether the log says anything
    rm -rf units && mkdir units
    printf '[Unit]\nDefaultDependencies=no\n\n[Service]\nExecStart=/bin/true\nMemoryMax=%s\n' "$1" >units/shop.service
    printf '[Unit]\nDefaultDependencies=no\nWants=shop.service\n' >units/all.target
    HOME=/ SYSTEMD_UNIT_PATH=$work/units setpriv --reuid=65534 --regid=65534 --clear-groups "$manager" --test --system --unit=all.target \
        --log-level=info --log-target=console >out 2>&1 || true
    grep -q 'shop.service' out || exit 77
    said=silent
    ! grep -q "shop.service:.*ignoring" out || said=told
    # Units without a limit, as the target itself is one, have the largest number that there is
    limit=$(sed -n 's/^.*MemoryMax: \([0-9]*\).*/\1/p' out | grep -v -x 18446744073709551615 || echo none)
    echo "$1: $limit $said"
}
for value in 512M '1G 512M' '1K 1' 1.9 512Mi; do try "$value"; done | tee answers
diff answers - <<'EOF'
512M: 536870912 silent
1G 512M: 1610612736 silent
1K 1: 1025 silent
1.9: 1 silent
512Mi: none told
EOF
