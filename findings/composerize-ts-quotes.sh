#!/usr/bin/env bash
# composerize-ts 0.6.2 (npm), which makes a compose file of a `docker run`.
#
# Behaviour: quotes around the value of an option, as any shell takes them, shift everything: the variable is empty, the beginning of its value is the image, and the image, with all
# options that follow, is the command. Quotes around the whole assignment are understood. The two numbers of --ulimit change places, so the soft limit is above the
# hard one, and the digest of an image is cut off. The list of messages, which names every option that it cannot translate, is empty each time.
#
# Seen (what stands in the compose file):
#   docker run -e "GOMEMLIMIT=460MiB" --cpus 1.5 shop:1     image shop:1, cpus 1.5, GOMEMLIMIT=460MiB
#   docker run -e GOMEMLIMIT="460MiB" --cpus 1.5 shop:1     image 460, command --cpus 1.5 shop:1, GOMEMLIMIT=
#   docker run --ulimit nofile=1024:2048 shop:1             hard 1024, soft 2048
#   docker run shop@sha256:0123                             image shop
#   docker run -m 512m shop:1                               image shop:1, and the message that -m is not implemented
#
# Why it hurts: the file is valid, so compose takes it, and asks a registry for an image that nobody named (GODEBUG="gctrace=1" asks for gctrace). Where it does start, the
# CPU limit is a word of the command, an empty GOMEMLIMIT is none, and an image that was pinned is the newest from then on.
#
# Needs Node.js. Exit codes: 0 as described, 1 no longer so, 77 the package could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
nice -n 10 npm install --silent --no-fund --no-audit --ignore-scripts composerize-ts@0.6.2 >/dev/null || exit 77

cat >try.cjs <<'EOF'
const { composerize } = require('composerize-ts')

const commands = [
  'docker run -e "GOMEMLIMIT=460MiB" --cpus 1.5 shop:1',
  'docker run -e GOMEMLIMIT="460MiB" --cpus 1.5 shop:1',
  'docker run --ulimit nofile=1024:2048 shop:1',
  'docker run shop@sha256:0123',
  'docker run -m 512m shop:1',
]
for (const command of commands) {
  const { yaml, messages } = composerize(command)
  const lines = yaml.split('\n').map((line) => line.trim()).filter((line) => line)
  console.error([command, ...lines.slice(3), ...messages.map((message) => message.type)].join(' | '))
}
EOF
node try.cjs 2>&1 >/dev/null | tee answers # it writes what it could not read to the standard output, which nobody reads as a message
diff answers - <<'EOF'
docker run -e "GOMEMLIMIT=460MiB" --cpus 1.5 shop:1 | image: 'shop:1' | cpus: '1.5' | environment: | - GOMEMLIMIT=460MiB
docker run -e GOMEMLIMIT="460MiB" --cpus 1.5 shop:1 | command: '--cpus 1.5 shop:1' | image: '460' | environment: | - GOMEMLIMIT=
docker run --ulimit nofile=1024:2048 shop:1 | image: 'shop:1' | ulimits: | nofile: | hard: 1024 | soft: 2048
docker run shop@sha256:0123 | image: shop
docker run -m 512m shop:1 | image: 'shop:1' | notImplemented
EOF
