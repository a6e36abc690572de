#!/bin/sh
# docker run --env-file, podman too: ENGINE=podman ./docker-run.sh. Arguments go to the server.
set -eu

# One place for both numbers: what limits the container is what cgtune counts with.
cpus=2.5
memory=536870912 # bytes, 512 MiB: --memory takes a plain number as bytes, and so does cgtune

env_file=$(mktemp)
trap 'rm -f "$env_file"' EXIT

# Printed here and kept by this shell: the container needs no folder of the host's, no network and no privilege.
"${ENGINE:-docker}" run --rm --network none --read-only --cap-drop ALL --security-opt no-new-privileges --cpus 0.5 --memory 64m \
  registry.example.com/cgtune:0.1.0 env --dialect docker --cpu-limit "$cpus" --memory-limit "$memory" --go 1.24 >"$env_file"

"${ENGINE:-docker}" run --rm --env-file "$env_file" --cpus "$cpus" --memory "$memory" \
  --read-only --cap-drop ALL --security-opt no-new-privileges registry.example.com/server:1.0.0 "$@"
