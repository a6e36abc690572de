#!/usr/bin/env bash
# kcl-lib 0.13.2 (PyPI, October 2026): the KCL configuration language, which has units in its numbers (512Mi, 500m).
#
# Behaviour: one literal, three values. Written to YAML, `512Mi` becomes the number 536870912.0, with a point, and `1k` becomes 1000.0. In text
# it becomes the literal again, "512Mi". And it cannot be computed with: `512Mi * 0.9` and `512Mi + 1` are type errors.
#
# Seen:
#   memory = 512Mi                   memory: 536870912.0
#   limit = "${512Mi}"               limit: '512Mi'
#   limit = str(int(512Mi))          limit: '536870912'
#   ninety = 512Mi * 0.9             error: unsupported operand
#
# Why it hurts: whoever derives Go's GOMEMLIMIT from the memory limit of the same file takes the first or the second. Go refuses 536870912.0 (no fractions) as
# well as 512Mi (it wants MiB), and the program ends at its start, though the manifest's own `memory:` was right. Only int() in between makes
# a value that Go takes.
#
# Exit codes: 0 as described, 1 no longer so, 77 the package could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
nice -n 10 env/bin/pip install --quiet kcl-lib==0.13.2 || exit 77

cat >run.py <<'EOF'
import kcl_lib.api as kcl
for line in ("memory = 512Mi", "small = 1k", 'limit = "${512Mi}"', "limit = str(int(512Mi))", "ninety = 512Mi * 0.9", "more = 512Mi + 1"):
    with open("main.k", "w") as file:
        file.write(line + "\n")
    try:
        print(line, "=>", kcl.API().exec_program(kcl.ExecProgramArgs(k_filename_list=["main.k"])).yaml_result.strip())
    except Exception as error:
        print(line, "=>", "TypeError" if "TypeError" in str(error) else error)
EOF
env/bin/python run.py | tee answers
diff answers - <<'EOF'
memory = 512Mi => memory: 536870912.0
small = 1k => small: 1000.0
limit = "${512Mi}" => limit: '512Mi'
limit = str(int(512Mi)) => limit: '536870912'
ninety = 512Mi * 0.9 => TypeError
more = 512Mi + 1 => TypeError
EOF
