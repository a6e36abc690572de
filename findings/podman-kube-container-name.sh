#!/usr/bin/env bash
# The `podman kube play` of this machine: seen with Podman 4.3.1 (Debian 12) and 5.4.2 (Debian 13).
#
# Behaviour: a variable that a manifest takes from the limits of another container (resourceFieldRef with containerName) gets those of its own
# container, as if the name were not there. Without limits of its own that is the memory and the CPUs of the machine. Kubernetes honours the name. Rounding and
# divisor, and a request that follows the limit, are as in Kubernetes. A CPU request, which Kubernetes turns into shares, changes nothing.
#
# Seen, of a pod whose container app has limits of 1500m and 128Mi, and whose sidecar has none, on 2 CPUs:
#                                                       Kubernetes    Podman
#   app:      its own limits.memory, limits.cpu         134217728, 2  134217728, 2
#   sidecar:  limits.memory of app                      134217728     the machine's memory
#   sidecar:  limits.cpu of app, divisor 1m             1500          2000
#   small:    limits.memory of app (its own are 64Mi)   134217728     67108864
#   app:      requests.cpu of 250m                      shares 256    shares as by default
#
# Why it hurts: this is how a sidecar or an init container is told what the app may use, so that it can say or write a GOMEMLIMIT for it. Tried with Podman
# the number is that of a machine, or, if both have limits, a number that looks right and is that of the wrong container.
#
# Needs root, podman and runc; the containers are made and never started.
# Exit codes: 0 as described, 1 no longer so, 77 a program is not there.
set -euo pipefail
command -v podman >/dev/null && command -v runc >/dev/null || exit 77
work=$(mktemp -d)
clean() { # the pod's empty cgroups stay behind if nobody removes them
    "${podman[@]}" pod rm --force shop >/dev/null 2>&1 || true
    [ -z "${pod-}" ] || find /sys/fs/cgroup -depth -type d -path "*/$pod*" -exec rmdir {} + 2>/dev/null || true
    rm -rf "$work"
}
cd "$work"
printf '[engine]\ninfra_image = "localhost/shop:1"\n' >containers.conf # Debian's Podman may come without the program for it
export CONTAINERS_CONF=$work/containers.conf
podman=(podman --root "$work/store" --runroot "$work/run" --tmpdir "$work/tmp" --storage-driver vfs --events-backend file --cgroup-manager cgroupfs
    --runtime runc)
trap clean EXIT
podman --version

mkdir rootfs
touch rootfs/shop
tar -C rootfs -cf image.tar .
"${podman[@]}" import -q --change 'CMD ["/shop"]' image.tar localhost/shop:1 >/dev/null
cat >pod.yaml <<'EOF'
apiVersion: v1
kind: Pod
metadata: {name: shop}
spec:
  containers:
  - name: app
    image: localhost/shop:1
    imagePullPolicy: Never
    resources: {limits: {cpu: 1500m, memory: 128Mi}, requests: {cpu: 250m}}
    env:
    - {name: MEMORY, valueFrom: {resourceFieldRef: {resource: limits.memory}}}
    - {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
    - {name: REQUEST, valueFrom: {resourceFieldRef: {resource: requests.memory}}}
  - name: sidecar
    image: localhost/shop:1
    imagePullPolicy: Never
    env:
    - {name: MEMORY, valueFrom: {resourceFieldRef: {containerName: app, resource: limits.memory}}}
    - {name: CPU, valueFrom: {resourceFieldRef: {containerName: app, resource: limits.cpu, divisor: 1m}}}
  - name: small
    image: localhost/shop:1
    imagePullPolicy: Never
    resources: {limits: {cpu: 100m, memory: 64Mi}}
    env:
    - {name: MEMORY, valueFrom: {resourceFieldRef: {containerName: app, resource: limits.memory}}}
    - {name: CPU, valueFrom: {resourceFieldRef: {containerName: app, resource: limits.cpu, divisor: 1m}}}
EOF
"${podman[@]}" kube play --start=false --network none pod.yaml >/dev/null
pod=$("${podman[@]}" pod inspect shop --format '{{.ID}}')
memory=$(awk '/^MemTotal/ {print $2 * 1024}' OFMT=%.0f /proc/meminfo)
for name in app sidecar small; do
    "${podman[@]}" inspect "shop-$name" --format '{{range .Config.Env}}{{println .}}{{end}}' | grep -E '^(MEMORY|CPU|REQUEST)=' | sort >variables
    echo "$name: $(paste -sd ' ' variables) shares $("${podman[@]}" inspect "shop-$name" --format '{{.HostConfig.CpuShares}}')"
done | tee answers
diff answers - <<EOF
app: CPU=2 MEMORY=134217728 REQUEST=134217728 shares 0
sidecar: CPU=$(nproc --all)000 MEMORY=$memory shares 0
small: CPU=100 MEMORY=67108864 shares 0
EOF
