#!/usr/bin/env bash
# cyclonedx-bom 7.5.0 (PyPI): `cyclonedx-py environment`, the list of parts (SBOM) of an installed Python environment.
#
# Behaviour: a package "depends on" whatever its metadata names for any of its extras, if that happens to be installed, though nobody asked for the extra. Two packages
# that have nothing to do with each other are joined so, by what the one would like for its documentation, its benchmarks or its tests.
#
# Seen, with markdown-it-py 4.0.0, psutil 7.1.0 and PyYAML 6.0.2 side by side, no extra of any asked for:
#   markdown-it-py -> PyYAML, mdurl, psutil     (its METADATA: mdurl; PyYAML with extra "rtd", psutil with extra "benchmarking")
#   psutil         -> setuptools                (its METADATA: nothing; setuptools with extras "dev" and "test")
#
# Why it hurts: who follows the graph from a program to a vulnerable package finds a way that is not there: pulling out markdown-it-py seems to pull out psutil, and an
# alert on PyYAML names a Markdown parser as its user. In another environment with the same lock, but without the third package, the graph is another one.
#
# Exit codes: 0 as described, 1 no longer so, 77 the packages could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv tool
tool/bin/pip install -q --disable-pip-version-check cyclonedx-bom==7.5.0 >/dev/null 2>&1 || exit 77
python3 -m venv looked-at
looked-at/bin/pip install -q --disable-pip-version-check setuptools==80.9.0 markdown-it-py==4.0.0 mdurl==0.1.2 psutil==7.1.0 PyYAML==6.0.2 >/dev/null 2>&1 || exit 77

tool/bin/cyclonedx-py environment --output-format JSON looked-at/bin/python >parts.json 2>/dev/null
python3 - <<'EOF' | tee answers
import json
import pathlib
import re

for row in json.load(open("parts.json"))["dependencies"]:
    name = row["ref"].partition("==")[0]
    if name in ("markdown-it-py", "psutil"):
        names = sorted(ref.partition("==")[0] for ref in row.get("dependsOn", ()))
        (metadata,) = pathlib.Path("looked-at").rglob(f"{name.replace('-', '_')}-*.dist-info/METADATA")
        wanted = [line for line in metadata.read_text().splitlines() if line.startswith("Requires-Dist: ") and "extra ==" not in line]
        print(name, "depends on", *names, "and asks for", *(re.match(r"Requires-Dist: ([\w-]+)", line)[1] for line in wanted))
EOF
diff answers - <<'EOF'
markdown-it-py depends on PyYAML mdurl psutil and asks for mdurl
psutil depends on setuptools and asks for
EOF
