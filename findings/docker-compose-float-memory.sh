#!/usr/bin/env bash
# Docker Compose 2.26.1 (Debian 13: docker-compose; 2.40.3 of Debian unstable was seen to do the same).
#
# Behaviour: a memory limit that YAML reads as a number with a point or an exponent is dropped. `mem_limit: 536870912` is kept, `mem_limit: 536870912.0`,
# `5.36870912e+08` and `1e9` are gone: the container has no limit. The exit code is 0 and nothing is said. The schema of the Compose file allows any
# number there. So it is with memswap_limit, mem_reservation and shm_size too. `cpus: 5e-1` is read as 0.5. And in `environment:` such a number comes
# out in the other spelling: 536870912.0 reaches the container as 5.36870912e+08.
#
# Seen in `docker-compose config`:
#   mem_limit: 536870912          mem_limit: "536870912"
#   mem_limit: 0x20000000         mem_limit: "536870912"
#   mem_limit: 536870912.0        (no mem_limit)
#   mem_limit: 5.36870912e+08     (no mem_limit)
#   mem_limit: 1e9                (no mem_limit)
#   GOMEMLIMIT: 536870912.0       GOMEMLIMIT: "5.36870912e+08"
#
# Why it hurts: these are the spellings of programs, not of people: Go templates and Helm print 536870912 as 5.36870912e+08, and languages without whole
# numbers add ".0". Such a file looks right, passes `config`, and the container may take all memory of the machine. Whatever is derived from the
# limit (GOMEMLIMIT, a JVM's heap) then finds none, or is set from the file and guards against nothing.
#
# Nothing is started. Exit codes: 0 as described, 1 no longer so, 77 the package could not be had.
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

try() { # KEY VALUE: what is left of it
    printf 'name: shop\nservices:\n  web:\n    image: localhost/web:1\n    %s: %s\n' "$1" "$2" >compose.yaml
    HOME=$work root/usr/libexec/docker/cli-plugins/docker-compose config >out 2>error
    echo "$1: $2 -> $(sed -n "s/^    \($1: .*\)/\1/p" out)$(cat error)"
}
{
    for value in 536870912 0x20000000 512m 536870912.0 5.36870912e+08 1e9; do try mem_limit $value; done
    for key in memswap_limit mem_reservation shm_size; do try $key 536870912 && try $key 536870912.0; done
    try cpus 5e-1
    try environment '{GOMEMLIMIT: 536870912.0}' | tr -d '\n'
    grep GOMEMLIMIT out
} | tee answers
diff answers - <<'EOF'
mem_limit: 536870912 -> mem_limit: "536870912"
mem_limit: 0x20000000 -> mem_limit: "536870912"
mem_limit: 512m -> mem_limit: "536870912"
mem_limit: 536870912.0 -> 
mem_limit: 5.36870912e+08 -> 
mem_limit: 1e9 -> 
memswap_limit: 536870912 -> memswap_limit: "536870912"
memswap_limit: 536870912.0 -> 
mem_reservation: 536870912 -> mem_reservation: "536870912"
mem_reservation: 536870912.0 -> 
shm_size: 536870912 -> shm_size: "536870912"
shm_size: 536870912.0 -> 
cpus: 5e-1 -> cpus: 0.5
environment: {GOMEMLIMIT: 536870912.0} ->       GOMEMLIMIT: "5.36870912e+08"
EOF
