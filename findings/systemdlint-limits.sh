#!/usr/bin/env bash
# systemdlint 1.4.0 (PyPI, September 2025), beside `systemd-analyze verify` of this machine: seen with systemd 252 (Debian 12).
#
# Behaviour: in the settings that limit memory, CPU and tasks the linter is wrong in both directions. It passes three values that systemd drops with
# a line in the journal, so that no limit is there at all, and it calls values an error that systemd takes: every percentage of memory or tasks, every
# fraction, `infinity` of memory, `CPUWeight=idle`, and OOMPolicy, which it says no [Service] has.
#
# Seen:
#   setting                  systemdlint   systemd
#   CPUQuota=150             passes        ignores: the percent sign is not optional
#   CPUQuota=0%              passes        ignores
#   MemoryMax=0              passes        ignores
#   CPUQuota=33.5%           an error      takes
#   MemoryMax=80%, 1.5G      an error      takes
#   MemoryHigh=infinity      an error      takes
#   TasksMax=50%             an error      takes
#   CPUWeight=idle           an error      takes
#   OOMPolicy=continue       an error      takes
#
# Why it hurts: a service whose unit was linted runs without its CPU limit, and a Go program in it (1.25 and later ask for the limit) starts as many threads as
# the machine has CPUs. Who follows the errors replaces a share of the memory, which fits every machine, with a number that fits one, or takes out OOMPolicy,
# with which one killed process takes the whole service along.
#
# Needs systemd-analyze, 251 or later. Exit codes: 0 as described, 1 no longer so, 77 a package or a program could not be had.
set -euo pipefail
command -v systemd-analyze >/dev/null || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
nice -n 10 env/bin/pip install --quiet systemdlint==1.4.0 || exit 77
systemd-analyze --version | head -1

try() { # SETTING: what either says of it
    printf '[Unit]\nDescription=shop\n\n[Service]\nDynamicUser=yes\nExecStart=/bin/true\n%s\n\n[Install]\nWantedBy=multi-user.target\n' "$1" >shop.service
    local lint=passes systemd=takes
    env/bin/systemdlint shop.service >lint 2>&1 || true
    systemd-analyze verify ./shop.service 2>verify || true
    ! grep -q "${1%%=*}" lint || lint=error
    ! grep -q ignoring verify || systemd=ignores
    echo "$1 $lint $systemd"
}
for setting in CPUQuota=150% CPUQuota=150 CPUQuota=0% CPUQuota=33.5% MemoryMax=512M MemoryMax=0 MemoryMax=80% MemoryMax=1.5G MemoryHigh=infinity \
    TasksMax=50% CPUWeight=idle OOMPolicy=continue; do
    try $setting
done | tee answers
diff answers - <<'EOF'
CPUQuota=150% passes takes
CPUQuota=150 passes ignores
CPUQuota=0% passes ignores
CPUQuota=33.5% error takes
MemoryMax=512M passes takes
MemoryMax=0 passes ignores
MemoryMax=80% error takes
MemoryMax=1.5G error takes
MemoryHigh=infinity error takes
TasksMax=50% error takes
CPUWeight=idle error takes
OOMPolicy=continue error takes
EOF
