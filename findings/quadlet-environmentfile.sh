#!/usr/bin/env bash
# Podman's Quadlet generator 5.4.2 (Debian 13), and the podman of this machine (seen with 4.3.1, Debian 12).
#
# Behaviour: a Quadlet unit may say `EnvironmentFile=` twice, in [Container] and in [Service], and the same file means two things.
# [Service] is read by systemd, which takes quotes off. [Container] becomes `podman run --env-file`, which keeps them: the container gets
# GOMAXPROCS='3' with both quotes. But `Environment=C='7'` in the same [Container] does lose its quotes: that key follows systemd.
#
# Seen:
#   ExecStart=/usr/bin/podman run ... --env C=7 --env-file .../go.env localhost/web:1
#   in the container: GOMAXPROCS='3'
#   in a shell:       GOMAXPROCS=3
#
# Why it hurts: one quoted file serves shells, systemd, compose and Kubernetes' fileKeyRef, so it is the obvious one to share. Under Quadlet Go
# silently ignores GOMAXPROCS='3', and a quoted GOMEMLIMIT ends the program at its start. Moving the line from [Service] to
# [Container], where the container can see it, is what breaks it.
#
# Needs root and podman; no container is started. Exit codes: 0 as described, 1 no longer so, 77 the packages could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
command -v podman >/dev/null || exit 77

unpack() { # PACKAGE=VERSION of Debian 13, from the mirror that this machine uses, into the folder root
    local mirror apt
    mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' | awk '$1 == "Debian" {print $2; exit}')
    mkdir -p state/lists/partial cache/archives/partial
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >sources.list
    apt=(apt-get -qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State="$work/state"
        -o Dir::Cache="$work/cache" -o Acquire::Languages=none -o APT::Sandbox::User=root)
    "${apt[@]}" update && "${apt[@]}" download "$@" && for deb in ./*.deb; do dpkg -x "$deb" root; done
}
unpack podman=5.4.2+ds1-2+b2 || exit 77

mkdir quadlet
echo "GOMAXPROCS='3'" >quadlet/go.env
cat >quadlet/web.container <<'EOF'
[Container]
Image=localhost/web:1
Environment=C='7'
EnvironmentFile=go.env
EOF
QUADLET_UNIT_DIRS=$PWD/quadlet root/usr/libexec/podman/quadlet -dryrun 2>&1 | grep '^ExecStart=' | tee start

mkdir -p rootfs/bin
podman=(podman --root "$work/store" --runroot "$work/run" --tmpdir "$work/tmp" --storage-driver vfs --events-backend file --cgroup-manager cgroupfs)
"${podman[@]}" create --name web --network none --env-file quadlet/go.env --rootfs "$work/rootfs" /bin/true >/dev/null
"${podman[@]}" inspect web --format '{{range .Config.Env}}{{println .}}{{end}}' | grep GOMAXPROCS | tee inside
"${podman[@]}" rm web >/dev/null
(set -a && . quadlet/go.env && env | grep GOMAXPROCS) | tee shell

grep -qE -- "--env C=7 .*--env-file $work/quadlet/go.env localhost/web:1" start
[ "$(cat inside)" = "GOMAXPROCS='3'" ]
[ "$(cat shell)" = GOMAXPROCS=3 ]
